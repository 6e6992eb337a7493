"""Adapters to start from: their own settings are kept, and what contradicts them is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.config import Loaded, dump, load
from assay.config.start import count_virtual_tokens
from assay.errors import ConfigError, Problem

PLAIN = {
    "peft_type": "LORA",
    "r": 8,
    "lora_alpha": 24,
    "lora_dropout": 0.1,
    "target_modules": ["q_proj", "v_proj"],
    "use_rslora": False,
    "use_dora": False,
}


def write_adapter(folder: Path, **changes: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(PLAIN | changes), encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(b"")


def load_method(folder: Path, method: str) -> Loaded:
    (folder / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(f"base: tiny\ndata: {{train: rows.jsonl}}\nmethod: {method}\n", "utf-8")
    return load(path)


def find_problems(folder: Path, method: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_method(folder, method)
    return caught.value.problems


def test_one_adapter_keeps_its_settings_and_the_resolved_recipe_says_them(tmp_path: Path) -> None:
    write_adapter(tmp_path / "a")
    loaded = load_method(tmp_path, "{start_from: a}")
    method = loaded.recipe.method
    assert (method.rank, method.alpha, method.dropout) == (8, 24.0, 0.1)
    assert method.target_modules == ["q_proj", "v_proj"]
    assert "start_from" in loaded.reasons["method.rank"]
    again = tmp_path / "again.yaml"
    again.write_text(dump(loaded.recipe), encoding="utf-8")
    assert load(again).recipe == loaded.recipe


@pytest.mark.parametrize(
    ("setting", "key", "allowed"),
    [
        ("rank: 16", "method.rank", "8, as"),
        ("alpha: 16", "method.alpha", "24, as"),
        ("dropout: 0.0", "method.dropout", "0.1, as"),
        ("target_modules: all-linear", "method.target_modules", "q_proj"),
        ("flavours: [dora]", "method.flavours", "none of"),
    ],
)
def test_settings_that_contradict_the_adapter_are_refused(
    tmp_path: Path, setting: str, key: str, allowed: str
) -> None:
    write_adapter(tmp_path / "a")
    (problem,) = find_problems(tmp_path, f"{{start_from: a, {setting}}}")
    assert problem.key == key
    assert allowed in problem.allowed


def test_the_flavour_of_the_adapter_must_be_named(tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", use_dora=True)
    (problem,) = find_problems(tmp_path, "{start_from: a}")
    assert problem.allowed == "dora"
    assert load_method(tmp_path, "{type: dora, start_from: a, flavours: [lora_plus]}")


def test_there_is_one_start(tmp_path: Path) -> None:
    write_adapter(tmp_path / "a")
    (problem,) = find_problems(tmp_path, "{type: pissa, start_from: a}")
    assert problem.got == "two starts: pissa, and method.start_from"


def test_several_adapters_are_summed_into_one_with_room_for_them(tmp_path: Path) -> None:
    write_adapter(tmp_path / "a")
    write_adapter(tmp_path / "b", r=4, target_modules=["v_proj", "up_proj"])
    method = load_method(tmp_path, "{start_from: {a: 0.5, b: 2}}").recipe.method
    assert (method.rank, method.alpha, method.dropout) == (12, 24.0, 0.0)
    assert method.target_modules == ["q_proj", "up_proj", "v_proj"]
    assert load_method(tmp_path, "{start_from: [a, b], rank: 32}").recipe.method.rank == 32
    (problem,) = find_problems(tmp_path, "{start_from: [a, b], rank: 8}")
    assert (problem.key, problem.allowed) == ("method.rank", "at least 12")
    (problem,) = find_problems(tmp_path, "{type: dora, start_from: [a, b]}")
    assert "dora where several" in problem.got


def test_every_adapter_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    write_adapter(tmp_path / "run" / "adapter")
    write_adapter(tmp_path / "ia3", peft_type="IA3")
    problems = find_problems(tmp_path, "{start_from: [run, none]}")
    assert [problem.do for problem in problems] == ["write run/adapter", "correct the path"]
    (problem,) = find_problems(tmp_path, "{start_from: ia3}")
    assert "of type IA3" in problem.got
    write_adapter(tmp_path / "d", use_dora=True)
    (problem,) = find_problems(tmp_path, "{start_from: {d: 0.5}}")
    assert "use_dora" in problem.got


def test_a_method_of_peft_goes_on_from_its_own_kind(tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", peft_type="IA3")
    assert load_method(tmp_path, "{type: peft, config: {peft_type: IA3}, start_from: a}")
    (problem,) = find_problems(tmp_path, "{type: peft, config: {peft_type: VERA}, start_from: a}")
    assert problem.got == "peft_type: VERA, where the adapter has IA3"


@pytest.mark.parametrize("nothing", ["[]", "{}"])
def test_a_start_from_no_adapter_is_refused(tmp_path: Path, nothing: str) -> None:
    (problem,) = find_problems(tmp_path, f"{{start_from: {nothing}}}")
    assert problem.key == "method.start_from"
    assert problem.got == "no adapter, or the same one twice"


def test_virtual_tokens_are_counted_by_the_recipe_or_by_the_adapter_it_goes_on_from(
    tmp_path: Path,
) -> None:
    write_adapter(tmp_path / "a", peft_type="PROMPT_TUNING", num_virtual_tokens=7)
    methods = {
        "{type: peft, config: {peft_type: PREFIX_TUNING, num_virtual_tokens: 20}}": 20,
        "{type: peft, config: {peft_type: PROMPT_TUNING}, start_from: a}": 7,
        "{type: peft, config: {peft_type: IA3}}": 0,
        "lora": 0,
    }
    for method, expected in methods.items():
        loaded = load_method(tmp_path, method)
        assert count_virtual_tokens(loaded.recipe.method, tmp_path) == expected
