"""What the format of a public data set is: its columns, the suites in it, where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.evaluate.items import Item, Kind, Rendering
from assay.evaluate.suites.public.fields import Fields

DEFAULT_KIND: Kind = "retention"


@dataclass(frozen=True)
class Part:
    """One suite of a format: its `kind`, the metric of its items, and further `figures` by name.

    With `free_kind` the user may say what the questions guard: the format does not.
    """

    kind: Kind
    metric: str
    figures: tuple[str, ...] = ()
    free_kind: bool = False


@dataclass(frozen=True)
class HubPlace:
    """Where a data set lies on the Hub: its id, subset and split."""

    id: str
    subset: str | None = None
    split: str = "test"


Asked = tuple[str, Item]
"""The part that an item belongs to, and the item; the loader gives it its id and suite."""

Build = Callable[[Fields, Rendering], Sequence[Asked]]
"""The items of one row. Raises DataError with what is wrong in it, without a place.

The rendering says how questions with choices are asked: "chat" or, for a base without a chat
template, "completion".
"""


@dataclass(frozen=True)
class Format:
    """The format of a public data set.

    Attributes:
        name: as a recipe or an option names it.
        columns: sets of columns, each of which is a mark of the format; none where the format has
            no columns of its own, and must be named.
        parts: its suites by the end of their name; "" where there is one.
        build: a row's items.
        measures: one sentence.
        source: paper or repository, and licence.
        hub: where to find it; None where it is on no Hub, or any data set may be of this format.
    """

    name: str
    columns: tuple[frozenset[str], ...]
    parts: Mapping[str, Part]
    build: Build
    measures: str
    source: str
    hub: HubPlace | None = None


def build_question(
    question: str, choices: Sequence[str], golds: Sequence[int], rendering: Rendering, **given: Any
) -> Item:
    """An item whose `choices` answer `question`.

    As raw text it is asked as ``Q: …`` and ``A:``, and a space parts the choice from it.
    """
    raw = rendering == "completion"
    prompt = f"Q: {question}\nA:" if raw else question
    return build_choices(prompt, choices, golds, rendering, **given)


def build_choices(
    prompt: str, choices: Sequence[str], golds: Sequence[int], rendering: Rendering, **given: Any
) -> Item:
    """An item whose `choices` go on from `prompt` as it is; see `build_question`."""
    before = " " if rendering == "completion" else ""
    return Item(
        id="",
        messages=[{"role": "user", "content": prompt}],
        rendering=rendering,
        choices=tuple(before + choice for choice in choices),
        golds=tuple(golds),
        **given,
    )


def build_texts(texts: Sequence[str], golds: Sequence[int], **given: Any) -> Item:
    """An item that compares whole texts, without a prompt."""
    return Item(
        id="", messages=[], rendering="text", choices=tuple(texts), golds=tuple(golds), **given
    )


def build_request(prompt: str, **given: Any) -> Item:
    """An item that is asked and answered in words."""
    return Item(id="", messages=[{"role": "user", "content": prompt}], **given)
