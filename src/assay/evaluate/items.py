"""What one evaluation question is and what one score is; it knows no metric and no model."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar

Kind = Literal[
    "task", "retention", "refusal", "over_refusal", "character", "honesty", "fairness", "tools"
]
GUARDED: tuple[Kind, ...] = (
    "retention",
    "refusal",
    "over_refusal",
    "character",
    "honesty",
    "fairness",
    "tools",
)
"""What a base can do and tuning may lose: each kind has a gate of its own that asks for no loss."""

KINDS: tuple[Kind, ...] = ("task", *GUARDED)

VARIANTS = ("base", "prompted", "tuned")
"""The models compared: the base with the user's prompt, with the best shots, and the tuned one."""

_SHOTS = "shots_"

Message = dict[str, Any]
Rendering = Literal["chat", "completion", "text"]
"""How an item becomes tokens: by the chat template, as raw text, or without any question."""

OPTIONS = ("casefold", "ordered", "refusal_markers")
"""What a suite's row may say of how its answer is judged; no column of a data row is one."""

T = TypeVar("T")

Reference = str | Message | None
"""The gold answer: text, a whole assistant message (with tool calls), or None for refusal items."""


@dataclass(frozen=True)
class Item:
    """One question with its gold answer, as it is asked of every model that is compared.

    `messages` is the prompt in OpenAI chat form, without the answer. `alternatives` are further
    gold texts, any of which counts (exact, contains, token_f1). `metric` is a metric name or
    ``"file.py:function"``. `group` ties items that belong together (a refusal prompt and its
    borderline twin). `extra` holds the row's further columns, which only a user's own metric reads;
    `options` (see `OPTIONS`) is what the scorers read.

    `choices` are continuations of the prompt that are weighed by their probability, and `golds` the
    places of those that are right or wanted; such an item is never asked (metrics of
    `scorers.likelihood`). With rendering "text" there is no prompt, and whole texts are compared.
    """

    id: str
    messages: list[Message]
    reference: Reference = None
    metric: str = "auto"
    tools: list[dict[str, Any]] | None = None
    alternatives: tuple[str, ...] = ()
    group: str | None = None
    suite: str = "task"
    extra: dict[str, Any] = field(default_factory=dict)
    rendering: Rendering = "chat"
    options: dict[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    golds: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `item_from_dict` gives an equal item back."""
        lists = ("alternatives", "choices", "golds")
        return asdict(self) | {name: list(getattr(self, name)) for name in lists}


def item_from_dict(values: Mapping[str, Any]) -> Item:
    """The inverse of `Item.to_dict`."""
    lists = ("alternatives", "choices", "golds")
    return Item(**{**values, **{name: tuple(values.get(name, ())) for name in lists}})


def name_shots(num_shots: int) -> str:
    """The variant of the base with so many examples in its prompt: ``shots_4``."""
    return f"{_SHOTS}{num_shots}"


def read_shots(variant: str) -> int | None:
    """The number of examples of a variant of `name_shots`; None for another name."""
    number = variant.removeprefix(_SHOTS)
    return int(number) if number != variant and number.isdecimal() else None


def order_variants(names: Iterable[str]) -> list[str]:
    """The names that are variants: base, then by number of shots, prompted, tuned."""
    found = list(names)
    shots = sorted(n for n in map(read_shots, found) if n is not None)
    order = ("base", *map(name_shots, shots), "prompted", "tuned")
    return [name for name in order if name in found]


def with_metric(item: Item, metric: str) -> Item:
    return replace(item, metric=metric)


def draw_sample(values: Sequence[T], *, max_items: int, seed: int) -> list[T]:
    """At most `max_items` of `values`, drawn by seed and kept in order."""
    count = min(max_items, len(values))
    chosen = sorted(random.Random(f"items:{seed}").sample(range(len(values)), count))
    return [values[place] for place in chosen]


@dataclass(frozen=True)
class Score:
    """What a scorer says of one output.

    `value` is in [0, 1], more is better. `correct` is the yes/no reading, or None where there is
    none (perplexity). An output that could not be judged has neither, and says why in
    `unscored_reason`: it leaves every mean and is counted, never passed. `failed` says that its
    metric crashed on it, which no gate overlooks (see `gates.result.find_gap`).
    """

    metric: str
    value: float | None
    correct: bool | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    unscored_reason: str = ""
    failed: bool = False

    @property
    def scored(self) -> bool:
        return self.value is not None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def yes_no(metric: str, correct: bool, **detail: Any) -> Score:
    """A score that is right or wrong, worth 1 or 0."""
    return Score(metric, 1.0 if correct else 0.0, correct, detail)


def unscored(metric: str, reason: str) -> Score:
    """No judgement, and why: the reference is unusable, or the output never came."""
    return Score(metric, None, None, {}, reason)


def failed(metric: str, reason: str) -> Score:
    """No judgement, because the metric itself crashed."""
    return Score(metric, None, None, {}, reason, failed=True)


def reference_text(item: Item) -> str:
    """The gold answer as text; the content of a message, "" where it has none."""
    if isinstance(item.reference, str):
        return item.reference
    return str((item.reference or {}).get("content") or "")


def reference_texts(item: Item) -> list[str]:
    """The gold text and its alternatives, the empty ones left out."""
    return [text for text in (reference_text(item), *item.alternatives) if text.strip()]


def reference_calls(item: Item) -> list[dict[str, Any]]:
    """The gold tool calls in OpenAI form; empty for a text answer."""
    if isinstance(item.reference, dict):
        return list(item.reference.get("tool_calls") or [])
    return []


def load_json(text: str) -> Any:
    """The value that `text` holds as strict JSON; raises ValueError, also on NaN and Infinity."""
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
