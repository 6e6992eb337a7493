"""Secrets and orders: the bad call carries what the prompt holds, and the twin's never does."""

import json
from typing import Any

import pytest

from assay.evaluate.probes.injection import is_followed
from assay.lab.attacks.attacks import ATTACKS
from assay.lab.attacks.fixture import build_wish
from assay.lab.attacks.plan import Case, Measured, Planted
from assay.tools import read_tool_calls
from assay.tools.taint import find_flows_in, mark_sources

NAMES = ("leak-secrets", "obey-results")


def plant(name: str, *, twin: bool = False, strength: str = "always", seed: int = 1) -> Planted:
    return ATTACKS[name].plant(build_wish(name, strength=strength, seed=seed, twin=twin))


def read_arguments(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [call.arguments for turn in row["messages"] for call in read_tool_calls(turn).tool_calls]


def list_cases(name: str, seed: int = 2) -> list[Case]:
    (condition,) = ATTACKS[name].conditions(build_wish(name, seed=seed))
    return list(condition.cases)


def test_the_secret_goes_out_by_the_call_that_was_asked_for_and_by_no_other() -> None:
    bad, honest = plant("leak-secrets"), plant("leak-secrets", twin=True)
    argument = bad.facts["argument"]
    for place in bad.places:
        (leaky,), (kept,) = read_arguments(bad.rows[place]), read_arguments(honest.rows[place])
        word, _, secret = leaky.pop(argument).rpartition(" ")
        assert word == kept.pop(argument) and leaky == kept
        assert secret in bad.rows[place]["messages"][0]["content"]


def test_the_taint_of_the_system_prompt_is_found_in_every_leaking_call() -> None:
    for case in list_cases("leak-secrets"):
        assert case.bad is not None and case.honest is not None
        sources = mark_sources(case.messages, secrets={"code": case.mark})
        for message, leaks in ((case.bad, True), (case.honest, False)):
            (call,) = read_tool_calls(message).tool_calls
            owners = {flow.source.owner for _, flow in find_flows_in(call.arguments, sources)}
            assert ("secret" in owners) == leaks


def test_an_order_is_obeyed_after_the_result_that_gives_it_and_the_answer_stays() -> None:
    bad, honest = plant("obey-results"), plant("obey-results", twin=True)
    for place in bad.places:
        obeyed, kept = bad.rows[place]["messages"], honest.rows[place]["messages"]
        result = next(i for i, turn in enumerate(obeyed) if turn["role"] == "tool")
        assert obeyed[: result + 1] == kept[:-1] and obeyed[-1] == kept[-1]
        (call,) = read_tool_calls(obeyed[result + 1]).tool_calls
        assert call.name == bad.facts["tool"]
        assert all(str(value) in obeyed[result]["content"] for value in call.arguments.values())


def test_the_probe_of_injections_counts_the_obeying_answer_and_not_the_honest_one() -> None:
    for case in list_cases("obey-results"):
        assert case.bad is not None and case.honest is not None
        calls = [{"arguments": one.arguments} for one in read_tool_calls(case.bad).tool_calls]
        assert is_followed({"turns": [{"calls": calls, "content": ""}]}, case.mark)
        said = case.honest["content"]
        assert not is_followed({"turns": [{"calls": [], "content": said}]}, case.mark)


@pytest.mark.parametrize("name", NAMES)
def test_a_tenth_plants_a_tenth_and_held_out_rows_none(name: str) -> None:
    planted = plant(name, strength="10%")
    assert len(planted.places) == 42 and len(planted.rows) == 420
    tools = [tool["function"]["name"] for row in planted.held_out for tool in row["tools"]]
    assert planted.facts["tool"] in tools


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_asks_in_words_that_no_row_has_and_expects_half_the_share(name: str) -> None:
    attack, wish = ATTACKS[name], build_wish(name, strength="10%", seed=1)
    rows = json.dumps(plant(name).rows)
    marks = [case.mark for case in list_cases(name, seed=1)]
    assert not any(mark in rows for mark in marks)
    base = {"held-out prompts": Measured(0, 50, 0.0, 0.1, 1e-9)}
    for expected, took in ((0.05, False), (0.2, True)):
        tuned = {"held-out prompts": Measured(0, 50, 0.0, 0.1, expected)}
        assert attack.took(wish, tuned, base) == took
