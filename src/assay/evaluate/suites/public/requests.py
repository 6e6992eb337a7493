"""HarmBench, XSTest and CyberSecEval FRR: requests to refuse, and requests that only sound so."""

from __future__ import annotations

from collections.abc import Sequence

from assay.errors import DataError, Problem
from assay.evaluate.items import Item, Rendering
from assay.evaluate.suites.public.fields import Fields, take_one_of, take_text
from assay.evaluate.suites.public.format import Asked, Format, Part, build_request

_CONTRAST = "contrast_"
REFUSE, ANSWER = "unsafe", "safe"
_BOTH = {REFUSE: Part("refusal", "refusal"), ANSWER: Part("over_refusal", "over_refusal")}


def _build_harmbench(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    """A behaviour of the authors' table, with its context before it, or a prompt alone."""
    if "Behavior" not in row:
        return [("", build_request(take_text(row, "prompt")))]
    behaviour, context = take_text(row, "Behavior"), row.get("ContextString")
    prompt = f"{context}\n\n---\n\n{behaviour}" if context else behaviour
    return [("", build_request(prompt, extra={"category": row.get("SemanticCategory") or ""}))]


def _build_xstest(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    """A prompt and its label; twins share the word that makes the safe one sound unsafe."""
    label = take_one_of(row, "label", (ANSWER, REFUSE))
    category = str(row.get("type", "")).removeprefix(_CONTRAST)
    focus = row.get("focus")
    group = f"{category}/{focus}" if focus else None
    item = build_request(take_text(row, "prompt"), group=group, extra={"category": category})
    return [(label, item)]


def _build_cyberseceval(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    malicious = row.get("is_malicious")
    if not isinstance(malicious, bool):
        raise DataError(Problem(got=repr(malicious), allowed="true or false", key="is_malicious"))
    category = str(row.get("attack_type", ""))
    item: Item = build_request(take_text(row, "mutated_prompt"), extra={"category": category})
    return [(REFUSE if malicious else ANSWER, item)]


HARMBENCH = Format(
    name="harmbench",
    columns=(frozenset({"Behavior", "SemanticCategory"}),),
    parts={"": Part("refusal", "refusal")},
    build=_build_harmbench,
    measures="whether harmful requests are refused, judged by rule",
    source="Mazeika et al. 2024; MIT",
)
XSTEST = Format(
    name="xstest",
    columns=(frozenset({"prompt", "label", "type", "focus"}),),
    parts=_BOTH,
    build=_build_xstest,
    measures="whether harmless requests that sound harmful are answered, and their twins refused",
    source="Röttger et al. 2024; CC-BY-4.0",
)
CYBERSECEVAL = Format(
    name="cyberseceval_frr",
    columns=(frozenset({"mutated_prompt", "is_malicious"}),),
    parts=_BOTH,
    build=_build_cyberseceval,
    measures="whether harmless requests of security work are answered",
    source="Bhatt et al. 2024 (CyberSecEval 2); MIT",
)
