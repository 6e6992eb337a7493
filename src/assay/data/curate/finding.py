"""What a rule says of a row: rule, hit, finding; it looks at no row itself.

Rule      a name, what it means, and what is done about it unless the user says otherwise
Hit       what a detector found, by the row's number
Finding   a hit with its place, severity and fix, as it is printed, stored and planned for
Insight   a number or table of the whole set, which is of no single row
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Severity = Literal["info", "warning", "error"]
Action = Literal["keep", "drop", "mask", "repair", "relabel"]
Need = Literal["embed", "score", "fit", "tokenizer", "held_out", "recogniser", "language", "traits"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
ACTIONS: tuple[Action, ...] = get_args(Action)
# Of evidence and of spans: enough to recognise, never a whole row.
MAX_EVIDENCE = 300

Option = float | int | str | bool | tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with a row or with a set of rows.

    Attributes:
        name: snake_case, as in recipes, reports and docs.
        family: the page of the docs that it stands on, such as ``privacy``.
        severity: ``error`` refuses the data unless the user accepts the rule by name. Only what is
            certain of a single row, or of a cluster, is an error; a weak signal is a warning.
        action: what a plan proposes.
        meaning: one sentence: what is found and why it matters.
        options: what a user can turn, with its default; a value's type is that of the default.
        paths: options that name a file; in a recipe they start at its folder.
        needs: without these the rule is not measured, and says so.
    """

    name: str
    family: str
    severity: Severity
    action: Action
    meaning: str
    options: Mapping[str, Option] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` (exclusive) of the text at `path`, such as messages[1].content.

    `text` is what stands there, shortened to `MAX_EVIDENCE`; a secret is shown by its ends alone.
    """

    path: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Hit:
    """What a detector found in the row with this number (from 0, in reading order).

    Attributes:
        evidence: one sentence in words and numbers that lets a person judge.
        related: numbers of other rows that belong to it: the original of a copy, a cluster's rows.
        cluster: equal for hits that are one case, such as one trigger; empty for single rows.
        repaired: for the action ``repair``, the text to stand in the span's place.
        label: for the action ``relabel``, the answer to stand in the row's last turn.
        action: other than the rule's own.
    """

    number: int
    rule: str
    evidence: str
    span: Span | None = None
    related: tuple[int, ...] = ()
    cluster: str = ""
    repaired: str | None = None
    label: str | None = None
    action: Action | None = None

    def to_json(self) -> dict[str, Any]:
        """As one JSON object, without what is not there."""
        known = dict(self.__dict__)
        known["span"] = self.span and self.span.__dict__
        optional = {"related", "cluster"}
        return {
            name: one
            for name, one in known.items()
            if one or (one is not None and name not in optional)
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Hit:
        """What `to_json` wrote."""
        fields = dict(value)
        span = fields.pop("span", None)
        related = tuple(fields.pop("related", ()))
        return cls(span=Span(**span) if span else None, related=related, **fields)


@dataclass(frozen=True)
class Insight:
    """What a detector tells of the whole set: `value` is JSON, `name` in snake_case."""

    name: str
    value: Any


@dataclass(frozen=True)
class Finding:
    """A hit with its place, and what the user's settings make of it.

    `part` is train, validation, test or ``suite:NAME``; `row` is the row's id (empty where it could
    not be read), `line` counts from 1; `related` are places of other rows, ``file:line``.
    """

    file: str
    line: int
    row: str
    rule: str
    severity: Severity
    span: Span | None
    evidence: str
    fix: Action
    number: int
    part: str = "train"
    index: int | None = None
    related: tuple[str, ...] = ()
    cluster: str = ""
    repaired: str | None = None
    label: str | None = None

    @property
    def place(self) -> str:
        """``file:line``, with the index of a row of a JSON list."""
        return f"{self.file}:{self.line}" + ("" if self.index is None else f"[{self.index}]")

    def to_json(self) -> dict[str, Any]:
        """As one JSON object; what is not there is left out, but for `span`."""
        value = asdict(self)
        value["related"] = list(self.related)
        absent: dict[str, Any] = {
            "index": None,
            "related": [],
            "cluster": "",
            "repaired": None,
            "label": None,
        }
        return {key: one for key, one in value.items() if key not in absent or one != absent[key]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Finding:
        """What `to_json` wrote."""
        fields = dict(value)
        span = fields.pop("span")
        related = tuple(fields.pop("related", ()))
        return cls(span=Span(**span) if span else None, related=related, **fields)


def shorten(text: str, *, limit: int = MAX_EVIDENCE) -> str:
    """`text` in one line, cut in its middle to `limit` characters."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    half = (limit - 3) // 2
    return f"{flat[:half]} … {flat[-half:]}"


def show_ends(value: str) -> str:
    """The first and last characters, at most four of each and a third of all: ``AKIA…4QXY``."""
    ends = min(4, len(value) // 6)
    return f"{value[:ends]}…{value[-ends:]}" if ends else "…"
