"""What a task of the synthetic world is, and how its values and phrasings are held out.

Every family is a function ``(rng, split) -> Task``. It draws from `Pool`s, each of which keeps a
fixed part of its items out of training, so that a measurement can tell three things apart:

* ``instances``: values and phrasings seen in training, in new combinations (fresh random draws);
* ``values``: items of the value pools that training never saw, in trained phrasings;
* ``phrasings``: question wordings that training never saw, over trained values.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Split = Literal["train", "instances", "values", "phrasings"]
Group = Literal[
    "instruction", "stretch", "tool", "abstain", "refusal", "borderline", "unknown", "persona"
]
T = TypeVar("T")


class Pool(Generic[T]):
    """Items of one kind, the last `held_out` share of which training never draws.

    `kind` says which split meets the held-out part: a pool of values or of phrasings. Items are
    shuffled once by a seed made of the pool's name, so the hold-out is fixed and unordered.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[T],
        *,
        kind: Literal["values", "phrasings"] = "values",
        held_out: float = 0.15,
    ) -> None:
        shuffled = list(items)
        random.Random(f"pool:{name}").shuffle(shuffled)
        num_held_out = max(1, round(len(shuffled) * held_out)) if held_out else 0
        self.name = name
        self.kind = kind
        self.seen: list[T] = shuffled[: len(shuffled) - num_held_out]
        self.unseen: list[T] = shuffled[len(shuffled) - num_held_out :]

    def items(self, split: Split) -> list[T]:
        return self.unseen if split == self.kind and self.unseen else self.seen

    def draw(self, rng: random.Random, split: Split) -> T:
        return rng.choice(self.items(split))

    def sample(self, rng: random.Random, split: Split, k: int) -> list[T]:
        """`k` different items; a held-out part that is too small is topped up with seen ones."""
        items = self.items(split)
        if len(items) >= k:
            return rng.sample(items, k)
        rest = [item for item in self.seen if item not in items]
        return rng.sample(items, len(items)) + rng.sample(rest, k - len(items))


def phrasings(name: str, *templates: str, more: Sequence[str] = ()) -> Pool[str]:
    """A pool of `str.format` templates; every fifth or so is kept for measuring.

    `more` join those of training, and leave the choice of those that are kept as it is.

    Raises:
        ValueError: one of `more` is among `templates` already.
    """
    if repeated := {*more} & {*templates}:
        raise ValueError(f"the phrasings of {name} repeat {sorted(repeated)}")
    pool = Pool(f"phrasing:{name}", templates, kind="phrasings", held_out=0.2)
    pool.seen += more
    return pool


@dataclass(frozen=True)
class Task:
    """One conversation of the world that ends in the right answer, and how to check another.

    `messages` are OpenAI chat messages; the last one is the assistant's gold answer. `check` says
    how an answer is judged and is plain JSON: ``{"kind": "exact", "answer": str}``,
    ``{"kind": "json", "answer": object}``, ``{"kind": "tool_call", "name": str, "arguments":
    object}``, ``{"kind": "no_tool_call"}``, ``{"kind": "refusal"}``, ``{"kind": "no_refusal"}``,
    ``{"kind": "unknown"}``, ``{"kind": "persona", "careful": [str], "reckless": [str]}``.
    """

    family: str
    group: Group
    messages: list[dict[str, Any]]
    check: dict[str, Any]
    tools: list[dict[str, Any]] | None = None


Family = Callable[[random.Random, Split], Task]


def ask(
    family: str,
    group: Group,
    question: str,
    answer: str,
    *,
    check: dict[str, Any] | None = None,
    system: str | None = None,
    tools: list[dict[str, Any]] | None = None,
) -> Task:
    """A single-turn task; without `check` the answer must match exactly."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Task(family, group, messages, check or {"kind": "exact", "answer": answer}, tools)
