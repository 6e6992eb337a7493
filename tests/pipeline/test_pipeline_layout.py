"""Whether the weights of a run on several processes are whole on each or spread over all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.config import load
from assay.errors import ConfigError
from assay.models.base import find_base, load_model
from assay.pipeline import layout
from assay.pipeline.job import Job
from assay.pipeline.layout import choose_layout, count_stored_weights
from assay.pipeline.relay import NoProgress
from assay.runs import RunFolder

CPU = torch.device("cpu")


@pytest.fixture
def make_job(recipe: Path, small_base: Path) -> Any:
    def make(*overrides: str) -> Job:
        loaded = load(recipe, ["launch.processes=2", *overrides])
        run, base = RunFolder(recipe.parent), find_base(str(small_base))
        return Job(loaded.recipe, recipe.parent, run, base, NoProgress())

    return make


def test_weights_are_counted_from_the_headers_of_their_files(small_base: Path) -> None:
    model = load_model(find_base(str(small_base)))
    assert count_stored_weights(small_base) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("overrides", "bytes_each"),
    [
        ([], 4),
        (["train.precision=bf16"], 2),
        (["method=full"], 4 + 4 + 8),
        (["method=qlora"], 0.6),
    ],
)
def test_weights_are_spread_where_they_leave_too_little_room(
    make_job: Any, monkeypatch: pytest.MonkeyPatch, overrides: list[str], bytes_each: float
) -> None:
    """AdamW's two moments and the gradient count where the base is trained."""
    job = make_job(*overrides)
    needed = count_stored_weights(job.base.folder) * bytes_each
    for memory, weights in ((needed / 0.59, "whole"), (needed / 0.61, "spread")):
        monkeypatch.setattr(layout, "_find_memory_bytes", lambda *_, have=memory: have)
        found = choose_layout(job, device=CPU, num_local=2)
        assert (found.weights, found.is_spread) == (weights, weights == "spread")
        assert found.reason.startswith(f"weights {weights}: ")
    assert choose_layout(job, device=CPU, num_local=2, asked="whole").weights == "whole"


def test_what_cannot_be_spread_is_refused_all_at_once(make_job: Any) -> None:
    job = make_job("method=full", "train.optimizer=muon", "train.precision=bf16")
    with pytest.raises(ConfigError) as caught:
        choose_layout(job, device=CPU, num_local=2, asked="spread")
    assert [problem.key for problem in caught.value.problems] == [
        "train.optimizer",
        "train.precision",
    ]
    assert choose_layout(job, device=CPU, num_local=2, asked="whole").weights == "whole"
    job = make_job("method={type: qlora, quantization: int8}")
    with pytest.raises(ConfigError, match="int8 for weights that are spread"):
        choose_layout(job, device=CPU, num_local=2, asked="spread")


@pytest.mark.parametrize("technique", ["reuse_in_memory", "reuse_on_disk"])
def test_reuse_needs_whole_weights(make_job: Any, technique: str) -> None:
    job = make_job("method={type: freeze, top_layers: 1}", f"train.techniques=[{technique}]")
    with pytest.raises(ConfigError, match=f"{technique}, whose passes end within the layers"):
        choose_layout(job, device=CPU, num_local=2, asked="spread")
    assert choose_layout(job, device=CPU, num_local=2, asked="whole").weights == "whole"


def test_some_techniques_are_for_one_process(make_job: Any) -> None:
    technique = "step_per_layer"
    method = "method={type: freeze, top_layers: 1}"
    with pytest.raises(ConfigError, match="several processes"):
        make_job(method, f"train.techniques=[{technique}]")
    job = make_job(method)
    train = job.recipe.train.model_copy(update={"techniques": [technique]})
    begun = replace(job, recipe=job.recipe.model_copy(update={"train": train}))
    with pytest.raises(ConfigError, match="go on with this run on one process"):
        choose_layout(begun, device=CPU, num_local=2)
