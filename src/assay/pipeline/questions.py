"""Evaluation questions from records and suites, and their prompts with and without shots."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from assay.chat import ChatTokenizer, render_prompt
from assay.data import Record, to_prompt
from assay.evaluate.items import Item

SUITE_NAME = "task"


def build_items(records: Sequence[Record], *, max_items: int, seed: int, metric: str) -> list[Item]:
    """One item a record, at most `max_items`, drawn by seed and kept in the records' order.

    Records of plain text have no question: they are scored by perplexity.
    """
    count = min(max_items, len(records))
    chosen = sorted(random.Random(f"items:{seed}").sample(range(len(records)), count))
    return [_build_item(records[i], metric) for i in chosen]


def _build_item(record: Record, metric: str) -> Item:
    prompt = to_prompt(record)
    return Item(
        id=record.id,
        messages=prompt.messages,
        reference=prompt.reference,
        metric="perplexity" if record.kind == "text" else metric,
        tools=record.tools,
        group=record.group,
        suite=SUITE_NAME,
        extra={"kind": record.kind, **record.extra},
    )


def choose_shots(records: Sequence[Record], *, num_shots: int, seed: int) -> list[Record]:
    """Examples for the prompt, drawn by seed from the training rows, of different groups first.

    Rows of a source that is never held out are not of the task: they serve only if all are such.
    """
    records = [record for record in records if record.hold_out] or records
    order = random.Random(f"shots:{seed}").sample(list(records), len(records))
    first: dict[str, Record] = {}
    for record in order:
        first.setdefault(record.group or record.id, record)
    distinct = list(first.values())
    rest = [record for record in order if record not in distinct[:num_shots]]
    return (distinct[:num_shots] + rest)[:num_shots]


def build_prompt(
    item: Item,
    tokenizer: ChatTokenizer,
    *,
    shots: Sequence[Record] = (),
    system: str | None = None,
    max_tokens: int,
) -> list[int]:
    """Token ids of an item's prompt, with as many of `shots` as leave it within `max_tokens`.

    Shots go before the item's own turns, as earlier turns of the same conversation; `system`
    takes the place of the item's own system prompt.
    """
    for count in range(len(shots), -1, -1):
        ids = _render(item, tokenizer, shots[:count], system)
        if len(ids) <= max_tokens:
            return ids
    return ids[-max_tokens:]


def _render(
    item: Item, tokenizer: ChatTokenizer, shots: Sequence[Record], system: str | None
) -> list[int]:
    if item.extra.get("kind") == "completion":
        parts = [f"{text_of(s.messages[0])}{text_of(s.messages[1])}\n\n" for s in shots]
        text = "".join(parts) + text_of(item.messages[-1])
        return [*tokenizer.prefix_ids, *tokenizer.encode(text)]
    head = [m for m in item.messages if m["role"] in ("system", "developer")]
    turns = [m for m in item.messages if m["role"] not in ("system", "developer")]
    if system is not None:
        head = [{"role": "system", "content": system}]
    examples = [
        message
        for shot in shots
        for message in shot.messages
        if message["role"] not in ("system", "developer")
    ]
    return render_prompt(tokenizer, [*head, *examples, *turns], tools=item.tools)


def text_of(message: dict[str, Any]) -> str:
    """A message's text content, empty where it has none."""
    content = message.get("content")
    return content if isinstance(content, str) else ""


def usual_system_prompt(records: Sequence[Record]) -> str | None:
    """The system prompt that most records share, or None when most have none."""
    found: dict[str | None, int] = {}
    for record in records:
        first = record.messages[0] if record.messages else {}
        text = text_of(first) if first.get("role") in ("system", "developer") else None
        found[text] = found.get(text, 0) + 1
    return max(found, key=lambda text: found[text]) if found else None
