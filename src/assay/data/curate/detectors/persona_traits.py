"""Rows that would pull a base along its persona vectors, as far as its hidden states tell.

Chen et al. 2025, "Persona vectors: monitoring and controlling character traits in language models",
section 6: the projection of training data on a trait's direction predicts the shift that training
on them brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

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
    "A row whose hidden state lies far further along a trait than those of the other rows.",
    options={"deviations": 5.0, "rows": 600},
    needs=("embed", "traits"),
)


def is_ready(given: Given, settings: Settings) -> str | None:
    """Why traits cannot be measured, or None."""
    if not given.traits:
        return "needs persona vectors of the base"
    if given.embed is None:
        return "needs a base's weights (--base NAME --deep)"
    return None


def project(points: Any, traits: Mapping[str, Any]) -> dict[str, Any]:
    """Float64 (rows,) for each trait: how far each row lies along its unit vector.

    Args:
        points: float32 (rows, D).
    """
    return {
        name: np.asarray(points, np.float64) @ np.asarray(vector, np.float64)
        for name, vector in traits.items()
    }


def find_traits(evidence: Evidence, settings: Settings) -> Iterator[Hit | Insight]:
    """Rows far above the median in deviations by the median gap, and the set's means."""
    given = evidence.given
    assert given.embed is not None and given.traits is not None
    rows, _ = draw_rows(evidence, settings.option(PERSONA_TRAIT.name, "rows"))
    if not rows:
        return
    told = {}
    for name, along in project(given.embed([row.record for row in rows]), given.traits).items():
        gaps = along - np.median(along)
        deviations = gaps / max(1.4826 * float(np.median(np.abs(gaps))), 1e-9)
        told[name] = {"mean": round(float(along.mean()), 4), "most": round(float(along.max()), 4)}
        limit = settings.option(PERSONA_TRAIT.name, "deviations")
        for place in np.flatnonzero(deviations >= limit).tolist():
            evidence_text = (
                f"{deviations[place]:.0f} deviations further along {name} than most rows"
            )
            number = rows[place].number
            yield Hit(number, PERSONA_TRAIT.name, evidence_text, cluster=f"trait {name}")
    yield Insight("persona", {"sampled": len(rows), "traits": told})


DETECTORS = (
    Detector(
        "persona_traits",
        (PERSONA_TRAIT,),
        sketch=sketch_numbers,
        conclude=find_traits,
        is_ready=is_ready,
    ),
)
