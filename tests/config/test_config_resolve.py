"""Defaults by rule: pure, and each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.config import Recipe
from assay.config.resolve import (
    choose_alpha,
    choose_epochs,
    choose_learning_rate,
    choose_name,
    choose_warmup_ratio,
    resolve,
)


def build_recipe(**sections: object) -> Recipe:
    return Recipe.model_validate({"base": "tiny", "data": {"train": "a.jsonl"}, **sections})


@pytest.mark.parametrize(
    ("method", "base", "rate"),
    [
        ("lora", "org/model", 2e-4),
        ("full", "org/model", 2e-5),
        ("lora", "tiny", 2e-3),
        ("qlora", "org/model", 2e-4),
        ("qlora", "tiny", 2e-3),
        ("full", "tiny", 5e-4),
        ("dora", "org/model", 2e-4),
        ("pissa", "org/model", 1e-4),
        ("freeze", "org/model", 2e-5),
    ],
)
def test_the_learning_rate_follows_method_and_base(method: str, base: str, rate: float) -> None:
    assert choose_learning_rate(method, base).value == rate
    recipe, reasons = resolve(build_recipe(method=method, base=base), path=Path("a.yaml"))
    assert recipe.train.learning_rate == rate
    assert reasons["train.learning_rate"] == choose_learning_rate(method, base).reason


def test_what_the_recipe_says_is_kept_and_has_no_reason() -> None:
    train = {"learning_rate": 0.5, "epochs": 1}
    recipe, reasons = resolve(build_recipe(train=train, name="x"), path=Path("a.yaml"))
    assert (recipe.train.learning_rate, recipe.train.epochs, recipe.name) == (0.5, 1.0, "x")
    assert not {"train.learning_rate", "train.epochs", "name"} & set(reasons)


@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_alpha_follows_the_rank(kind: str) -> None:
    for method, alpha in (
        ({"type": kind}, 32.0),
        ({"type": kind, "rank": 64}, 128.0),
        ({"type": kind, "rank": 64, "alpha": 16}, 16.0),
    ):
        recipe, reasons = resolve(build_recipe(method=method), path=Path("a.yaml"))
        assert recipe.method.alpha == alpha
        assert ("method.alpha" in reasons) == ("alpha" not in method)


def test_alpha_of_a_rank_stabilised_adapter_is_the_same_for_every_rank() -> None:
    for rank in (4, 64):
        method = {"type": "rslora", "rank": rank}
        recipe, _ = resolve(build_recipe(method=method), path=Path("a.yaml"))
        assert recipe.method.alpha == 8.0
    # At rank 16 both scale by 2: alpha / rank, and alpha / the root of the rank.
    assert choose_alpha(16).value / 16 == choose_alpha(16, rank_stabilised=True).value / 4


@pytest.mark.parametrize(
    ("method", "top_layers"),
    [({}, 2), ({"top_layers": 1}, 1), ({"patterns": ["norm"]}, None)],
)
def test_freeze_trains_top_layers_unless_patterns_are_named(
    method: dict[str, object], top_layers: int | None
) -> None:
    recipe, _ = resolve(build_recipe(method={"type": "freeze", **method}), path=Path("a.yaml"))
    assert recipe.method.top_layers == top_layers


def test_every_setting_of_the_optimizer_is_written_out_with_its_reason() -> None:
    train = {"optimizer_settings": {"weight_decay": 0.1}}
    recipe, reasons = resolve(build_recipe(train=train), path=Path("a.yaml"))
    expected = {"weight_decay": 0.1, "betas": [0.9, 0.999], "epsilon": 1e-8}
    assert recipe.train.optimizer_settings == expected
    key = "train.optimizer_settings"
    found = {name for name in reasons if name.startswith(key)}
    assert found == {f"{key}.betas", f"{key}.epsilon"}
    assert resolve(recipe, path=Path("a.yaml"))[0] == recipe


def test_lion_has_a_fifth_of_the_rate_and_schedule_free_a_constant_one() -> None:
    adamw = choose_learning_rate("lora", "org/model").value
    lion, _ = resolve(build_recipe(train={"optimizer": "lion"}), path=Path("a.yaml"))
    assert lion.train.learning_rate == choose_learning_rate("lora", "tiny").value / 5
    assert choose_learning_rate("lora", "org/model", "lion").value == adamw / 5
    free, reasons = resolve(build_recipe(train={"optimizer": "schedule_free"}), path=Path("a.yaml"))
    assert free.train.schedule == "constant"
    assert "average" in reasons["train.schedule"]
    assert resolve(free, path=Path("a.yaml"))[0] == free


def test_nothing_is_clipped_where_layers_step_by_themselves() -> None:
    train = {"techniques": ["step_per_layer"]}
    recipe, reasons = resolve(build_recipe(train=train), path=Path("a.yaml"))
    assert recipe.train.max_grad_norm is None
    assert "step_per_layer" in reasons["train.max_grad_norm"]
    assert resolve(recipe, path=Path("a.yaml"))[0] == recipe


def test_warmup_steps_replace_the_ratio() -> None:
    assert choose_warmup_ratio(None).value == 0.05
    assert choose_warmup_ratio(10).value is None


def test_steps_replace_epochs() -> None:
    assert choose_epochs(None).value == 3.0
    assert choose_epochs(10).value is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("desk/recipe.yaml", "desk"),
        ("desk/night shift.yaml", "night-shift"),
        ("desk/_v2.yaml", "v2"),
        ("/recipe.yaml", "run"),
    ],
)
def test_a_run_is_named_after_file_or_folder(path: str, name: str) -> None:
    assert choose_name(Path(path)).value == name


@pytest.mark.parametrize(
    ("variant", "low", "high"), [("grpo", 0.2, 0.2), ("dapo", 0.2, 0.28), ("gspo", 3e-4, 4e-4)]
)
def test_clips_are_those_of_the_variant_unless_they_are_given(
    variant: str, low: float, high: float
) -> None:
    objective: dict[str, object] = {
        "type": "grpo",
        "variant": variant,
        "grader": {"type": "length"},
    }
    recipe, reasons = resolve(build_recipe(objective=objective), path=Path("a.yaml"))
    assert (recipe.objective.clip_low, recipe.objective.clip_high) == (low, high)  # type: ignore[union-attr]
    assert reasons["objective.clip_low"] == f"as {variant} is published"
    assert recipe.evaluate.shots == [0]
    given, _ = resolve(build_recipe(objective=objective | {"clip_high": 0.5}), path=Path("a.yaml"))
    assert given.objective.clip_high == 0.5  # type: ignore[union-attr]
