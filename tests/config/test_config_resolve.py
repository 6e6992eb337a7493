"""Defaults by rule: pure, and each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.config import Recipe
from assay.config.resolve import choose_epochs, choose_learning_rate, choose_name, resolve


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


@pytest.mark.parametrize(("kind", "double"), [("nf4", True), ("fp4", True), ("int8", False)])
def test_double_quantisation_is_of_four_bit_formats(kind: str, double: bool) -> None:
    method = {"type": "qlora", "quantization": kind}
    recipe, reasons = resolve(build_recipe(method=method), path=Path("a.yaml"))
    assert recipe.method.double_quantization is double
    assert reasons["method.double_quantization"]
    assert resolve(recipe, path=Path("a.yaml"))[0] == recipe


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
