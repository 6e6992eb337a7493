"""A run of method qlora: refused at once without bitsandbytes, and whole with it."""

import json
from pathlib import Path

import pytest

from assay.config import load
from assay.errors import ConfigError
from assay.models import quantize
from assay.pipeline import run_recipe
from assay.pipeline.export import export_run


def test_a_missing_bitsandbytes_is_the_recipes_problem_before_a_folder_is_made(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None)
    text = recipe.read_text("utf-8").replace("{type: lora, rank: 4, dropout: 0.1}", "qlora")
    recipe.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        run_recipe(load(recipe))
    (problem,) = caught.value.problems
    line = 1 + text.splitlines().index("method: qlora")
    assert (problem.key, problem.line) == ("method", line)
    assert problem.do.startswith("pip install bitsandbytes")
    assert not (recipe.parent / "runs").exists()


def test_an_optimizer_in_eight_bits_needs_the_package_too(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        run_recipe(load(recipe, ["train.optimizer=adamw_8bit"]))
    (problem,) = caught.value.problems
    assert problem.file == "override train.optimizer=adamw_8bit"
    assert problem.do == "pip install bitsandbytes, or set train.optimizer to adamw"
    assert not (recipe.parent / "runs").exists()


def test_a_run_with_an_optimizer_in_eight_bits_ends_in_a_verdict(recipe: Path) -> None:
    pytest.importorskip("bitsandbytes")
    changes = ["train.optimizer=adamw_8bit", "train.max_steps=3", "evaluate.max_items=4"]
    outcome = run_recipe(load(recipe, changes))
    assert outcome.verdict["status"] in ("held", "released")
    assert outcome.run.read_metrics()[-1]["step"] == 3


def test_a_run_in_four_bits_keeps_its_integrity_and_exports(recipe: Path) -> None:
    pytest.importorskip("bitsandbytes")
    method = "method={type: qlora, rank: 4}"
    outcome = run_recipe(load(recipe, [method, "train.max_steps=4", "evaluate.max_items=8"]))
    gates = {gate["name"]: gate for gate in outcome.verdict["gates"]}
    for name in ("adapter_reloads", "merged_equals_adapter", "template_unchanged"):
        assert gates[f"integrity/{name}"]["outcome"] == "pass", gates[f"integrity/{name}"]
    assert gates["integrity/adapter_reloads"]["statistic"] == 0
    manifest = json.loads(outcome.run.manifest.read_text("utf-8"))
    assert manifest["method"] == "qlora"
    training = manifest["training"]
    # Two layers of 32 hidden and 64 inner dimensions over 4096 tied tokens, beside the adapters.
    linear = 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64)
    assert training["num_parameters"] - training["num_trainable"] == 4096 * 32 + linear + 5 * 32
    exported = export_run(
        outcome.run.path.name,
        form="merged",
        out=str(recipe.parent / "out"),
        root=str(outcome.run.path.parent),
    )
    assert exported.difference <= exported.tolerance
    assert exported.requantised is not None
    assert exported.tolerance < exported.requantised < 0.5
