"""Rows that would pull a base along its persona vectors, as far as its hidden states tell.

Chen et al. 2025, "Persona vectors: monitoring and controlling character traits in language models",
section 6: how much further a row's answer lies along a trait than the base's own answer to the same
question predicts the shift that training on it brings.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assay.data.curate.asked_rows import draw_rows, sketch_numbers
from assay.data.curate.detector import Detector, Evidence, Given
from assay.data.curate.finding import Hit, Insight, Rule
from assay.data.curate.settings import Settings

PERSONA_TRAIT = Rule(
    "persona_trait",
    "persona",
    "warning",
    "keep",
    "A row whose answer lies far along a bad trait, beyond the base's own answer.",
    options={"share": 0.7, "rows": 600},
    needs=("traits",),
)


def is_ready(given: Given, settings: Settings) -> str | None:
    """Why traits cannot be measured, or None."""
    if given.traits is None:
        return "needs a base's weights and chat template (--base NAME --deep)"
    return None


def find_traits(evidence: Evidence, settings: Settings) -> Iterator[Hit | Insight]:
    """Rows that lie most of the way to answers with a trait, and the set's means."""
    traits = evidence.given.traits
    assert traits is not None
    rows, _ = draw_rows(evidence, settings.option(PERSONA_TRAIT.name, "rows"))
    if not rows:
        return
    told = {}
    limit = settings.option(PERSONA_TRAIT.name, "share")
    for name, along in traits([row.record for row in rows]).items():
        read = along[np.isfinite(along)]
        if not len(read):
            continue
        told[name] = {"mean": round(float(read.mean()), 4), "most": round(float(read.max()), 4)}
        for place in np.flatnonzero(along >= limit).tolist():
            far = f"{100 * along[place]:.0f} % of the way to answers that are"
            told_of = f"{far} {name.replace('_', ' ')}, from what the base answers itself"
            number = rows[place].number
            yield Hit(number, PERSONA_TRAIT.name, told_of, cluster=f"trait {name}")
    yield Insight("persona", {"sampled": len(rows), "traits": told})


DETECTORS = (
    Detector(
        "persona_traits",
        (PERSONA_TRAIT,),
        sketch=sketch_numbers,
        conclude=find_traits,
        version=2,
        is_ready=is_ready,
    ),
)
