"""Calls against schemas, and calls against the calls expected."""

from typing import Any

import pytest

from assay.tools import CallMatch, ToolCall, match_calls, validate_call

SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Finds orders.",
        "parameters": {
            "type": "object",
            "properties": {
                "limit": {"type": "integer"},
                "state": {"enum": ["open", "closed"]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["limit"],
            "additionalProperties": False,
        },
    },
}


def test_a_right_call_has_no_problems() -> None:
    assert validate_call(ToolCall("search", {"limit": 3, "state": "open"}), [SEARCH]) == []
    assert validate_call(ToolCall("ping", {"any": 1}), [{"name": "ping"}]) == []


def test_each_wrong_argument_is_named() -> None:
    call = ToolCall("search", {"limit": "ten", "state": "lost", "tags": ["a", 1]})
    assert validate_call(call, [SEARCH]) == [
        'search.limit: got "ten", allowed integer',
        'search.state: got "lost", allowed "open", "closed"',
        "search.tags[1]: got 1, allowed string",
    ]


def test_missing_and_surplus_arguments() -> None:
    problems = validate_call(ToolCall("search", {"size": 1}), [SEARCH])
    assert "search: 'limit' is a required property" in problems
    assert any("'size' was unexpected" in problem for problem in problems)
    assert len(problems) == 2


def test_unknown_tool_names_the_nearest() -> None:
    assert validate_call(ToolCall("serch", {}), [SEARCH]) == [
        "serch: no such tool, did the model mean search?"
    ]
    assert validate_call(ToolCall("x", {}), []) == ["x: no such tool, allowed none"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"type": "dict"}, "not a JSON Schema"),
        ({"$ref": "http://127.0.0.1:9/none.json"}, "not at hand"),
        ({"$ref": "#/$defs/none"}, "not at hand"),
        ({"$ref": "#"}, "to themselves"),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_problem(parameters: dict[str, Any], words: str) -> None:
    problems = validate_call(ToolCall("f", {}), [{"name": "f", "parameters": parameters}])
    assert len(problems) == 1 and words in problems[0]


A = ToolCall("a", {"n": 1, "who": "Ada"})
B = ToolCall("b", {})


@pytest.mark.parametrize(
    ("actual", "names", "arguments"),
    [
        ({"who": "Ada", "n": 1}, True, True),
        ({"n": 1.0, "who": " Ada\n"}, True, True),
        ({"n": True, "who": "Ada"}, True, False),
        ({"n": "1", "who": "Ada"}, True, False),
        ({"n": 1, "who": "ada"}, True, False),
        ({"n": 1}, True, False),
        ({"n": 1, "who": "Ada", "more": None}, True, False),
    ],
)
def test_argument_comparison(actual: dict[str, Any], names: bool, arguments: bool) -> None:
    assert match_calls([A], [ToolCall("a", actual)]) == CallMatch(names, arguments)


def test_nested_values_keep_list_order_but_not_key_order() -> None:
    expected = ToolCall("f", {"x": {"p": [1, {"q": 2, "r": None}]}})
    assert match_calls([expected], [ToolCall("f", {"x": {"p": [1.0, {"r": None, "q": 2}]}})]) == (
        CallMatch(True, True)
    )
    swapped = ToolCall("f", {"x": {"p": [{"q": 2, "r": None}, 1]}})
    assert match_calls([expected], [swapped]) == CallMatch(True, False)


def test_parallel_calls_are_unordered_unless_asked() -> None:
    assert match_calls([A, B], [B, A]) == CallMatch(True, True)
    assert match_calls([A, B], [B, A], ordered=True) == CallMatch(False, False)


def test_number_of_calls_counts() -> None:
    assert match_calls([A], [A, A]) == CallMatch(False, False)
    assert match_calls([A], []) == CallMatch(False, False)
    assert match_calls([], []) == CallMatch(True, True)


def test_arguments_are_compared_within_their_own_call() -> None:
    expected = [ToolCall("f", {"x": 1}), ToolCall("f", {"x": 2})]
    crossed = [ToolCall("f", {"x": 1}), ToolCall("f", {"x": 1})]
    assert match_calls(expected, crossed) == CallMatch(True, False)
    assert match_calls(expected, expected[::-1]) == CallMatch(True, True)
