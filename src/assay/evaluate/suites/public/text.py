"""Plain text, scored by perplexity: what the model makes of language that nobody asked it about."""

from __future__ import annotations

from collections.abc import Sequence

from assay.evaluate.items import Item, Rendering
from assay.evaluate.suites.public.fields import Fields, take_text
from assay.evaluate.suites.public.format import DEFAULT_KIND, Asked, Format, Part


def _build(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    item = Item(id="", messages=[], reference=take_text(row, "text"), rendering="text")
    return [("", item)]


TEXT = Format(
    name="text",
    columns=(frozenset({"text"}),),
    parts={"": Part(DEFAULT_KIND, "perplexity")},
    build=_build,
    measures="how probable general text is",
    source="any text of your own, or in the public domain",
)
