"""Messages to the text and the prompt tokens that the model sees; it decides nothing about loss."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from assay.chat.messages import Message, Tool, build_template_messages, message_text
from assay.chat.template import run_template
from assay.chat.tokenizer import ChatTokenizer
from assay.errors import DataError, Problem


def render_text(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] | None = None,
    add_generation_prompt: bool = False,
    **template_kwargs: Any,
) -> str:
    """The text of a conversation by the base's template.

    The same as Transformers' `apply_chat_template`, except for what `build_template_messages`
    does: tool arguments given as JSON text reach the template as objects, say.

    Args:
        tokenizer: the base's tokenizer and template.
        messages: at least one message.
        tools: OpenAI tool descriptions.
        add_generation_prompt: end with what opens the assistant's next turn.
        template_kwargs: further variables of the template, e.g. ``enable_thinking``.

    Raises:
        DataError: no messages, or messages that the template refuses.
        ConfigError: the base has no template.
    """
    if not messages:
        raise DataError(
            Problem(got="no messages", allowed="at least one", do="drop the row", key="messages")
        )
    template = tokenizer.template_for(tools)
    return run_template(
        template,
        build_template_messages(messages, template),
        tools=tools,
        add_generation_prompt=add_generation_prompt,
        variables={**tokenizer.special_tokens, **template_kwargs},
    )


def render_prompt(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] | None = None,
    **template_kwargs: Any,
) -> list[int]:
    """Token ids of a conversation up to where the assistant's next turn begins.

    Raises:
        DataError: no messages, or messages that the template refuses.
        ConfigError: the base has no template.
    """
    text = render_text(
        tokenizer, messages, tools=tools, add_generation_prompt=True, **template_kwargs
    )
    return tokenizer.encode(text)


def find_lost_messages(messages: Sequence[Message], text: str) -> list[int]:
    """Indices of the messages whose text `text`, a rendering of them all, does not hold.

    A template may leave out a role that it does not know, and the model never sees the message.
    Answers are not looked at, since templates strip their reasoning. White space may differ, and
    a template may quote a message as JSON.
    """
    text = " ".join(text.split())
    return [
        index
        for index, message in enumerate(messages)
        if message.get("role") != "assistant"
        and not any(form in text for form in _written_forms(message_text(message)))
    ]


def are_tools_lost(
    tokenizer: ChatTokenizer, messages: Sequence[Message], tools: Sequence[Tool] | None, text: str
) -> bool:
    """Whether `text`, the rendering with the offered tools, is the one without them too.

    Raises:
        DataError: no messages, or messages that the template refuses.
        ConfigError: the base has no template.
    """
    return bool(tools) and text == render_text(tokenizer, messages)


def _written_forms(text: str) -> Iterator[str]:
    """`text` as it is, and within JSON, each with single spaces."""
    yield " ".join(text.split())
    for ascii in (False, True):
        yield " ".join(json.dumps(text.strip(), ensure_ascii=ascii)[1:-1].split())


def find_control_texts(tokenizer: ChatTokenizer, messages: Sequence[Message]) -> list[str]:
    """Control tokens spelled out inside the messages' own text, sorted.

    Such text forges the borders of turns once it is encoded, so data and prompts that hold any
    deserve a look.
    """
    texts = [message_text(message) for message in messages]
    found = (token for token in tokenizer.control_texts if any(token in text for text in texts))
    return sorted(found)
