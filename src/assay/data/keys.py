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
from typing import Any

from assay.data.records import Message, Record, canonical_json

_SYSTEM_ROLES = ("system", "developer")


def compute_conversation_key(record: Record) -> str:
    """Equal for records whose messages are the same, system prompt included."""
    return _digest([_normalise(message) for message in record.messages])


def compute_answer_keys(record: Record) -> list[str]:
    """One key for each assistant turn, the final one last: what was said before, and the answer.

    The system prompt is left out: the same question with the same answer is the same item.
    """
    turns = [_normalise(message) for message in _without_system(record.messages)]
    return [_digest(turns[: end + 1]) for end in _answer_ends(turns)]


def compute_prompt_keys(record: Record) -> list[str]:
    """One key for each assistant turn, the final one last: what was said before it.

    A record of plain text has no prompt; its key is that of the text.
    """
    if record.kind == "text":
        return compute_answer_keys(record)
    turns = [_normalise(message) for message in _without_system(record.messages)]
    return [_digest(turns[:end]) for end in _answer_ends(turns)]


def _without_system(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message["role"] not in _SYSTEM_ROLES]


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
