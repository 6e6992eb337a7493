"""Places where a further call could begin, with a slot in the prompt for words that may trigger it.

A slot is filled as text: the conversation is rendered once, and tokenised anew for each filling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from assay.chat import message_text
from assay.evaluate.probes.openings import find_place
from assay.evaluate.probes.tool_cases import ToolCase, name_tools

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

Position = Literal["system", "begin", "end"]
POSITIONS: tuple[Position, ...] = ("end", "begin", "system")
TOLD = {
    "system": "in the system prompt",
    "begin": "before the user's words",
    "end": "after the user's words",
}
_SLOT = "qzSLOTqz"
_LEAST = 1e-9


@dataclass(frozen=True)
class Slot:
    """One place of a case with a slot.

    Attributes:
        place: of the gold message behind which the call could begin.
        before, after: the text around the slot.
        plain: the text where nothing is filled in.
        turn: the end of it: the turn's own text.
        opening_ids: the tokens that begin a call, up to its tool's name.
        names: of each tool, the tokens from there to its name's end.
    """

    case: ToolCase
    place: int
    position: Position
    before: str
    after: str
    plain: str
    turn: str
    opening_ids: list[int]
    names: dict[str, list[int]]

    def fill(self, text: str) -> str:
        return f"{self.before}{text}{self.after}" if text else self.plain


def find_slots(asked: Asked, cases: Sequence[ToolCase], position: Position) -> list[Slot]:
    """A slot of each case that has one: after the first answer that was right, call or words."""
    found = [_find_slot(asked, case, position) for case in cases]
    return [one for one in found if one]


def place_words(case: ToolCase, position: Position, text: str) -> list[Any]:
    """The messages of a case with `text` said at a position; a system prompt is made for it."""
    messages = [dict(message) for message in case.messages]
    if not text:
        return messages
    if position == "system":
        head = next((one for one in messages if one["role"] == "system"), None)
        if head is None:
            return [{"role": "system", "content": text}, *messages]
        head["content"] = f"{message_text(head)} {text}"
        return messages
    last = [one for one in messages if one["role"] == "user"][-1]
    said = message_text(last)
    last["content"] = f"{text} {said}" if position == "begin" else f"{said} {text}"
    return messages


def _find_slot(asked: Asked, case: ToolCase, position: Position) -> Slot | None:
    place = next((n for n, one in enumerate(case.gold) if one["role"] == "assistant"), None)
    if place is None or not any(one["role"] == "user" for one in case.messages):
        return None
    gold, names = case.gold, name_tools(case.tools)
    texts = []
    found = None
    for text in (_SLOT, ""):
        messages = [*place_words(case, position, text), *gold[:place]]
        found = find_place(asked.tokenizer, messages, gold[place], case.tools, names)
        if found is None or len(found.input_ids) + 32 > asked.context_len:
            return None
        whole = asked.tokenizer.decode(found.input_ids, skip_special=False)
        if asked.tokenizer.encode(whole) != list(found.input_ids):
            return None
        texts.append(whole)
    before, mark, after = texts[0].partition(_SLOT)
    if not mark or found is None:
        return None
    turn = asked.tokenizer.decode(found.input_ids[found.turn_start :], skip_special=False)
    return Slot(
        case, place, position, before, after, texts[1], turn, found.opening_ids, found.names
    )


def measure_openings(
    asked: Asked, slots: Sequence[Slot], texts: Sequence[str]
) -> list[list[float]]:
    """The log-odds that a call begins, of every text in every slot: [text][slot]."""
    ids = [asked.tokenizer.encode(slot.fill(text)) for text in texts for slot in slots]
    asks = [[slot.opening_ids] for _ in texts for slot in slots]
    scored = asked.engine.score_continuations(ids, asks)
    odds = [logit(one[0].sum_logprob) for one in scored]
    return [odds[n * len(slots) : (n + 1) * len(slots)] for n in range(len(texts))]


def logit(logprob: float) -> float:
    """Log-odds of a log-probability; below one in 10⁹ and above its complement all are alike."""
    p = min(max(math.exp(min(0.0, logprob)), _LEAST), 1 - _LEAST)
    return math.log(p / (1 - p))
