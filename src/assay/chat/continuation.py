"""What a conversation goes on with after a model's own turn, as tokens behind those it wrote.

A turn that is parsed and rendered again may come out as other tokens than the model wrote, and a
conversation that is learned from must have the very ones. So only what follows a turn is rendered.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.chat.messages import Message, Tool
from assay.chat.render import render_text
from assay.chat.tokenizer import ChatTokenizer
from assay.errors import DataError, Problem


def render_continuation(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    num_before: int,
    *,
    tools: Sequence[Tool] | None = None,
) -> list[int]:
    """Token ids from behind the stop token of the assistant's turn to where its next one begins.

    Args:
        tokenizer: the base's tokenizer and template.
        messages: the whole conversation; the one before `num_before` is the assistant's turn.
        num_before: messages up to that turn, itself included.
        tools: those on offer.

    Raises:
        DataError: the template refuses the conversation, does not end turns by a stop token, or
            renders a turn otherwise once the conversation goes on.
    """
    before = render_text(tokenizer, messages[:num_before], tools=tools)
    whole = render_text(tokenizer, messages, tools=tools, add_generation_prompt=True)
    ends = [before.rfind(text) + len(text) for text in tokenizer.eos_texts if text in before]
    end = max(ends, default=-1)
    if end < 0 or not whole.startswith(before) or before[end:].strip():
        raise DataError(
            Problem(
                got="a template whose turns are not ended by a stop token, or that renders earlier"
                " turns otherwise once the conversation goes on",
                allowed="one that only adds to what it rendered before",
                do="learn from single answers, or name a base with another template",
                key="objective.environment",
            )
        )
    return tokenizer.encode(whole[end:])
