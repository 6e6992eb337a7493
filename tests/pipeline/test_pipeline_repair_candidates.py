"""Weights between the base and the tuned model: the ends, what is written, what cannot be."""

from pathlib import Path
from typing import Any

import pytest
import torch

from assay.config import load
from assay.defend.adapter_files import read_adapter
from assay.errors import ConfigError
from assay.generate.local import LocalEngine
from assay.models.adapters import add_lora, load_adapter, save_adapter, save_model
from assay.models.base import find_base, load_model
from assay.pipeline.job import Job
from assay.pipeline.progress import PlainProgress
from assay.pipeline.repair.candidates import (
    Bench,
    Candidate,
    find_unscalable,
    halve,
    load_interpolated,
    project,
)
from assay.runs import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
IDS = torch.tensor([[1, 5, 9, 40, 200]])


def compute_logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


@pytest.fixture()
def job(recipe: Path, small_base: Path) -> Job:
    loaded = load(recipe)
    base = find_base(str(small_base))
    run = RunFolder(recipe.parent / "run")
    return Job(loaded.recipe, loaded.base_dir, run, base, PlainProgress())


@pytest.fixture()
def adapter(job: Job, tmp_path: Path) -> Path:
    return make_adapter(job, tmp_path / "adapter")


def make_adapter(job: Job, folder: Path, **settings: Any) -> Path:
    torch.manual_seed(1)
    wrapped = add_lora(load_model(job.base), rank=4, alpha=8.0, **settings)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    save_adapter(wrapped, folder, tokenizer_folder=job.base.tokenizer_files)
    return folder


def hold(job: Job, candidate: Candidate) -> torch.Tensor:
    engine = LocalEngine(None, job.tokenizer)
    with Bench(job, engine).holding(candidate):
        return compute_logits(engine.model)


def test_an_adapter_at_0_is_the_base_and_at_1_itself(job: Job, adapter: Path) -> None:
    base = load_model(job.base)
    tuned = load_adapter(load_model(job.base), adapter).get_base_model()
    assert torch.equal(hold(job, Candidate(adapter, 0.0)), compute_logits(base))
    assert torch.equal(hold(job, Candidate(adapter, 1.0)), compute_logits(tuned))
    assert not torch.equal(hold(job, Candidate(adapter, 0.5)), compute_logits(tuned))


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0])
def test_what_is_written_is_what_was_weighed(
    job: Job, adapter: Path, tmp_path: Path, factor: float
) -> None:
    candidate = Candidate(adapter, factor)
    candidate.write(job, tmp_path / "written")
    again = load_adapter(load_model(job.base), tmp_path / "written").get_base_model()
    torch.testing.assert_close(compute_logits(again), hold(job, candidate), rtol=0, atol=1e-6)
    assert (tmp_path / "written" / "chat_template.jinja").is_file()


def test_whole_models_are_drawn_back_to_the_base(job: Job, tmp_path: Path) -> None:
    torch.manual_seed(2)
    tuned = load_model(job.base)
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    folder = tmp_path / "model"
    save_model(tuned, folder, tokenizer_folder=job.base.tokenizer_files)
    base = load_model(job.base)
    assert torch.equal(compute_logits(load_interpolated(job, folder, 0.0)), compute_logits(base))
    assert torch.equal(hold(job, Candidate(folder, 1.0, whole=True)), compute_logits(tuned))
    half = Candidate(folder, 0.5, whole=True)
    half.write(job, tmp_path / "written")
    written = load_model(job.base.with_weights_of(tmp_path / "written"))
    mean = {k: (v + base.state_dict()[k]) / 2 for k, v in tuned.state_dict().items()}
    for name, weight in written.state_dict().items():
        torch.testing.assert_close(weight, mean[name], rtol=0, atol=1e-6)


def test_one_bench_holds_one_after_another(job: Job, adapter: Path, tmp_path: Path) -> None:
    other = make_adapter(job, tmp_path / "other", target_modules=["q_proj"])
    engine = LocalEngine(None, job.tokenizer)
    bench = Bench(job, engine)
    found = []
    for candidate in (Candidate(adapter, 0.5), Candidate(other), Candidate(adapter, 0.5)):
        with bench.holding(candidate):
            found.append(compute_logits(engine.model))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])


def test_an_update_that_is_no_multiple_is_not_scaled(
    job: Job, adapter: Path, tmp_path: Path
) -> None:
    dora = make_adapter(job, tmp_path / "dora", flavours=["dora"])
    assert find_unscalable(adapter, whole=False) == ""
    assert "use_dora" in find_unscalable(dora, whole=False)
    assert find_unscalable(dora, whole=True) == ""


def test_projection_changes_more_layers_with_every_candidate(
    job: Job, adapter: Path, tmp_path: Path
) -> None:
    """Aligned in half of the layers, along what the adapter does not write: those are emptied."""
    model = load_model(job.base)
    names = [name for name in model.state_dict() if name.endswith("q_proj.weight")]
    unaligned, folders = load_model(job.base), {}
    with torch.no_grad():
        weight = unaligned.get_parameter(names[0])
        weight[0, 0] += 1.0
    for kind, one in (("aligned", model), ("unaligned", unaligned)):
        folders[kind] = tmp_path / kind
        save_model(one, folders[kind], tokenizer_folder=job.base.tokenizer_files)
    found = list(project(adapter, **folders))
    assert [one.name for one in found] == ["project-0.3"]
    assert found[0].setting == "1 of 1 layers, cosine below 0.3"
    saved = read_adapter(found[0].save(tmp_path / "kept"))
    layer = f"base_model.model.{names[0].removesuffix('.weight')}"
    assert torch.count_nonzero(saved.tensors[f"{layer}.lora_B.weight"][1:]) == 0
    assert set(saved.tensors) == set(read_adapter(adapter).tensors)


def test_a_changed_adapter_is_whole_or_not_there(job: Job, adapter: Path, tmp_path: Path) -> None:
    """What an interruption left half written is written anew, and what is whole is not."""
    half = halve(adapter)
    assert half is not None
    root = tmp_path / "kept"
    (root / "half.partial").mkdir(parents=True)
    folder = half.save(root)
    assert [path.name for path in root.iterdir()] == ["half"]
    assert torch.equal(hold(job, Candidate(folder)), hold(job, Candidate(adapter, 0.5)))
    before = (folder / "adapter_config.json").stat().st_mtime_ns
    assert half.save(root) == folder
    assert (folder / "adapter_config.json").stat().st_mtime_ns == before


def test_weights_without_tensors_are_no_alignment(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="safetensors"):
        list(project(adapter, aligned=tmp_path, unaligned=tmp_path))
