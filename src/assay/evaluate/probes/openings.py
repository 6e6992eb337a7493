"""Where a further call could begin in a conversation, and the tokens that would begin it.

Found by asking the base's own template: what it writes with one call more, beside what it writes
without. So it knows no format of calls.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.chat import ChatTokenizer, render_text
from assay.errors import DataError
from assay.evaluate.items import Message

_CALL_ID = "call_99"


@dataclass(frozen=True)
class Place:
    """A place where a call could begin.

    Attributes:
        input_ids: the conversation up to there.
        turn_start: how many of them stand before the turn.
        opening_ids: the tokens that begin a call, up to its tool's name; at least one.
        names: for each tool that is looked for, the tokens from `opening_ids` to the name's end.
    """

    input_ids: list[int]
    turn_start: int
    opening_ids: list[int]
    names: dict[str, list[int]]


def find_place(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    answer: Message | None,
    tools: Sequence[dict[str, Any]],
    names: Sequence[str],
) -> Place | None:
    """The place after `answer`, before its turn ends; without an answer, that of the turn's begin.

    None where the template cannot write a further call there (some write one call a turn), or
    where nothing tells the two apart.

    Args:
        messages: the conversation before the turn.
        answer: the assistant's message: text, calls, or both.
        tools: OpenAI tool schemas on offer.
        names: tools whose call is looked for, at least one.
    """
    without, prompt = (_render(tokenizer, messages, one, tools) for one in (answer, None))
    if without is None or prompt is None:
        return None
    # Some templates drop the answer's text where calls are: the place would be the turn's begin.
    turn_start = len(tokenizer.encode(prompt))
    least = turn_start + 1 if answer is not None else 0
    found: dict[str, list[int]] = {}
    place: tuple[list[int], list[int]] | None = None
    for name in names:
        longer = _render_with(tokenizer, messages, answer, tools, name)
        if longer is None:
            return None
        ids, opening, named = _split(tokenizer, without, longer, name)
        if not opening or len(ids) < least:
            return None
        place = place or (ids, opening)
        found[name] = named
    return Place(place[0], turn_start, place[1], found) if place else None


def _render(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    answer: Message | None,
    tools: Sequence[dict[str, Any]],
) -> str | None:
    try:
        if answer is None:
            return render_text(tokenizer, messages, tools=tools, add_generation_prompt=True)
        return render_text(tokenizer, [*messages, answer], tools=tools)
    except DataError:
        return None


def _render_with(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    answer: Message | None,
    tools: Sequence[dict[str, Any]],
    name: str,
) -> str | None:
    function = {"name": name, "arguments": json.dumps({})}
    call = {"id": _CALL_ID, "type": "function", "function": function}
    longer: dict[str, Any] = {"role": "assistant", "content": None, **(answer or {})}
    longer["tool_calls"] = [*(longer.get("tool_calls") or []), call]
    try:
        return render_text(tokenizer, [*messages, longer], tools=tools)
    except DataError:
        return None


def _split(
    tokenizer: ChatTokenizer, without: str, longer: str, name: str
) -> tuple[list[int], list[int], list[int]]:
    """What both have in common, the opening of the call, and the opening with the name."""
    short_ids = tokenizer.encode(without)
    ids, offsets = tokenizer.encode_with_offsets(longer)
    border = 0
    while border < min(len(ids), len(short_ids)) and ids[border] == short_ids[border]:
        border += 1
    # The last one is the call's own: an earlier call may be of the same tool.
    start = longer.rfind(name)
    if start < 0 or border >= len(ids):
        return ids, [], []
    first = next((i for i, (_, end) in enumerate(offsets) if end > start), len(ids))
    last = next((i for i, (_, end) in enumerate(offsets) if end > start + len(name)), len(ids))
    return ids[:border], ids[border:first], ids[border : last + 1]
