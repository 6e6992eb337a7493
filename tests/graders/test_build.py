"""Graders from their descriptions: each type's rewards, and all mistakes of one at once."""

from __future__ import annotations

from typing import Any

import pytest

from assay.errors import ConfigError
from assay.graders import (
    ERRORS,
    Grade,
    Sample,
    build_grader,
    describe_errors,
    pattern,
    store_spec,
)

TEXT = "{{ sample.output_text }}"


def reward(spec: dict[str, Any], output: str, **item: Any) -> float:
    (grade,) = build_grader(spec).grade([Sample(output)], [item])
    assert not grade.errors, grade.detail
    return grade.reward


def grade_one(spec: dict[str, Any], sample: Sample, **item: Any) -> Grade:
    (grade,) = build_grader(spec).grade([sample], [item])
    return grade


@pytest.mark.parametrize(
    ("operation", "output", "right"),
    [("eq", "Yes", 1), ("eq", "yes", 0), ("ne", "Yes", 0), ("ne", "no", 1), ("like", "Yes!", 1),
     ("like", "yes!", 0), ("ilike", "oh yes", 1), ("ilike", "no", 0)],
)  # fmt: skip
def test_string_check(operation: str, output: str, right: float) -> None:
    spec = {"type": "string_check", "name": "n", "input": TEXT, "reference": "{{ item.gold }}"}
    assert reward({**spec, "operation": operation}, output, gold="Yes") == right


@pytest.mark.parametrize(
    ("extra", "output", "gold", "right"),
    [
        ({}, "so 3 + 4 = 7.", 7, 1),
        ({}, "1,234.50 in all", "1234.5", 1),
        ({}, "it is −3", -3, 1),
        ({}, "none", 7, 0),
        ({}, "7 or 8", 7, 0),
        ({}, "1.5e3", 1500, 1),
        ({}, "x7", 7, 0),
        ({}, "0.30000000000000001", 0.3, 0),
        ({"tolerance": 0.5}, "7.5", 7, 1),
        ({"tolerance": 0.5}, "7.51", 7, 0),
        ({"relative_tolerance": 0.1}, "110", -100, 0),
        ({"relative_tolerance": 0.1}, "-110", -100, 1),
        ({"pattern": r"answer: (\S+)"}, "answer: 5 answer: 7 (not 9)", 7, 1),
        ({"pattern": r"answer: (\S+)"}, "7", 7, 0),
        ({"pattern": "# *[0-9]+"}, "# 7 and 9", 7, 1),
    ],
)
def test_numeric(extra: dict[str, Any], output: str, gold: Any, right: float) -> None:
    spec = {"type": "numeric", "reference": "{{ item.gold }}", **extra}
    assert reward(spec, output, gold=gold) == right


def test_numeric_takes_a_number_as_its_reference() -> None:
    assert reward({"type": "numeric", "reference": 12}, "12.0") == 1
    grade = grade_one({"type": "numeric", "reference": "{{ item.x }}"}, Sample("1"), x="none")
    assert (grade.reward, grade.errors) == (0, {"other_error"})


@pytest.mark.parametrize(
    ("extra", "output", "right"),
    [({}, "an A1 here", 1), ({"match": "full"}, "an A1 here", 0), ({"match": "full"}, "A1", 1),
     ({}, "a1", 0), ({"ignore_case": True}, "a1", 1)],
)  # fmt: skip
def test_regex(extra: dict[str, Any], output: str, right: float) -> None:
    assert reward({"type": "regex", "pattern": "A[0-9]", **extra}, output) == right


def test_a_pattern_that_would_never_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern, "TIMEOUT_S", 0.1)
    grade = grade_one({"type": "regex", "pattern": "(a|aa)+$"}, Sample("a" * 60 + "!"))
    assert (grade.reward, grade.errors) == (0, {"unresponsive_reward_error"})


SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("output", "right"),
    [('{"n": 1}', 1), ('{"n": "1"}', 0), ("{}", 0), ("n", 0), ('{"n": NaN}', 0), ("[" * 99999, 0)],
)
def test_json_schema(output: str, right: float) -> None:
    assert reward({"type": "json_schema", "schema": SCHEMA}, output) == right


@pytest.mark.parametrize(
    ("schema", "error"),
    [
        ({"type": "string", "pattern": "^(a|aa)+$"}, "unresponsive_reward_error"),
        ({"$ref": "#"}, "other_error"),
    ],
)
def test_a_schema_that_takes_for_ever_is_no_right_answer(
    schema: dict[str, Any], error: str
) -> None:
    grader = build_grader({"type": "json_schema", "schema": schema})
    (grade,) = grader.grade([Sample('"' + "a" * 60 + 'b"')], [{}])
    assert (grade.reward, grade.errors) == (0.0, {error})


