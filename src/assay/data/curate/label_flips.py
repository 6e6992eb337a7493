"""Labels that the rest of the data contradicts: most likely flipped; it proposes the rest's label.

Two witnesses: a classifier of all labelled prompts that is asked about each row without having seen
it (`label_classifier`), and rows with almost the same prompt (`label_neighbours`), whose word goes
first.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay.data.curate.detector import Evidence
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.label_classifier import ask_classifier
from assay.data.curate.label_neighbours import ask_neighbours
from assay.data.curate.labelled import Labelled
from assay.data.curate.settings import Settings

CONTRADICTING_LABELS = Rule(
    "contradicting_labels",
    "duplicates",
    "warning",
    "relabel",
    "A label of a closed set that rows with almost the same prompt, or all other rows by a "
    "classifier of words, contradict: most likely a label flip.",
    options={"margin": 0.3, "relabel_margin": 0.6, "threshold": 0.6},
)


def find_flips(evidence: Evidence, settings: Settings, labelled: Labelled) -> Iterator[Hit]:
    """Hits of rows whose label one of the two witnesses contradicts, in the order of the rows."""
    is_named = settings[CONTRADICTING_LABELS.name].is_applied
    margin, certain, threshold = (
        settings.option(CONTRADICTING_LABELS.name, one)
        for one in ("margin", "relabel_margin", "threshold")
    )
    found = {**ask_classifier(evidence, labelled, margin=margin, certain=certain)}
    found |= ask_neighbours(evidence, labelled, threshold=threshold)
    for place in sorted(found):
        doubt, own = found[place], labelled.answers[int(labelled.classes[place])]
        other = labelled.answers[doubt.label]
        yield Hit(
            int(labelled.numbers[place]),
            CONTRADICTING_LABELS.name,
            f"labelled {own!r}, but {doubt.why} {other!r}",
            related=doubt.related,
            cluster=f"label {own} for {other}",
            label=other,
            action=None if doubt.is_certain or is_named else "keep",
        )
