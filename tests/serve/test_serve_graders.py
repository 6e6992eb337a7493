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
PARTS = {"a": SAME, "b": {**SAME, "name": "b", "operation": "ne"}}


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


@pytest.mark.parametrize("shape", ["map", "list"])
def test_multi_in_either_shape_gives_one_reward(client: openai.OpenAI, shape: str) -> None:
    graders = PARTS if shape == "map" else [{**one, "name": key} for key, one in PARTS.items()]
    grader = {
        "type": "multi",
        "name": "m",
        "graders": graders,
        "calculate_output": "max(a, b) * 3 + a ^ 2",
    }
    found = run(client, grader, "yes", {"answer": "yes"})
    assert found.reward == 4.0 and found.sub_rewards == {"a": 1.0, "b": 0.0}


def test_division_by_zero_is_a_reward_of_nothing(client: openai.OpenAI) -> None:
    grader = {"type": "multi", "name": "m", "graders": PARTS, "calculate_output": "a / b"}
    found = run(client, grader, "yes", {"answer": "yes"})
    assert found.reward == 0 and found.metadata.errors.formula_parse_error


def test_a_path_that_leads_nowhere_and_text_that_is_no_json(client: openai.OpenAI) -> None:
    found = run(client, {**SAME, "reference": "{{ item.nothing }}"}, "yes")
    assert found.reward == 0 and found.metadata.errors.invalid_variable_error
    grader = {**SAME, "input": "{{ sample.output_json.key }}", "reference": "v"}
    assert run(client, grader, '{"key": "v"}').reward == 1
    found = run(client, grader, "no json")
    assert found.reward == 0 and found.metadata.errors.sample_parse_error


@pytest.mark.parametrize(
    ("source", "flag"),
    [
        ("def grade(sample, item):\n    return 1 / 0", "python_grader_runtime_error"),
        ("def grade(sample, item):\n    return float('nan')", "python_grader_runtime_error"),
        ("def grade(sample, item):\n    while True: pass", "unresponsive_reward_error"),
    ],
)
def test_python_that_fails_is_told_and_the_server_lives(
    client: openai.OpenAI, source: str, flag: str
) -> None:
    grader = {"type": "python", "name": "p", "source": source, "timeout_s": 1}
    found = run(client, grader, "x")
    assert found.reward == 0 and getattr(found.metadata.errors, flag), found
    good = {**grader, "source": "def grade(sample, item):\n    return len(sample['output_text'])"}
    assert run(client, good, "four").reward == 4


@pytest.mark.parametrize(
    "grader",
    [
        SAME,
        {
            "type": "text_similarity",
            "name": "t",
            "input": "{{ sample.output_text }}",
            "reference": "a",
            "evaluation_metric": "fuzzy_match",
        },
        {"type": "python", "name": "p", "source": "def grade(sample, item):\n    return 1.0"},
        {
            "type": "score_model",
            "name": "s",
            "model": "gpt-4.1-mini",
            "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
        },
    ],
)
def test_a_valid_grader_is_given_back_as_it_was_sent(client: openai.OpenAI, grader: Any) -> None:
    found = client.fine_tuning.alpha.graders.validate(grader=grader)
    assert found.grader is not None
    assert grader.items() <= found.grader.model_dump(exclude_none=True).items()


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
