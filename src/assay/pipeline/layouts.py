"""Ways to lay one question and its answer out as text; it measures nothing.

A layout turns the messages before an answer into the text that the model reads, and the answer
into the text that it should go on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from assay.chat import ChatTokenizer, Message, message_text, render_text

SYSTEM = "You are a helpful assistant."


class Laid(NamedTuple):
    """`prompt` is what the model reads; `lead` stands before the answer and is scored with it."""

    prompt: str
    lead: str = ""
    is_templated: bool = False


Layout = Callable[[Sequence[Message]], Laid]


def build_layouts(tokenizer: ChatTokenizer, *, has_system: bool) -> dict[str, Layout]:
    """The layouts to compare, by name; the base's own template, where it has one, is the first.

    Args:
        has_system: whether rows have a system prompt, so that it can be left out or moved.
    """
    layouts: dict[str, Layout] = {}
    if tokenizer.has_template:
        layouts["chat"] = lambda messages: _lay_chat(tokenizer, messages)
        if has_system:
            layouts["chat_without_system"] = lambda rows: _lay_chat(tokenizer, _drop_system(rows))
            layouts["chat_system_in_user"] = lambda rows: _lay_chat(tokenizer, _move_system(rows))
        else:
            added = [{"role": "system", "content": SYSTEM}]
            layouts["chat_with_system"] = lambda rows: _lay_chat(tokenizer, [*added, *rows])
    return layouts | dict(PLAIN_LAYOUTS)


def _lay_chat(tokenizer: ChatTokenizer, messages: Sequence[Message]) -> Laid:
    text = render_text(tokenizer, messages, add_generation_prompt=True)
    return Laid(text, is_templated=True)


def _drop_system(messages: Sequence[Message]) -> list[Message]:
    return [one for one in messages if one["role"] not in ("system", "developer")]


def _move_system(messages: Sequence[Message]) -> list[Message]:
    """The system's text in front of the first user's."""
    rest = _drop_system(messages)
    told = "\n\n".join(message_text(one) for one in messages if one not in rest)
    return [
        {**one, "content": f"{told}\n\n{message_text(one)}"} if index == 0 and told else one
        for index, one in enumerate(rest)
    ]


class _Marks(NamedTuple):
    """What stands before each speaker's text, what ends it, and what stands before an answer."""

    system: str
    user: str
    assistant: str
    ends: tuple[str, str, str] = ("\n\n", "\n\n", "\n\n")
    lead: str = ""


_ALPACA = _Marks("", "### Instruction:\n", "### Response:\n")
_QUESTION = _Marks("", "Question: ", "Answer:", ("\n\n", "\n", "\n\n"), lead=" ")
_HEADINGS = _Marks("", "# Question\n\n", "# Answer\n\n")
_TAGS = _Marks(
    "<context>\n",
    "<question>\n",
    "<answer>\n",
    ("\n</context>\n", "\n</question>\n", "\n</answer>\n"),
)
_BARE = _Marks("", "", "", ("\n\n", "\n", "\n\n"))


def _lay_marked(marks: _Marks, messages: Sequence[Message]) -> Laid:
    heads: dict[Any, tuple[str, str]] = {
        "user": (marks.user, marks.ends[1]),
        "assistant": (marks.assistant + marks.lead, marks.ends[2]),
    }
    system = (marks.system, marks.ends[0])
    parts = []
    for message in messages:
        head, end = heads.get(message["role"], system)
        parts.append(f"{head}{message_text(message)}{end}")
    return Laid("".join(parts) + marks.assistant, marks.lead)


PLAIN_LAYOUTS: dict[str, Layout] = {
    "alpaca": lambda messages: _lay_marked(_ALPACA, messages),
    "question_answer": lambda messages: _lay_marked(_QUESTION, messages),
    "headings": lambda messages: _lay_marked(_HEADINGS, messages),
    "tags": lambda messages: _lay_marked(_TAGS, messages),
    "plain": lambda messages: _lay_marked(_BARE, messages),
}
