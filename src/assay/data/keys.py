"""What makes two conversations the same; knows no file and no split.

Text is compared after Unicode NFC and with white space folded: two rows that differ in a trailing
space or a line ending are one row to a model. Letter case counts. Call ids, weights and speaker
names do not, and tool arguments are compared as JSON values.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from assay.data.records import Message, Record, canonical_json

_SYSTEM_ROLES = ("system", "developer")


def compute_conversation_key(record: Record) -> str:
    """Equal for records whose messages are the same, system prompt included.

    So are the rejected answers of rows of preference.
    """
    rejected = [_normalise(message) for message in record.rejected or ()]
    own = [_normalise(message) for message in record.messages]
    return _digest([own, rejected] if rejected else own)


def compute_messages_key(messages: Sequence[Message]) -> str:
    """Equal for lists of messages that say the same."""
    return _digest([_normalise(message) for message in messages])


class TurnKeys(NamedTuple):
    """Keys of each assistant turn of a record, the final one last; system prompts are left out.

    Of a row that is a prompt alone both are the prompt's.

    `prompts`: what was said before it; a record of plain text has none, and its key is the text's.
    `answers`: that and the answer: the same question with the same answer is the same item. A
    record of a prompt alone ends with what was said, as both.
    """

    prompts: list[str]
    answers: list[str]


def compute_turn_keys(record: Record) -> TurnKeys:
    """Both kinds of keys in one pass."""
    turns = _turns(record)
    chain = _chain(turns)
    if record.is_prompt:
        return TurnKeys([chain[-1]], [chain[-1]])
    ends = _answer_ends(turns)
    answers = [chain[end + 1] for end in ends]
    return TurnKeys(answers if record.kind == "text" else [chain[end] for end in ends], answers)


def compute_answer_keys(record: Record) -> list[str]:
    """The `TurnKeys.answers` of a record."""
    return compute_turn_keys(record).answers


def compute_prompt_keys(record: Record) -> list[str]:
    """The `TurnKeys.prompts` of a record."""
    return compute_turn_keys(record).prompts


def _turns(record: Record) -> list[dict[str, Any]]:
    spoken = (one for one in record.messages if one["role"] not in _SYSTEM_ROLES)
    return [_normalise(message) for message in spoken]


def _chain(turns: Sequence[dict[str, Any]]) -> list[str]:
    """Entry i is the digest of the first i turns; each is made from the one before it."""
    chain = [_NOTHING_SAID]
    for turn in turns:
        chain.append(_digest([chain[-1], turn]))
    return chain


def _answer_ends(turns: Sequence[dict[str, Any]]) -> list[int]:
    return [index for index, turn in enumerate(turns) if turn["role"] == "assistant"]


def _normalise(message: Message) -> dict[str, Any]:
    calls = [
        [call["function"]["name"], json.loads(call["function"]["arguments"])]
        for call in message.get("tool_calls", [])
    ]
    return {"role": message["role"], "text": fold_text(message.get("content")), "calls": calls}


def fold_text(text: str | None) -> str:
    """Text as it is compared: NFC, each run of white space one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text or "").split())


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


_NOTHING_SAID = _digest([])
