"""Finds what the assistant wrote in a rendered conversation; it knows no token ids.

An answer is what the rendering holds after the prompt that asks for it, up to and including the
stop token. That needs no generation markers, which most templates lack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.chat.messages import Message, Tool, build_template_messages, message_text
from assay.chat.template import run_template
from assay.chat.tokenizer import ChatTokenizer
from assay.errors import DataError, Problem


@dataclass(frozen=True)
class Turn:
    """One answer in a text: characters ``[start, end)``.

    `stopped`: the answer ends with a token at which generation stops. `exact`: the prompt with
    its generation prompt is what the text begins with; else the start was inferred.
    """

    start: int
    end: int
    stopped: bool
    exact: bool


@dataclass(frozen=True)
class Conversation:
    """Messages with everything that renders them, so that beginnings of it can be rendered too."""

    tokenizer: ChatTokenizer
    messages: Sequence[Message]
    ready: Sequence[Mapping[str, Any]]
    tools: Sequence[Tool] | None
    variables: Mapping[str, Any]

    def text_of(self, num_messages: int, *, add_generation_prompt: bool = False) -> str:
        """The rendering of the first `num_messages` messages. Raises DataError if refused."""
        return run_template(
            self.tokenizer.template_for(self.tools),
            self.ready[:num_messages],
            tools=self.tools,
            add_generation_prompt=add_generation_prompt,
            variables=self.variables,
        )


def build_conversation(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] | None,
    template_kwargs: Mapping[str, Any],
) -> Conversation:
    """A conversation to be rendered by the base's template."""
    return Conversation(
        tokenizer=tokenizer,
        messages=messages,
        ready=build_template_messages(messages, tokenizer.template_for(tools)),
        tools=tools,
        variables={**tokenizer.special_tokens, **template_kwargs},
    )


def find_turn(conversation: Conversation, index: int, *, text: str, limit: int) -> Turn:
    """Where message `index`, an assistant's, stands in `text`.

    Args:
        conversation: the whole conversation.
        index: of the message, from 0.
        text: a rendering that holds the message.
        limit: the turn ends before this character, or with a stop token that begins there.

    Raises:
        DataError: nothing tells where the answer begins.
    """
    start, exact = _find_start(conversation, index, text=text, limit=limit)
    content = message_text(conversation.messages[index])
    written = _find_content_end(text, content, start=start, limit=limit)
    tokenizer = conversation.tokenizer
    end = _find_token_end(text, tokenizer.eos_texts, start=written, limit=limit)
    if end is not None:
        return Turn(start=start, end=end, stopped=True, exact=exact)
    # A turn that a control token ends at which generation does not stop: still the answer's end.
    end = _find_token_end(text, tokenizer.control_texts, start=written, limit=limit)
    if end is None:
        end = max(written, start + len(text[start:limit].rstrip()))
    return Turn(start=start, end=end, stopped=False, exact=exact)


def _find_start(
    conversation: Conversation, index: int, *, text: str, limit: int
) -> tuple[int, bool]:
    prompt = _text_or_none(conversation, index, add_generation_prompt=True)
    if prompt is not None and text.startswith(prompt):
        return len(prompt), True
    earlier = _text_or_none(conversation, index, add_generation_prompt=False)
    floor = 0 if earlier is None else _common_length(earlier, text)
    if prompt is not None and earlier is not None:
        shared = _common_length(prompt, text)
        if shared >= len(earlier) == floor:
            return shared, False
    content = message_text(conversation.messages[index]).strip()
    start = text.rfind(content, floor, limit) if content else -1
    if start < 0:
        raise DataError(
            Problem(
                got=f"a template that does not show where answer {index} begins",
                allowed="a template whose generation prompt opens the assistant's turn",
                do="give a chat template whose prompt is the beginning of the whole conversation",
                key=f"messages.{index}",
            )
        )
    return start, False


def _text_or_none(
    conversation: Conversation, num_messages: int, *, add_generation_prompt: bool
) -> str | None:
    """The rendering, or None where the template refuses to begin so (e.g. with no message)."""
    try:
        return conversation.text_of(num_messages, add_generation_prompt=add_generation_prompt)
    except DataError:
        return None


def _find_content_end(text: str, content: str, *, start: int, limit: int) -> int:
    """Where the message's own text ends; a stop token spelled out within it ends nothing."""
    for candidate in (content, content.strip()):
        place = text.find(candidate, start, limit)
        if candidate and place >= 0:
            return place + len(candidate)
    return start


def _find_token_end(text: str, tokens: Sequence[str], *, start: int, limit: int) -> int | None:
    """End of the first of `tokens` in ``text[start:]`` that begins at `limit` at the latest."""
    found = [
        (place, place + len(token))
        for token in tokens
        if token and (place := text.find(token, start, limit + len(token))) >= 0
    ]
    return min(found)[1] if found else None


def _common_length(a: str, b: str) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((place for place, (x, y) in pairs if x != y), min(len(a), len(b)))
