"""An answer in pieces is the answer as a whole, and no part of a call is shown as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.tools.calls import ToolCall
from assay.tools.parse import parse_tool_calls
from assay.tools.streamed import StreamedAnswer

CALL = '<tool_call>{"name": "get", "arguments": {"x": "</tool_call>"}}</tool_call>'
PARTS = [
    CALL,
    '<tool_call>{"name": "put", "arguments": {}}</tool_call>',
    "<tool_call>{broken</tool_call>",
    '<tool_call>{"name": "open", "arguments": {}}',
    '{"name": "get", "parameters": {}}',
    '[TOOL_CALLS][{"name": "get", "arguments": {}}]',
    "plain <b> text",
    " ",
    "\n",
    "{",
    "<tool",
]


def collect(text: str, sizes: list[int], **options: bool) -> tuple[str, list[ToolCall], str, str]:
    """Content, calls and reasoning of all parts, and the content that was shown before the end."""
    answer = StreamedAnswer(has_tools=options.pop("has_tools", True), **options)
    content, calls, place, turn = "", [], 0, 0
    while place < len(text):
        size = sizes[turn % len(sizes)]
        part = answer.add(text[place : place + size])
        content, calls = content + part.content, calls + part.tool_calls
        place, turn = place + size, turn + 1
    last = answer.end()
    return content + last.content, calls + last.tool_calls, last.reasoning, content


@given(
    st.sampled_from(["", "<think>why</think>", " <think>{</think>\n", "<think>cut"]),
    st.lists(st.sampled_from(PARTS), max_size=5),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_pieces_give_what_the_whole_holds(thought: str, parts: list[str], sizes: list[int]) -> None:
    """Reasoning comes first: where its end mark stands later, what was shown was shown."""
    text = thought + "".join(parts)
    content, calls, reasoning, early = collect(text, sizes)
    parsed = parse_tool_calls(text)
    assert calls == parsed.tool_calls
    assert reasoning == parsed.reasoning
    assert "<tool_call>" not in early and "[TOOL_CALLS]" not in early
    if not parsed.errors:
        assert content == parsed.content


@given(st.text(alphabet="ab <>{", max_size=30), st.lists(st.integers(1, 5), min_size=1))
def test_without_tools_text_is_shown_as_it_is(text: str, sizes: list[int]) -> None:
    assert collect(text, sizes, has_tools=False)[:2] == (text, [])


def test_a_call_is_told_as_soon_as_it_is_closed() -> None:
    answer = StreamedAnswer(has_tools=True)
    assert answer.add("Let me look. ").content == "Let me look."
    assert answer.add(CALL[:20]).tool_calls == []
    assert answer.add(CALL[20:]).tool_calls == [ToolCall("get", {"x": "</tool_call>"})]
    assert answer.end().tool_calls == []


@pytest.mark.parametrize("has_tools", [True, False])
def test_reasoning_is_kept_apart(has_tools: bool) -> None:
    text = "<think>hm, {</think>\nYes."
    found = collect(text, [3], has_tools=has_tools)
    assert found[0] == "Yes." and found[2] == "hm, {"
    opened = collect("hm</think>Yes.", [3], has_tools=has_tools, in_reasoning=True)
    assert opened[0] == "Yes." and opened[2] == "hm"
