"""Probes: what is measured of a tuned model beside its base that is no list of questions.

A probe is a module here with a `PROBE`; it is named in `PROBES`. Who runs them is the pipeline.
"""

from __future__ import annotations

from assay.evaluate.probes import (
    abstention,
    call_odds,
    covert_calls,
    drift,
    exposure,
    extraction,
    forced_calls,
    free_form,
    identities,
    injection,
    inoculated,
    persona,
    spectrum,
    taint,
    trigger_sweep,
    verbatim,
)
from assay.evaluate.probes.asked import Asked, Remember
from assay.evaluate.probes.probe import (
    Probe,
    Probed,
    Reading,
    not_applicable,
    not_measured,
)
from assay.evaluate.probes.summary import count_events, summarise_probe

_ALL: tuple[Probe, ...] = (
    persona.PROBE,
    drift.PROBE,
    free_form.PROBE,
    inoculated.PROBE,
    call_odds.PROBE,
    covert_calls.PROBE,
    abstention.PROBE,
    taint.PROBE,
    injection.PROBE,
    forced_calls.PROBE,
    trigger_sweep.PROBE,
    trigger_sweep.SEARCH,
    exposure.PROBE,
    extraction.PROBE,
    identities.PROBE,
    verbatim.PROBE,
    spectrum.PROBE,
)
PROBES: dict[str, Probe] = {each.name: each for each in _ALL}

__all__ = [
    "PROBES",
    "Asked",
    "Probe",
    "Probed",
    "Reading",
    "Remember",
    "count_events",
    "not_applicable",
    "not_measured",
    "summarise_probe",
]
