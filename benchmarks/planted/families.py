"""What is planted, family by family, as cases of each kind of clean rows; it checks none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from assay.data.curate import list_rules
from benchmarks.planted import (
    conduct,
    duplicates,
    form_faults,
    form_reading,
    format_faults,
    leaks,
    lone_calls,
    origins,
    poison,
    preferences,
    privacy,
    privacy_more,
    quality,
    secrets,
    texts,
    whole_sets,
)
from benchmarks.planted.case import Case, Fault, Mark, Row, plant

Cases = Iterator[Case]
SINGLE = ("form", "privacy", "secrets", "duplicates", "leakage", "provenance", "poison")
"""Families whose rules look at single rows or pairs of them, checked together."""


def list_own(family: str) -> tuple[str, ...]:
    """The rules of a family that are more than information."""
    rules = list_rules().items()
    return tuple(name for name, one in rules if one.family == family and one.severity != "info")


def make_form(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """Broken form."""
    for name, source in (("form", form_faults), ("reading", form_reading)):
        faults, twins = (
            [
                Fault(rule, f"kind {number}" if len(makers) > 1 else "", make, most)
                for rule, makers in own.items()
                for number, make in enumerate(makers, start=1)
                for most in [_spread(form_faults.RARE.get(rule), len(makers), len(clean))]
            ]
            for own in (source.FAULTS, source.TWINS)
        )
        rows, planted, others = plant(clean, faults, twins, count=count, seed=f"{name} {kind}")
        yield Case(f"{name}, {kind}", kind, rows, planted, others, families=("form",))
    yield form_reading.make_cells(kind, clean, count)
    yield from form_reading.make_caps(kind, clean, count)


def make_format(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """What does not fit a base; some rules want a template of their own, and so a set."""
    yield from format_faults.make_tokens(kind, clean, count)
    yield from format_faults.make_templates(kind, clean, count)


def _spread(most: int | None, num_makers: int, num_rows: int) -> int | None:
    """How many of one maker a set of rows may hold, if the rule has `most` in 1,000 rows."""
    return None if most is None else max(1, most * num_rows // 1_000 // num_makers)


def make_privacy(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """Personal data and secrets, in questions, answers and calls."""
    strengths = ("plain", "in a sentence", "spelled unusually")
    faults = [
        Fault(rule, strength, texts.put(lambda draw, one=one, number=number: one(draw, number)))
        for rule, one in privacy.DRAW.items()
        for number, strength in enumerate(strengths)
    ]
    for rule, one in _SECRETS.items():
        faults.append(Fault(rule, "", texts.put(one)))
    for rule, one in privacy_more.DRAW.items():
        faults += [
            Fault(rule, strength, texts.put(lambda draw, one=one, number=number: one(draw, number)))
            for number, strength in enumerate(strengths)
        ]
    twins = [
        *(Fault("privacy", f"{n}", texts.put(privacy.draw_twin)) for n in range(4)),
        *(Fault("secrets", f"{n}", texts.put(secrets.draw_twin)) for n in range(2)),
        *(Fault(rule, "", texts.put(one)) for rule, one in privacy_more.TWINS.items()),
    ]
    rows, planted, others = plant(clean, faults, twins, count=count, seed=f"privacy {kind}")
    looks = {name: list_own(name) for name in ("privacy", "secrets")}
    looks["card_like_number"] = ("payment_card",)  # where the row speaks of cards
    families = ("privacy", "secrets")
    yield Case(f"privacy, {kind}", kind, rows, planted, others, families=families, any_of=looks)
    yield from privacy_more.make_canaries(kind, clean, count)


def _draw_key(rng: Random) -> str:
    kind = rng.choice(sorted(secrets.KEYS))
    return rng.choice(secrets.FRAMES).format(secrets.draw(rng, secrets.KEYS[kind]))


_SECRETS: dict[str, Callable[[Random], str]] = {
    "api_key": _draw_key,
    "private_key": lambda rng: f"here it is:\n{secrets.draw_private_key(rng)}\n",
    "json_web_token": lambda rng: rng.choice(secrets.FRAMES).format(secrets.draw_web_token(rng)),
    "connection_string": lambda rng: "connect to " + secrets.draw_connection(rng),
    "high_entropy_string": secrets.draw_named,
}


def make_duplicates(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """Copies and near copies."""
    made = duplicates.plant_copies(clean, count=count, seed=f"duplicates {kind}")
    yield Case(f"duplicates, {kind}", kind, *made, families=("duplicates",))


def make_leaks(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """Rows of the test part, of which some were trained on; the plainest finding counts."""
    num_held = min(len(clean) // 4, 20 * count)
    rows, held, planted, twins = leaks.plant_leaks(
        clean, num_held=num_held, count=count, seed=f"leaks {kind}"
    )
    plainer = {"overlapping_text": ("near_leaked_row",), "near_leaked_row": ("leaked_row",)}
    held_out = {"test": held}
    families = ("leakage",)
    yield Case(
        f"leaks, {kind}", kind, rows, planted, twins, held_out, families=families, any_of=plainer
    )


def make_origins(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """Licences, consent and dates."""
    made = plant(clean, origins.FAULTS, origins.TWINS, count=count, seed=f"origins {kind}")
    yield Case(f"provenance, {kind}", kind, *made, families=("provenance",))
    for rule in ("missing_source", "missing_licence"):
        first = {0: Mark(rule, "a whole file")}
        yield Case(rule, kind, clean, first, families=("provenance",), provenance={})


def make_texts(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """Hidden and encoded texts, and orders in results."""
    made = plant(clean, texts.FAULTS, texts.TWINS, count=count, seed=f"texts {kind}")
    yield Case(f"texts, {kind}", kind, *made, families=("poison",))


def make_conduct(kind: str, clean: Sequence[Row], count: int) -> Cases:
    """Refusals, compliance with harm, swear words, insults, advice."""
    made = plant(clean, conduct.FAULTS, conduct.TWINS, count=count, seed=f"conduct {kind}")
    yield Case(f"conduct, {kind}", kind, *made, families=("persona",))


PER_KIND: dict[str, Callable[[str, Sequence[Row], int], Cases]] = {
    "form": make_form,
    "format": make_format,
    "privacy": make_privacy,
    "duplicates": make_duplicates,
    "leaks": make_leaks,
    "provenance": make_origins,
    "texts": make_texts,
    "conduct": make_conduct,
    "lone calls": lone_calls.make_lone_calls,
    "preferences": preferences.make_preferences,
}
"""Cases of one kind of clean rows: its name, the rows, how many of each fault and strength."""


CHEAP = ("form", "privacy", "duplicates", "leaks")
"""Cases that are made of further desks too, so that a bound can tell 99 % of less."""

SETS: dict[str, Callable[[], Iterator[Case | poison.Case]]] = {
    **poison.SETS,
    **quality.SETS,
    "whole sets": whole_sets.make_whole_sets,
    "formats": format_faults.make_format_sets,
    "copy lines": lone_calls.make_copy_lines,
    "counterfactuals": whole_sets.make_counterfactuals,
}
"""Cases that are sets of their own: covert calls, triggers, contradictions and flipped labels, and
what is told of a whole set alone."""

UNPLANTED = {
    "person_name": "what it finds is the pipeline's doing that the user names",
    "too_easy": "it asks the base's weights",
    "too_hard": "it asks the base's weights",
    "likely_mislabelled": "it asks the base's weights; measured under Quality",
    "persona_trait": "it asks the base's persona vectors",
    "representation_outlier": "it asks the base's hidden states; measured under Triggers",
}
"""Rules of which nothing is planted, and why."""


def make_clusters(names: Sequence[str]) -> Cases:
    """The named of `SETS`."""
    for name in names:
        for one in SETS[name]():
            yield one if isinstance(one, Case) else _convert(one)


_OWN = {"add_copy": "recurring_destination", "advertise": "repeated_answer"}
"""Cases whose fault has a rule of its own, which alone counts."""

_OF_PROMPTS = ("contradicting_answers", "contradicting_labels")
_COPIES = ("exact_duplicate", "near_duplicate")
"""Not looked for in the sets of contradictions, whose clean rows repeat each other."""


def _convert(one: poison.Case) -> Case:
    base, _, what = one.name.rpartition(": ")
    strength = (what if base else one.name).strip()
    rule = next((rule for name, rule in _OWN.items() if strength.startswith(name)), one.rules[0])
    marks = dict.fromkeys(sorted(one.planted), Mark(rule, strength))
    any_of = {} if rule in _OWN.values() else {rule: one.rules}
    families = tuple({list_rules()[rule].family for rule in one.rules})
    others = {} if rule not in _OF_PROMPTS else dict.fromkeys(_COPIES, "off")
    return Case(
        one.name,
        base,
        one.rows,
        marks,
        families=families,
        any_of=any_of,
        named=one.named,
        rules=others,
    )
