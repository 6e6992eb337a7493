"""Writing recipes: whatever can be read loads back equal, and each default says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.config import Recipe, dump, leaf_keys, load, render_dry_run
from assay.config.check import check_tree
from assay.config.override import expand_short_forms
from assay.config.tree import parse_yaml
from assay.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
RATIO = st.floats(0, 0.45)
WHOLE = st.integers(1, 4096)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


SOURCES = st.fixed_dictionaries(
    {"path": TEXT},
    optional={
        "columns": st.dictionaries(TEXT, TEXT, max_size=3),
        "weight": st.floats(1e-6, 1000),
        "revision": optional(TEXT),
        "limit": optional(WHOLE),
        "format": st.sampled_from(["auto", "chat", "text"]),
    },
)
RECIPES = st.fixed_dictionaries(
    {
        "base": st.just("tiny") | st.fixed_dictionaries({"name": TEXT, "revision": optional(TEXT)}),
        "data": st.fixed_dictionaries(
            {"train": TEXT | SOURCES | st.lists(TEXT | SOURCES, min_size=1, max_size=3)},
            optional={
                "system": optional(TEXT),
                "test_ratio": RATIO,
                "accept": st.just(["truncated_rows"]),
            },
        ),
    },
    optional={
        "method": st.sampled_from(["lora", "qlora", "full", "dora", "freeze"])
        | st.fixed_dictionaries(
            {}, optional={"rank": WHOLE, "target_modules": st.lists(TEXT, min_size=1)}
        ),
        "train": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.floats(0.01, 1000),
                "optimizer_settings": st.just({"betas": [0.5, 0.75], "weight_decay": 0.1}),
                "techniques": st.just(["compile"]),
            },
        ),
        "evaluate": st.fixed_dictionaries({"prompt": optional(TEXT)}),
        "gates": st.just("strict")
        | st.fixed_dictionaries(
            {"thresholds": st.fixed_dictionaries({"min_gain": st.floats(-1, 1)})}
        ),
        "sweep": st.dictionaries(TEXT, st.lists(st.floats(0, 1) | TEXT), max_size=2),
        "trackers": st.lists(st.sampled_from(["wandb", "mlflow"]), max_size=2),
        "output": TEXT,
        "seed": st.integers(0, 2**32 - 1),
    },
)


def read_back(text: str) -> Recipe:
    root, problems = parse_yaml(text, file="")
    expand_short_forms(root)
    checked = check_tree(root)
    assert problems + checked.problems == []
    return checked.recipe


@settings(max_examples=60, deadline=None)
@given(RECIPES)
def test_a_dumped_recipe_loads_back_equal(plain: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(plain)
    assert read_back(dump(recipe)) == recipe


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
KEYS = sorted({part for key in leaf_keys() for part in key.split(".")} | {"path", "kind", "0"})
LIKELY = st.recursive(
    JUNK, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4), max_leaves=12
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LIKELY, st.lists(st.tuples(st.sampled_from(leaf_keys()), LIKELY), max_size=2))
def test_no_recipe_whatever_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, value: Any, overrides: list[tuple[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_text(json.dumps(value), encoding="utf-8")
    try:
        load(path, [f"{key}={json.dumps(junk)}" for key, junk in overrides])
    except ConfigError as error:
        assert error.problems
        assert all(problem.got and problem.file for problem in error.problems)


def write_recipe(folder: Path, more: str = "") -> Path:
    (folder / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    path = folder / "desk.yaml"
    path.write_text(f"base: tiny\ndata:\n  train: rows.jsonl\n{more}", encoding="utf-8")
    return path


def test_a_dry_run_gives_the_reason_of_every_default_and_of_no_setting(tmp_path: Path) -> None:
    loaded = load(write_recipe(tmp_path, "seed: 0\nmethod: {rank: 16}\n"), ["train.epochs=2"])
    lines = render_dry_run(loaded).splitlines()[1:]
    values = [line for line in lines if not line.split("#")[0].rstrip().endswith(":")]
    stated = [line.split(":")[0].strip(" -") for line in values if "  # " not in line]
    assert stated == ["name", "path", "rank", "epochs", "seed"]


def test_a_dry_run_is_itself_a_recipe_that_resolves_to_the_same(tmp_path: Path) -> None:
    loaded = load(write_recipe(tmp_path))
    again = tmp_path / "resolved.yaml"
    again.write_text(render_dry_run(loaded), encoding="utf-8")
    assert load(again).recipe == loaded.recipe
    assert {key.split(".")[0] for key in load(again).reasons} == {"gates"}


def test_a_resolved_recipe_with_named_splits_and_steps_loads_back_equal(tmp_path: Path) -> None:
    (tmp_path / "held.jsonl").write_text("{}\n", encoding="utf-8")
    more = "  validation: held.jsonl\ntrain: {max_steps: 3}\n"
    loaded = load(write_recipe(tmp_path, more))
    assert (loaded.recipe.train.epochs, loaded.recipe.data.validation_ratio) == (None, 0.0)
    again = tmp_path / "resolved.yaml"
    again.write_text(dump(loaded.recipe), encoding="utf-8")
    assert load(again).recipe == loaded.recipe


def test_margins_that_a_recipe_leaves_to_its_policy_stay_left_to_it(tmp_path: Path) -> None:
    loaded = load(
        write_recipe(tmp_path, "gates: {policy: strict, thresholds: {refusal_margin: 0.1}}\n")
    )
    assert loaded.recipe.gates.thresholds.model_fields_set == {"refusal_margin"}
    again = tmp_path / "resolved.yaml"
    again.write_text(dump(loaded.recipe), encoding="utf-8")
    gates = load(again).recipe.gates
    assert gates == loaded.recipe.gates
    assert gates.thresholds.model_fields_set == {"refusal_margin"}


def test_text_over_several_lines_stays_on_one(tmp_path: Path) -> None:
    loaded = load(write_recipe(tmp_path, "evaluate:\n  prompt: |\n    Be kind.\n    Be brief.\n"))
    assert '  prompt: "Be kind.\\nBe brief.\\n"' in render_dry_run(loaded).splitlines()
