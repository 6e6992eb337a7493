"""The last user turn lies where its text does, under any template."""

from __future__ import annotations

import pytest

from assay.chat import render_prompt
from assay.chat.user_turn import as_turn, find_user_turn
from assay.models.base import find_base

TOKENIZER = find_base("tiny").tokenizer
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SYSTEM = {"role": "system", "content": "You are a desk. Where is my order 7?"}
ASKED = {"role": "user", "content": "Where is my order 7?"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


@pytest.mark.parametrize(
    "head", [[], [SYSTEM], [SYSTEM, ASKED, {"role": "assistant", "content": "Here."}]]
)
@pytest.mark.parametrize("tools", [None, [TOOL]])
def test_the_turn_is_its_own_text_alone(head: list, tools: list | None) -> None:
    turn = find_user_turn(TOKENIZER, [*head, ASKED], tools=tools)
    assert turn.input_ids == render_prompt(TOKENIZER, [*head, ASKED], tools=tools)
    assert TOKENIZER.decode(turn.input_ids[turn.start : turn.end]).strip() == ASKED["content"]
    assert sum(turn.mask) == turn.end - turn.start
    assert turn.mask.index(1.0) == turn.start


def test_what_follows_the_turn_changes_nothing() -> None:
    result = {"role": "tool", "tool_call_id": "a", "content": "It left."}
    before = find_user_turn(TOKENIZER, [SYSTEM, ASKED], tools=[TOOL])
    after = find_user_turn(TOKENIZER, [SYSTEM, ASKED, CALL, result], tools=[TOOL])
    assert before == after


def test_texts_that_begin_or_end_alike_are_whole() -> None:
    for text in ("\u2042", "\u2042 and more", "more \u2042", "", "x"):
        turn = find_user_turn(TOKENIZER, [{"role": "user", "content": text}])
        assert 0 <= turn.start < turn.end <= len(turn.input_ids)


def test_without_a_user_all_is_looked_at() -> None:
    turn = find_user_turn(TOKENIZER, [SYSTEM])
    assert (turn.start, turn.end) == (0, len(turn.input_ids))
    assert as_turn([5, 6]).mask == [1.0, 1.0]
