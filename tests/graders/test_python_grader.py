"""The python grader: its numbers, its failures by name, and what a source must be."""

from __future__ import annotations

from typing import Any

import pytest

from assay.errors import ConfigError
from assay.graders import Sample, build_grader
from assay.graders import python as module
from assay.sandbox.client import find_fences
from assay.sandbox.fences import Fences

pytestmark = pytest.mark.skipif(
    not find_fences().is_closed, reason="this system has neither namespaces nor seccomp for us"
)


def build(source: str, **extra: Any) -> Any:
    return build_grader({"type": "python", "name": "p", "source": source, **extra})


def test_a_function_sees_sample_and_item() -> None:
    source = """
def grade(sample, item):
    assert sample["choices"][0]["message"]["content"] == sample["output_text"]
    name = sample["output_tools"][0]["function"]["name"] if sample["output_tools"] else ""
    return item["x"] * sample["output_json"]["n"] + (name == "find")
"""
    tools = ({"function": {"name": "find", "arguments": "{}"}},)
    samples = [Sample('{"n": 2}'), Sample('{"n": 3}', output_tools=tools), Sample("none")]
    grades = build(source, image_tag="2025-05-08").grade(samples, [{"x": 10}] * 3)
    assert [grade.reward for grade in grades] == [20, 31, 0]
    assert grades[2].errors == {"python_grader_runtime_error"}
    assert "TypeError" in grades[2].detail


def test_a_grader_that_fails_on_three_in_a_hundred_fails_on_those_alone() -> None:
    grader = build("def grade(sample, item): return 1 / (item['i'] % 33)")
    grades = grader.grade([Sample("")] * 100, [{"i": i} for i in range(100)])
    failed = [i for i, grade in enumerate(grades) if grade.errors]
    assert failed == [0, 33, 66, 99]
    assert {grades[i].detail for i in failed} == {"ZeroDivisionError: division by zero (line 1)"}
    assert grades[2].reward == 0.5
    assert grader.sandbox.num_starts == 1


def test_a_grader_that_loops_is_given_up_on_for_the_batch() -> None:
    grader = build(
        "def grade(sample, item):\n    while item['i']: pass\n    return 1", timeout_s=0.2
    )
    grades = grader.grade([Sample("")] * 8, [{"i": i} for i in (1, 0, 1, 1, 1, 1, 1, 0)])
    timeout = {"unresponsive_reward_error", "python_grader_server_error"}
    assert [grade.reward for grade in grades] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert [set(grade.errors) for grade in grades if grade.errors] == [timeout] * 7
    assert "not tried" in grades[7].detail
    (fine,) = grader.grade([Sample("")], [{"i": 0}])
    assert fine.reward == 1


def test_a_lost_process_and_a_long_sample_have_their_own_names() -> None:
    grader = build("import os\ndef grade(sample, item): os._exit(1)")
    short, long = grader.grade([Sample("a"), Sample("a" * (9 << 20))], [{}] * 2)
    assert short.errors == {"python_grader_server_error"}
    assert long.errors == {"truncated_observation_error"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def grade(sample, item) return 1", "no Python"),
        ("def score(sample, item): return 1", "no function grade"),
        ("def grade(sample): return 1", "does not take"),
        ("def grade(sample, item, more): return 1", "does not take"),
        ("#" + "x" * (256 << 10) + "\ndef grade(sample, item): return 1", "more than 256 kB"),
    ],
)
def test_a_source_that_cannot_grade_is_refused(source: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(source)


@pytest.mark.parametrize(
    "source",
    [
        "def grade(sample, item, more=1): return 1",
        "def grade(*all): return 1",
        "grade = lambda sample, item: 1",
        "from math import fmod as grade",
    ],
)
def test_other_ways_to_name_the_function_are_taken(source: str) -> None:
    build(source)


def test_a_system_without_fences_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "find_fences", lambda: Fences(frozenset()))
    monkeypatch.delenv("ASSAY_UNSAFE_GRADERS", raising=False)
    with pytest.raises(
        ConfigError, match=r"neither namespaces nor seccomp.*ASSAY_UNSAFE_GRADERS=1"
    ):
        build("def grade(sample, item): return 1")
    monkeypatch.setenv("ASSAY_UNSAFE_GRADERS", "1")
    build("def grade(sample, item): return 1")
