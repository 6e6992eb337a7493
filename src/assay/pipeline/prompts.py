"""Questions as tokens: an item's prompt with its examples, and its prompt with its answer.

No prompt is ever cut. Examples of raw text are parted by a blank line, as few-shot prompts usually
are, and that line ends the answer; chats are told apart by their template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from assay.chat import (
    ChatTokenizer,
    render_completion,
    render_example,
    render_plain,
    render_prompt,
)
from assay.data import Record
from assay.evaluate.items import Item, reference_text
from assay.pipeline.questions import HEADS, text_of


@dataclass(frozen=True)
class Question:
    """An item as tokens: a prompt, or (where `loss_mask` is not empty) a prompt with its answer.

    `num_shots` examples stand before it. `stop_text` ends an answer that follows raw examples:
    what the model writes after it is its next example.
    """

    input_ids: list[int]
    num_shots: int
    loss_mask: tuple[float, ...] = ()
    stop_text: str = ""


def build_prompt(
    item: Item,
    tokenizer: ChatTokenizer,
    *,
    shots: Sequence[Record] = (),
    system: str | None = None,
    context_len: int,
    max_new_tokens: int,
) -> Question:
    """An item's prompt, never cut, with as many of `shots` as leave room for the answer.

    Shots of the item's own kind go before its turns, as earlier turns of the same conversation;
    `system` takes the place of its own system prompt. The room is `max_new_tokens`, but no more
    than half the context: a high limit must not cost the baseline its examples.
    """
    room = max(context_len - max_new_tokens, context_len // 2)

    def render(examples: Sequence[Record]) -> Question:
        if item.rendering == "completion":
            ids = [*tokenizer.prefix_ids, *tokenizer.encode(_lay_out_text(item, examples))]
            stop_text = _separator(examples) if examples else ""
            return Question(ids, len(examples), stop_text=stop_text)
        messages = build_messages(item, examples, system)
        return Question(render_prompt(tokenizer, messages, tools=item.tools), len(examples))

    return _drop_shots(render, _of_kind(item, shots), max_tokens=room)


def build_gold(
    item: Item,
    tokenizer: ChatTokenizer,
    *,
    shots: Sequence[Record] = (),
    system: str | None = None,
    context_len: int,
) -> Question:
    """An item's prompt and gold answer, with weight 1 on the answer's tokens alone.

    It has as many of `shots` as fit into the context; see `build_prompt`. A plain text has no
    prompt: all of it is weighed.
    """

    def render(examples: Sequence[Record]) -> Question:
        answer = reference_text(item)
        if item.rendering == "text":
            found = render_plain(tokenizer, answer)
        elif item.rendering == "completion":
            found = render_completion(tokenizer, _lay_out_text(item, examples), answer)
        else:
            before = build_messages(item, examples, system)
            messages = [{**message, "weight": 0} for message in before]
            gold = item.reference if isinstance(item.reference, dict) else {"content": answer}
            messages.append({"role": "assistant", **gold, "weight": 1})
            found = render_example(tokenizer, messages, tools=item.tools)[-1]
        return Question(found.input_ids, len(examples), tuple(found.loss_mask))

    return _drop_shots(render, _of_kind(item, shots), max_tokens=context_len)


def _drop_shots(
    render: Callable[[Sequence[Record]], Question], shots: Sequence[Record], *, max_tokens: int
) -> Question:
    """The question with as many of `shots` as leave it within `max_tokens`, or with none."""
    question = render(shots)
    while shots and len(question.input_ids) > max_tokens:
        shots = shots[:-1]
        question = render(shots)
    return question


def _of_kind(item: Item, shots: Sequence[Record]) -> list[Record]:
    """The shots that can stand before an item: a chat is no example of raw text."""
    return [shot for shot in shots if shot.kind == item.rendering and item.rendering != "text"]


def _lay_out_text(item: Item, shots: Sequence[Record]) -> str:
    between = _separator(shots)
    parts = [text_of(s.messages[0]) + text_of(s.messages[1]) + between for s in shots]
    return "".join(parts) + text_of(item.messages[-1])


def _separator(shots: Sequence[Record]) -> str:
    """A blank line, or as many as none of the shots' own answers holds."""
    between = "\n\n"
    while any(between in text_of(shot.messages[-1]) for shot in shots):
        between += "\n"
    return between


def build_messages(item: Item, shots: Sequence[Record], system: str | None) -> list[dict[str, Any]]:
    """A chat's prompt, its examples as earlier turns; `system` takes the place of its own."""
    head = [m for m in item.messages if m["role"] in HEADS]
    turns = [m for m in item.messages if m["role"] not in HEADS]
    if system is not None:
        head = [{"role": "system", "content": system}]
    examples = [m for shot in shots for m in shot.messages if m["role"] not in HEADS]
    return [*head, *examples, *turns]
