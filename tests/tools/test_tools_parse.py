"""Tool calls out of text, format by format, whole and broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.tools import ParsedAnswer, ToolCall, parse_tool_calls, read_tool_calls


def test_hermes_call_with_content_before_it() -> None:
    text = 'Let me look.<tool_call>{"name": "find", "arguments": {"city": "Bern"}}</tool_call>'
    assert parse_tool_calls(text) == ParsedAnswer(
        content="Let me look.", tool_calls=[ToolCall("find", {"city": "Bern"})]
    )


def test_hermes_parallel_calls_keep_their_order() -> None:
    text = (
        '<tool_call>\n{"name": "a", "arguments": {"n": 1}}\n</tool_call>\n'
        '<tool_call>\n{"name": "b", "arguments": {}}\n</tool_call>'
    )
    assert parse_tool_calls(text).tool_calls == [ToolCall("a", {"n": 1}), ToolCall("b", {})]


def test_hermes_closing_mark_inside_a_string_ends_nothing() -> None:
    arguments = {"text": "write </tool_call> and <tool_call> here"}
    text = f'<tool_call>{{"name": "say", "arguments": {json.dumps(arguments)}}}</tool_call>bye'
    assert parse_tool_calls(text) == ParsedAnswer(
        content="bye", tool_calls=[ToolCall("say", arguments)]
    )


def test_hermes_list_and_several_objects_in_one_block() -> None:
    one = '{"name": "a", "arguments": {}}'
    expected = [ToolCall("a", {}), ToolCall("a", {})]
    assert parse_tool_calls(f"<tool_call>[{one}, {one}]</tool_call>").tool_calls == expected
    assert parse_tool_calls(f"<tool_call>{one}\n{one}</tool_call>").tool_calls == expected


def test_hermes_without_closing_mark_counts_if_its_json_is_whole() -> None:
    whole = parse_tool_calls('<tool_call>{"name": "a", "arguments": {}}')
    assert (whole.tool_calls, whole.errors) == ([ToolCall("a", {})], [])
    cut = parse_tool_calls('<tool_call>{"name": "a", "argum')
    assert cut.tool_calls == []
    assert len(cut.errors) == 1 and "broken JSON" in cut.errors[0]


def test_a_broken_call_is_listed_and_the_next_one_still_read() -> None:
    text = (
        "x<tool_call>{'name': 'a'}</tool_call>y"
        '<tool_call>{"name": "b", "arguments": {}}</tool_call>'
    )
    parsed = parse_tool_calls(text)
    assert (parsed.content, parsed.tool_calls) == ("xy", [ToolCall("b", {})])
    assert len(parsed.errors) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "broken JSON"),
        ("[]", "broken JSON"),
        ("3", "must be a JSON object, got a number"),
        ('{"arguments": {}}', 'needs "name"'),
        ('{"name": "f", "arguments": [1]}', "got a list"),
        ('{"name": "f", "arguments": {"x": NaN}}', "NaN is not JSON"),
        ('{"name": "f", "arguments": {}} trailing', "broken JSON"),
        ("[" * 100_000, "broken JSON"),
    ],
)
def test_what_is_no_call_is_an_error_with_its_reason(body: str, reason: str) -> None:
    parsed = parse_tool_calls(f"<tool_call>{body}</tool_call>")
    assert parsed.tool_calls == []
    assert len(parsed.errors) == 1 and reason in parsed.errors[0]


def test_arguments_as_json_text_or_missing() -> None:
    quoted = '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>'
    assert parse_tool_calls(quoted).tool_calls == [ToolCall("f", {"a": 1})]
    assert parse_tool_calls('<tool_call>{"name": "f"}</tool_call>').tool_calls == [
        ToolCall("f", {})
    ]


def test_llama_json_is_a_call_only_as_the_whole_answer() -> None:
    call = '{"name": "find", "parameters": {"n": 2}}'
    assert parse_tool_calls(call).tool_calls == [ToolCall("find", {"n": 2})]
    assert (
        parse_tool_calls(f"<|python_tag|>{call}; {call}").tool_calls
        == [ToolCall("find", {"n": 2})] * 2
    )
    said = f"Call {call}"
    assert parse_tool_calls(said) == ParsedAnswer(content=said)


def test_llama_type_function_and_broken_json() -> None:
    typed = '{"type": "function", "name": "f", "parameters": {}}'
    assert parse_tool_calls(typed).tool_calls == [ToolCall("f", {})]
    broken = parse_tool_calls('{"name": "f", "parameters": {"a": }}')
    assert broken.tool_calls == [] and "broken JSON" in broken.errors[0]


@pytest.mark.parametrize(
    "answer",
    [
        '{"name": "Ada", "age": 36}',
        '{"name": "Ada", "parameters": {"a": 1}, "age": 36}',
        '{"label": "refund"}',
        "[1, 2]",
        "{",
        "",
    ],
)
def test_a_json_answer_is_content(answer: str) -> None:
    assert parse_tool_calls(answer) == ParsedAnswer(content=answer)


def test_mistral_list_and_named_forms() -> None:
    listed = 'Sure. [TOOL_CALLS][{"name": "a", "arguments": {"x": 1}}, {"name": "b"}]'
    assert parse_tool_calls(listed) == ParsedAnswer(
        content="Sure.", tool_calls=[ToolCall("a", {"x": 1}), ToolCall("b", {})]
    )
    named = '[TOOL_CALLS]a[ARGS]{"x": 1}[TOOL_CALLS]b[CALL_ID]k1[ARGS]{}'
    assert parse_tool_calls(named).tool_calls == [ToolCall("a", {"x": 1}), ToolCall("b", {})]
    broken = parse_tool_calls('[TOOL_CALLS][{"name": "a"')
    assert broken.tool_calls == [] and len(broken.errors) == 1


def test_reasoning_is_kept_apart_and_its_calls_do_not_count() -> None:
    thought = '<think>maybe <tool_call>{"name": "x"}</tool_call></think>\n\nNo need.'
    parsed = parse_tool_calls(thought)
    assert (parsed.content, parsed.tool_calls) == ("No need.", [])
    assert parsed.reasoning == 'maybe <tool_call>{"name": "x"}</tool_call>'
    assert parse_tool_calls("so</think>yes").reasoning == "so"
    assert parse_tool_calls("<think>cut off").content == ""


def test_read_tool_calls_of_a_message() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{"}},
        ],
    }
    parsed = read_tool_calls(message)
    assert (parsed.content, parsed.tool_calls) == ("", [ToolCall("f", {"a": 1})])
    assert len(parsed.errors) == 1


PIECES = ["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<think>", "</think>"]
PIECES += ["<|python_tag|>", '{"name": "f", "parameters": {}}', '{"name":', '"arguments":']


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=10).map("".join))
def test_parsing_never_raises(text: str) -> None:
    assert all(call.name for call in parse_tool_calls(text).tool_calls)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.lists(
        st.builds(
            ToolCall,
            name=st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
            arguments=st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=3),
        ),
        max_size=3,
    )
)
def test_hermes_round_trip(calls: list[ToolCall]) -> None:
    text = "".join(
        f"<tool_call>{json.dumps({'name': c.name, 'arguments': c.arguments})}</tool_call>"
        for c in calls
    )
    assert parse_tool_calls(text) == ParsedAnswer(content="", tool_calls=calls)
