"""What is asked of the model in a row of prompts, and what its grader is told beside the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from assay.data.records import Message, Record


@dataclass(frozen=True)
class Asked:
    """The prompt of a row in words, and the row's other columns.

    Attributes:
        messages: the conversation up to where the model goes on; of raw text one message.
        tools: what the row offers, in OpenAI's form.
        item: every other column as plain JSON values: the grader's item.
    """

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    item: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record) -> Asked:
        return cls(tuple(record.messages), tuple(record.tools or ()), record.extra)
