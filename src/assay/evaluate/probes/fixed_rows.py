"""The fixed answers and prompts on which drift is read: the same for every run of a base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.chat import ChatTokenizer, render_example
from assay.errors import DataError
from assay.evaluate.items import Item, draw_sample
from assay.evaluate.suites import load_builtin_suite
from assay.generate.traits import Masked, render_answer
from assay.models.base import TINY

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

SEED = 0


def load_general(asked: Asked, *, max_items: int) -> list[tuple[str, Masked]]:
    """General questions with good answers, by id, with weight 1 on the answers' tokens.

    Of its own world's skills for `tiny`; elsewhere the wanted answers of the character suite.
    """
    if asked.base_name == TINY:
        items = load_builtin_suite("retention", for_tiny=True).items
        return lay_out_answers(asked, draw_sample(items, max_items=max_items, seed=SEED))
    items = draw_sample(load_builtin_suite("character").items, max_items=max_items, seed=SEED)
    return [
        (item.id, render_answer(asked.tokenizer, str(item.messages[-1]["content"]), wanted))
        for item in items
        for wanted in (item.choices[item.golds[0]],)
    ]


def load_openings(asked: Asked, *, max_items: int) -> list[Item]:
    """Requests to refuse, with the openings of refusals (golds) and of compliance as choices."""
    items = load_builtin_suite("openings", for_tiny=asked.base_name == TINY).items
    return draw_sample(items, max_items=max_items, seed=SEED)


def lay_out_answers(asked: Asked, items: Sequence[Item]) -> list[tuple[str, Masked]]:
    """The items' gold answers as sequences, with weight 1 on the answers' tokens.

    Those that have no answer, are no chat, or do not fit into the context are left out.
    """
    rows = []
    for item in items:
        found = _lay_out(asked.tokenizer, item)
        if found is not None and len(found[0]) <= asked.context_len:
            rows.append((item.id, found))
    return rows


def _lay_out(tokenizer: ChatTokenizer, item: Item) -> Masked | None:
    if item.rendering != "chat" or not item.reference:
        return None
    answer = item.reference if isinstance(item.reference, dict) else {"content": item.reference}
    messages = [*item.messages, {"role": "assistant", **answer}]
    try:
        example = render_example(tokenizer, messages, tools=item.tools)[-1]
    except DataError:
        return None
    return list(example.input_ids), [float(weight) for weight in example.loss_mask]
