"""Graders over HTTP: every type is checked and run; what fails is told by name, never a crash."""

from typing import Any

import openai
import pytest
from tests.serve.conftest import Served

SAME = {
    "type": "string_check",
    "name": "same",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "operation": "eq",
}


@pytest.fixture()
def client(served: Served) -> openai.OpenAI:
    return served.client(_strict_response_validation=True)


def run(client: openai.OpenAI, grader: Any, sample: str, item: Any = None) -> Any:
    return client.fine_tuning.alpha.graders.run(grader=grader, model_sample=sample, item=item or {})


def test_an_answer_is_graded(client: openai.OpenAI) -> None:
    found = run(client, SAME, "yes", {"answer": "yes"})
    assert found.reward == 1.0 and found.metadata.scores == {"same": 1.0}
    assert found.metadata.type == "string_check" and found.metadata.execution_time >= 0
    assert not any(value is True for value in found.metadata.errors.model_dump().values())
    assert run(client, SAME, "no", {"answer": "yes"}).reward == 0.0


@pytest.mark.parametrize(
    ("grader", "param"),
    [
        ({**SAME, "operation": "equals"}, "grader.operation"),
        ({"type": "nothing"}, "grader.type"),
        ({}, "grader.type"),
        ({**SAME, "reference": "{{ item. }}"}, "grader.reference"),
        (
            {"type": "multi", "graders": {"m": {"type": "multi"}}, "calculate_output": "m"},
            "grader.graders.m.type",
        ),
        ({"type": "score_model", "model": "/etc", "input": []}, "grader.model"),
        ({"type": "score_model", "model": "tiny", "input": [], "url": "http://x"}, "grader.url"),
    ],
)
def test_a_wrong_grader_is_400_by_its_path(client: openai.OpenAI, grader: Any, param: str) -> None:
    for call in (
        lambda: client.fine_tuning.alpha.graders.validate(grader=grader),
        lambda: run(client, grader, "x"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            call()
        assert caught.value.param == param and caught.value.code == "invalid_grader"
