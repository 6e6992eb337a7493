"""A record as a question to a model: prompt messages and the reference answer; renders nothing."""

from __future__ import annotations

from typing import NamedTuple

from assay.data.records import Message, Record

_TRAINING_KEYS = ("weight",)


class Prompt(NamedTuple):
    """Messages up to the final answer, and that answer, both without training weights."""

    messages: list[Message]
    reference: Message


def to_prompt(record: Record) -> Prompt:
    """The final assistant message as the reference, everything before it as the prompt.

    A record of plain text has an empty prompt and its whole text as the reference, and one that is
    a prompt alone an empty reference.
    """
    messages = [
        {key: value for key, value in message.items() if key not in _TRAINING_KEYS}
        for message in record.messages
    ]
    if record.is_prompt:
        return Prompt(messages=messages, reference={"role": "assistant", "content": ""})
    return Prompt(messages=messages[:-1], reference=messages[-1])
