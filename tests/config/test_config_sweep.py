"""`sweep`: keys and values are checked where they are written; a combination is a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.config import load
from assay.config.sweep import MAX_CANDIDATES, expand_sweep
from assay.errors import ConfigError


def write(folder: Path, more: str = "") -> Path:
    (folder / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    path = folder / "desk.yaml"
    path.write_text(f"base: tiny\ndata: {{train: rows.jsonl}}\n{more}", encoding="utf-8")
    return path


def find_lines(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, list(overrides))
    return [f"{one.line} {one.key}: {one.got}" for one in caught.value.problems]


def test_every_combination_is_a_resolved_recipe_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, "sweep: {rank: [4, 8], train.max_steps: [10], weight_decay: [0, 0.1]}\n")
    candidates = expand_sweep(load(path).recipe)
    assert [one.name for one in candidates] == ["c1", "c2", "c3", "c4"]
    assert [one.label for one in candidates][1] == "rank 4, train.max_steps 10, weight_decay 0.1"
    for one in candidates:
        recipe = one.recipe
        assert recipe.sweep == {}
        assert recipe.train.max_steps == 10
        assert recipe.train.epochs is None
        assert recipe.train.optimizer_settings["weight_decay"] == one.setting["weight_decay"]
        assert recipe.method.alpha == 2 * one.setting["rank"]
    last = candidates[-1].setting
    alone = [f"method.rank={last['rank']}", "train.max_steps=10", "sweep={}"]
    alone += ["train.optimizer_settings.weight_decay=0.1"]
    assert candidates[-1].recipe == load(path, alone).recipe


def test_a_recipe_leaves_to_the_sweep_what_it_decides(tmp_path: Path) -> None:
    loaded = load(write(tmp_path), ["sweep.train.learning_rate=[1e-4, 1e-3]", "sweep.rank=[4]"])
    assert loaded.recipe.sweep == {"train.learning_rate": [1e-4, 1e-3], "rank": [4]}
    assert loaded.recipe.train.learning_rate is None
    assert loaded.recipe.method.alpha is None
    for key in ("train.learning_rate", "method.alpha"):
        assert "sweep decides" in loaded.reasons[key]


def test_every_wrong_key_and_value_is_located(tmp_path: Path) -> None:
    more = """\
train: {epochs: 2}
sweep:
  lr: [1]
  data.test_ratio: [0.1]
  rank: [4, 0, 4]
  method.rank: [2]
  alpha: []
  train.max_steps:
    - 5
"""
    assert find_lines(write(tmp_path, more)) == [
        "5 sweep.lr: 'lr', which cannot be swept",
        "6 sweep.data.test_ratio: 'data.test_ratio', which cannot be swept",
        "7 sweep.rank.2: 4 a second time",
        "8 sweep.method.rank: 'method.rank', the same key as 'rank'",
        "9 sweep.alpha: an empty list",
        "11 train.max_steps: both train.max_steps and train.epochs",
    ]
    more = more.replace("  method.rank: [2]\n", "")
    assert "7 method.rank: 0" in find_lines(write(tmp_path, more))


@pytest.mark.parametrize(
    ("override", "got"),
    [
        ("method=full", "a sweep with method full, which trains weights of the base"),
        ("data.validation_ratio=0", "a sweep without validation rows"),
        (f"sweep.seed=[{','.join(map(str, range(33)))}]", "66 candidates (2 x 33)"),
        ("sweep=[1]", "[1]"),
    ],
)
def test_what_no_sweep_goes_with_is_refused(tmp_path: Path, override: str, got: str) -> None:
    path = write(tmp_path, "sweep: {learning_rate: [0.1, 0.2]}\n")
    (line,) = find_lines(path, override)
    assert line.endswith(got)
    assert MAX_CANDIDATES == 64


def test_an_adapter_that_is_trained_on_keeps_its_settings(tmp_path: Path) -> None:
    start = tmp_path / "start"
    start.mkdir()
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8.0, "target_modules": ["q_proj"]}
    (start / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    (start / "adapter_model.safetensors").write_bytes(b"")
    path = write(tmp_path, "method: {start_from: start}\nsweep:\n  rank: [4, 8]\n")
    assert find_lines(path) == ["5 method.rank: 8, where the adapter has 4"]
