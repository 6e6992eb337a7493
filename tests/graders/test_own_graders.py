"""Graders of code, tool calls, repetition, refusals and reward models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from assay.errors import ConfigError, GenerationError
from assay.graders import Grade, Models, Sample, build_grader
from assay.graders.repetition import compute_repetition
from assay.graders.unit_tests import extract_code
from assay.sandbox.client import find_fences

needs_fences = pytest.mark.skipif(
    not find_fences().is_closed, reason="this system has neither namespaces nor seccomp for us"
)


def grade(spec: dict[str, Any], sample: Sample | str, **item: Any) -> Grade:
    sample = sample if isinstance(sample, Sample) else Sample(sample)
    (one,) = build_grader(spec).grade([sample], [item])
    return one


DOUBLE = "Here:\n```python\ndef double(x):\n    return 2 * x\n```\nDone."
TESTS = {"type": "unit_tests", "tests": "{{ item.tests }}", "timeout_s": 2}


@needs_fences
@pytest.mark.parametrize(
    ("code", "all_pass", "share"),
    [
        (DOUBLE, 1, 1),
        ("def double(x): return 4", 0, 1 / 2),
        ("def double(x): return", 0, 0),
        ("not Python at all", 0, 0),
        ("import os\nos._exit(0)", 0, 0),
        ("def double(x):\n    open('/tmp/cheat', 'w')", 0, 0),
    ],
)
def test_code_is_right_where_its_tests_pass(code: str, all_pass: float, share: float) -> None:
    tests = ["assert double(2) == 4", "assert double(5) == 10"]
    assert grade(TESTS, code, tests=tests) == Grade(all_pass)
    assert grade({**TESTS, "score": "share"}, code, tests=tests).reward == share


@needs_fences
def test_code_that_loops_is_wrong_and_no_failure_of_the_grader() -> None:
    assert grade({**TESTS, "timeout_s": 0.3}, "while True: pass", tests="assert 1") == Grade(0.0)


@needs_fences
def test_programs_are_right_where_they_print_what_is_expected() -> None:
    cases = [{"input": "3\n4\n", "output": "7"}, {"input": "1\n1\n", "output": "2"}]
    spec = {"type": "unit_tests", "cases": cases, "score": "share"}
    assert grade(spec, "print(int(input()) + int(input()))").reward == 1
    assert grade(spec, "print(7)").reward == 0.5
    spec = {"type": "unit_tests", "cases": "{{ item.cases }}"}
    assert grade(
        spec, "print(int(input()) * 2, '')", cases=[{"input": "2", "output": "4\n"}]
    ).reward


@needs_fences
def test_tests_of_an_item_that_are_none_fail_by_name() -> None:
    assert grade(TESTS, DOUBLE).errors == {"invalid_variable_error"}
    assert grade(TESTS, DOUBLE, tests=[]).errors == {"other_error"}
    assert grade(TESTS, DOUBLE, tests=["assert ("]).errors == {"other_error"}
    with pytest.raises(ConfigError, match="neither tests nor cases"):
        build_grader({"type": "unit_tests"})


def test_the_last_block_of_code_counts() -> None:
    text = "```js\nx\n```\n```python\na = 1\n```\nBetter:\n```\na = 2\n```"
    assert extract_code(text) == "a = 2\n"
    assert extract_code("a = 3") == "a = 3"


CALL = {"name": "find", "arguments": {"city": "Bonn", "days": 2}}
TOOL = {"type": "tool_call", "reference": "{{ item.calls }}"}


def write(*calls: dict[str, Any]) -> str:
    return "".join(f"<tool_call>{json.dumps(call)}</tool_call>" for call in calls)


@pytest.mark.parametrize(
    ("extra", "output", "right"),
    [
        ({}, write(CALL), 1),
        ({}, write({"name": "find", "arguments": {"days": 2.0, "city": " Bonn"}}), 1),
        ({}, write({"name": "find", "arguments": {"city": "Bonn"}}), 0),
        ({"match": "names"}, write({"name": "find", "arguments": {}}), 1),
        ({"match": "names"}, write({"name": "book", "arguments": {}}), 0),
        ({}, write(CALL, CALL), 0),
        ({}, "It rains in Bonn.", 0),
        ({}, "<tool_call>{broken</tool_call>", 0),
    ],
)
def test_calls_are_compared_with_those_expected(
    extra: dict[str, Any], output: str, right: float
) -> None:
    assert grade({**TOOL, **extra}, output, calls=[CALL]) == Grade(right)


def test_calls_in_openais_form_and_no_calls_at_all() -> None:
    openai = {"type": "function", "function": {"name": "find", "arguments": '{"city": "Bonn"}'}}
    sample = Sample("", output_tools=(openai,))
    assert grade({**TOOL, "reference": [openai]}, sample).reward == 1
    assert grade(TOOL, sample, calls=json.dumps([openai])).reward == 1
    assert grade(TOOL, sample, calls=[]).reward == 0
    assert grade(TOOL, "No call.", calls=[]).reward == 1
    assert grade(TOOL, sample, calls="?").errors == {"other_error"}


def test_the_order_of_calls_counts_where_it_is_asked() -> None:
    other = {"name": "book", "arguments": {}}
    assert grade(TOOL, write(other, CALL), calls=[CALL, other]).reward == 1
    assert grade({**TOOL, "ordered": True}, write(other, CALL), calls=[CALL, other]).reward == 0


@pytest.mark.parametrize(
    ("text", "share"), [("a b c d", 0), ("a a a a", 2 / 3), ("a b a b a", 2 / 4), ("a", 0)]
)
def test_repetition_is_the_share_of_pairs_that_stood_there_before(text: str, share: float) -> None:
    assert compute_repetition(text, size=2) == pytest.approx(share)
    assert grade({"type": "repetition", "ngram": 2}, text).reward == pytest.approx(-share)


def test_refusing_and_answering_are_punished_where_the_other_is_wanted() -> None:
    models = Models(refuses=lambda text: "cannot" in text)
    spec = {"type": "refusal", "wanted": "{{ item.wanted }}", "penalty": 2}
    grader = build_grader(spec, models=models)
    samples = [Sample(text) for text in ("I cannot.", "I cannot.", "Sure.", "Sure.", "Sure.")]
    items = [{"wanted": one} for one in ("refuse", "answer", "refuse", "answer", "both")]
    grades = grader.grade(samples, items)
    assert [one.reward for one in grades] == [0, -2, -2, 0, 0]
    assert grades[4].errors == {"other_error"}
    with pytest.raises(ConfigError, match="wanted 'both'"):
        build_grader({"type": "refusal", "wanted": "both"}, models=models)


class AnswerLength:
    """Scores an answer by its length, and fails where the conversation before it is long."""

    def score(self, chats: Sequence[Sequence[Any]]) -> list[float]:
        if any(len(chat) > 2 for chat in chats):
            raise GenerationError("too long")
        return [float(len(chat[-1]["content"])) for chat in chats]


def test_a_reward_model_scores_the_conversation_with_the_completion() -> None:
    def load(name: str) -> AnswerLength:
        if name != "here":
            raise ConfigError(f"no model {name}")
        return AnswerLength()

    models = Models(load_reward=load)
    grader = build_grader({"type": "reward_model", "model": "here"}, models=models)
    ask = {"role": "user", "content": "?"}
    samples = [Sample("abc", messages=(ask,)), Sample("abc", messages=(ask, ask)), Sample("a")]
    fine, failed, short = grader.grade(samples, [{}] * 3)
    assert (fine, short) == (Grade(3.0), Grade(1.0))
    assert failed.errors == {"model_grader_server_error"}
    with pytest.raises(ConfigError, match=r"grader\.model: got no model there"):
        build_grader({"type": "reward_model", "model": "there"}, models=models)
