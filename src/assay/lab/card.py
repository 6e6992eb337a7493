"""The card of `tiny`: figures with intervals, targets met or not, and how it was built, as JSON.

It counts and compares; it asks no model. `assay.lab.card_text` renders it for people.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from assay.evaluate.stats import compute_wilson, two_sided_z
from assay.runs import read_json, write_json

Decoding = Literal["greedy", "sampled"]


@dataclass(frozen=True)
class Figure:
    """A share of yes over `n` answers, with its 95 % interval.

    Attributes:
        name: what was asked, e.g. ``family/count_items``, ``group/tool``, ``form/refusal``.
        measure: the statement counted (see `assay.lab.judge.measure`), or the form.
        split: the hold-out: ``instances``, ``values`` or ``phrasings``.
        num_yes, n: counts; `n` are distinct prompts where decoding is greedy.
        share, low, high: in [0, 1]; Wilson's interval unless the name says average.
        decoding: ``greedy``, or ``sampled`` at temperature 1.
    """

    name: str
    measure: str
    split: str
    num_yes: int
    n: int
    share: float
    low: float
    high: float
    decoding: Decoding = "greedy"


@dataclass(frozen=True)
class Target:
    """What `tiny` is meant to reach: a rule on one figure, and whether the share keeps it.

    `value` is None and `met` False where the figure was not measured: not measured is not met.
    `unit` says what `value` is: a share in [0, 1], or a number of families.
    """

    name: str
    rule: str
    value: float | None
    figure: str
    n: int
    met: bool
    unit: Literal["share", "families"] = "share"

    @property
    def measured(self) -> str:
        """The value for people."""
        if self.value is None:
            return "not measured"
        return f"{100 * self.value:.1f} %" if self.unit == "share" else f"{self.value:.0f}"


@dataclass(frozen=True)
class Card:
    """Everything measured of one build of `tiny`.

    `measurement` says how (seed, items, decoding), `stretch_levels` which level of each stretch
    family was chosen, `model` and `build` identify what was measured and how to make it again.
    """

    measurement: dict[str, Any]
    figures: list[Figure]
    targets: list[Target]
    stretch_levels: dict[str, int]
    model: dict[str, Any] = field(default_factory=dict)
    build: dict[str, Any] = field(default_factory=dict)

    def find(self, name: str, measure: str = "right", split: str = "instances") -> Figure | None:
        """The figure of that name, measure and split, or None."""
        wanted = (name, measure, split)
        return next((f for f in self.figures if (f.name, f.measure, f.split) == wanted), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `card_from_dict` gives an equal card back."""
        return asdict(self)


def card_from_dict(value: Mapping[str, Any]) -> Card:
    """The inverse of `Card.to_dict`."""
    figures = [Figure(**figure) for figure in value["figures"]]
    targets = [Target(**target) for target in value["targets"]]
    return Card(**{**value, "figures": figures, "targets": targets})


def save_card(card: Card, path: Path) -> None:
    """Write ``card.json``; raises ResourceError when the disk is full."""
    write_json(path, card.to_dict())


def load_card(path: Path) -> Card:
    """Read ``card.json``; raises CheckpointError when it is missing or damaged."""
    return card_from_dict(read_json(path))


def build_figure(
    name: str,
    num_yes: int,
    n: int,
    *,
    measure: str = "right",
    split: str = "instances",
    decoding: Decoding = "greedy",
) -> Figure:
    """A share with Wilson's 95 % interval; `n` is at least 1."""
    low, high = compute_wilson(num_yes, n)
    share, low, high = (round(value, 4) for value in (num_yes / n, low, high))
    return Figure(name, measure, split, num_yes, n, share, low, high, decoding)


def pool_figures(name: str, parts: Iterable[Figure]) -> Figure:
    """One figure over the answers of all `parts`, which share measure, split and decoding."""
    parts = list(parts)
    return build_figure(
        name,
        sum(part.num_yes for part in parts),
        sum(part.n for part in parts),
        measure=parts[0].measure,
        split=parts[0].split,
        decoding=parts[0].decoding,
    )


def average_figures(name: str, parts: Iterable[Figure]) -> Figure:
    """The mean of the parts' shares, each part weighing the same whatever its `n`.

    The interval is the normal one of a stratified mean, with each part's variance taken at
    (yes + 1) / (n + 2), so that parts without a mistake are not taken for certain.
    """
    parts = list(parts)
    share = math.fsum(part.share for part in parts) / len(parts)
    smoothed = [((part.num_yes + 1) / (part.n + 2), part.n) for part in parts]
    variance = math.fsum(p * (1 - p) / n for p, n in smoothed) / len(parts) ** 2
    half = two_sided_z(0.95) * math.sqrt(variance)
    return replace(
        pool_figures(name, parts),
        share=round(share, 4),
        low=round(max(0.0, share - half), 4),
        high=round(min(1.0, share + half), 4),
    )
