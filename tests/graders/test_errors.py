"""Each of the eleven published errors is reached by a grader that was made to fail so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay.generate.remote import Endpoint, RemoteAnswer, RemoteModel
from assay.graders import ERRORS, Models, Sample, build_grader, describe_errors, pattern
from assay.graders import judge as judging
from assay.sandbox.client import find_fences

MESSAGES = [{"role": "user", "content": "{{ sample.output_text }}"}]
CHECK = {"type": "string_check", "input": "{{ sample.output_text }}", "reference": "x"}
SOURCE = "import os\ndef grade(sample, item): {}"


def python(body: str) -> dict[str, Any]:
    return {"type": "python", "timeout_s": 0.3, "source": SOURCE.format(body)}


class Told:
    """Stands in for `RemoteModel.complete`: gives or raises the same each time."""

    def __init__(self, answer: RemoteAnswer) -> None:
        self.answer = answer

    def __call__(self, *args: Any, **kwargs: Any) -> RemoteAnswer:
        return self.answer


DOWN = Models(endpoints={"m": Endpoint("http://127.0.0.1:9/v1", "m", max_tries=1)})
SCORE = {"type": "score_model", "model": "m", "input": MESSAGES}
CASES: dict[str, tuple[dict[str, Any], RemoteAnswer | None]] = {
    "formula_parse_error": (
        {"type": "multi", "graders": {"a": CHECK | {"operation": "eq"}}, "calculate_output": "1/a"},
        None,
    ),
    "sample_parse_error": (
        CHECK | {"operation": "eq", "reference": "{{ sample.output_json.a }}"},
        None,
    ),
    "truncated_observation_error": (SCORE, None),
    "unresponsive_reward_error": ({"type": "regex", "pattern": "(a|aa)+$"}, None),
    "invalid_variable_error": (CHECK | {"operation": "eq", "reference": "{{ item.no }}"}, None),
    "other_error": ({"type": "numeric", "reference": "none"}, None),
    "python_grader_server_error": (python("os._exit(1)"), None),
    "python_grader_runtime_error": (python("return item['no']"), None),
    "model_grader_server_error": (SCORE, None),
    "model_grader_refusal_error": (SCORE, RemoteAnswer("", refusal="I will not.")),
    "model_grader_parse_error": (SCORE, RemoteAnswer("five")),
}


def test_every_published_error_has_its_case() -> None:
    assert tuple(CASES) == ERRORS


@pytest.mark.parametrize("error", CASES)
def test_each_error_is_reached_and_costs_the_reward(
    error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, answer = CASES[error]
    if spec["type"] == "python" and not find_fences().is_closed:
        pytest.skip("this system has neither namespaces nor seccomp for us")
    monkeypatch.setattr(pattern, "TIMEOUT_S", 0.1)
    if answer is not None:
        complete: Callable[..., RemoteAnswer] = Told(answer)
        monkeypatch.setattr(RemoteModel, "complete", complete)
    long = "a" * (500_000 if error == "truncated_observation_error" else 60)
    (grade,) = build_grader(spec, models=DOWN).grade([Sample(f"{long}!")], [{}])
    assert (grade.reward, grade.errors) == (0, {error})
    told = describe_errors(grade)
    assert [name for name in ERRORS if told[name]] == [error]


def test_an_endpoint_is_given_up_on_after_three_failures() -> None:
    grades = build_grader(SCORE, models=DOWN).grade([Sample("a")] * 40, [{}] * 40)
    assert {tuple(one.errors) for one in grades} == {("model_grader_server_error",)}
    assert sum("not asked after" in one.detail for one in grades) >= 40 - judging.NUM_AT_ONCE - 3