def test_a_schema_reaches_no_other_place() -> None:
    spec = {"type": "json_schema", "schema": {"$ref": "https://example.com/schema"}}
    assert grade_one(spec, Sample("{}")).errors == {"other_error"}


@pytest.mark.parametrize(
    ("extra", "output", "right"),
    [({"max": 3}, "a b c", 1), ({"max": 3}, "a b c d", 0), ({"min": 2}, "a", 0),
     ({"max": 3, "falloff": 4}, "a b c d", 0.75), ({"max": 3, "falloff": 1}, "a b c d e", 0),
     ({"min": 4, "max": 4, "unit": "characters"}, "abcd", 1)],
)  # fmt: skip
def test_length(extra: dict[str, Any], output: str, right: float) -> None:
    assert reward({"type": "length", **extra}, output) == right


def test_length_counts_the_models_tokens() -> None:
    spec = {"type": "length", "unit": "tokens", "max": 8}
    assert [grade_one(spec, Sample("", num_tokens=n)).reward for n in (8, 9)] == [1, 0]


PARTS = {
    "right": {"type": "numeric", "name": "right", "reference": "{{ item.gold }}"},
    "short": {"type": "length", "name": "short", "max": 2},
}


@pytest.mark.parametrize("shape", ["map", "list"])
def test_multi_takes_a_map_and_a_list_alike(shape: str) -> None:
    graders = PARTS if shape == "map" else list(PARTS.values())
    spec = {"type": "multi", "graders": graders, "calculate_output": "right * 0.8 + short / 5"}
    grade = grade_one(spec, Sample("it is 7"), gold=7)
    assert grade.reward == pytest.approx(0.8)
    assert grade.sub_rewards == {"right": 1, "short": 0}
    assert store_spec(spec)["graders"] == PARTS


def test_multi_takes_a_single_grader() -> None:
    spec = {"type": "multi", "graders": PARTS["right"], "calculate_output": "2 * right"}
    assert reward(spec, "7", gold=7) == 2
    assert store_spec(spec)["graders"] == {"right": PARTS["right"]}


def test_parts_without_a_name_are_called_by_their_key_or_type() -> None:
    nameless = {"type": "length", "max": 2}
    in_map = {"type": "multi", "graders": {"brief": nameless}, "calculate_output": "brief"}
    in_list = {"type": "multi", "graders": [nameless], "calculate_output": "length"}
    assert reward(in_map, "a") == reward(in_list, "a") == 1
    assert store_spec(in_map)["graders"] == {"brief": {"name": "brief", **nameless}}


def test_a_failing_part_counts_nothing_and_is_told() -> None:
    graders = {**PARTS, "lost": {"type": "regex", "pattern": "x", "input": "{{ item.gone }}"}}
    spec = {"type": "multi", "graders": graders, "calculate_output": "right + 10 * lost"}
    grade = grade_one(spec, Sample("7"), gold=7)
    assert (grade.reward, grade.errors) == (1, {"invalid_variable_error"})
    assert "lost" in grade.detail


def test_a_formula_without_a_value_is_an_error_and_no_crash() -> None:
    spec = {"type": "multi", "graders": PARTS, "calculate_output": "right / short"}
    grade = grade_one(spec, Sample("it is 7"), gold=7)
    assert (grade.reward, grade.errors) == (0, {"formula_parse_error"})


def test_all_problems_come_at_once() -> None:
    spec = {
        "type": "multi",
        "graders": {
            "a": {"type": "string_chek"},
            "b": {"type": "string_check", "input": "{{ foo }}", "operation": "neq", "extra": 1},
            "min": {"type": "length", "max": "three"},
            "c": {"type": "multi", "graders": {}, "calculate_output": "1"},
            "d": {"type": "regex", "pattern": "("},
        },
        "calculate_output": "a + z",
    }
    with pytest.raises(ConfigError) as raised:
        build_grader(spec, place="objective.grader")
    said = str(raised.value)
    for part in ("graders.a.type: got type 'string_chek'", "write string_check", "graders.b.input",
                 "graders.b.reference: got no reference", "operation 'neq'", "allowed eq, ne, like",
                 "graders.b.extra", "the name 'min'", "max 'three'", "multi within multi",
                 "graders.d.pattern", "the name 'z'"):  # fmt: skip
        assert part in said, part


def test_errors_are_told_in_the_published_form() -> None:
    assert len(ERRORS) == 11
    told = describe_errors(Grade(0, errors=frozenset({"python_grader_runtime_error"}), detail="!"))
    assert sum(value is True for value in told.values()) == 1
    assert told["python_grader_runtime_error_details"] == "!"
    assert told["model_grader_server_error_details"] is None
    assert len(told) == 14
