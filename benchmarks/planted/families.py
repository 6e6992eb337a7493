"""What is planted, family by family, as cases of each kind of clean rows; it checks none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from assay.data.curate import list_rules
from benchmarks.planted import (
    duplicates,
    form_faults,
    leaks,
    origins,
    poison,
    privacy,
    quality,
    secrets,
    texts,
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
    faults, twins = (
        [
            Fault(rule, f"kind {number}" if len(makers) > 1 else "", make, most)
            for rule, makers in own.items()
            for number, make in enumerate(makers, start=1)
            for most in [_spread(form_faults.RARE.get(rule), len(makers), len(clean))]
        ]
        for own in (form_faults.FAULTS, form_faults.TWINS)
    )
    rows, planted, others = plant(clean, faults, twins, count=count, seed=f"form {kind}")
    yield Case(f"form, {kind}", kind, rows, planted, others, families=("form", "format"))


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
    twins = [
        Fault("privacy", "", texts.put(privacy.draw_twin)),
        Fault("secrets", "", texts.put(secrets.draw_twin)),
    ]
    rows, planted, others = plant(clean, faults, twins, count=count, seed=f"privacy {kind}")
    looks = {name: list_own(name) for name in ("privacy", "secrets")}
    families = ("privacy", "secrets")
    yield Case(f"privacy, {kind}", kind, rows, planted, others, families=families, any_of=looks)


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


PER_KIND: dict[str, Callable[[str, Sequence[Row], int], Cases]] = {
    "form": make_form,
    "privacy": make_privacy,
    "duplicates": make_duplicates,
    "leaks": make_leaks,
    "provenance": make_origins,
    "texts": make_texts,
}
"""Cases of one kind of clean rows: its name, the rows, how many of each fault and strength."""


SETS = {**poison.SETS, **quality.SETS}
"""Cases that are sets of their own: covert calls, triggers, contradictions and flipped labels."""


def make_clusters(names: Sequence[str]) -> Cases:
    """The named of `SETS`; triggers in 50 of 10,000 rows alone."""
    for name in names:
        for one in SETS[name]():
            if name != "triggers" or not one.name.endswith(" 25"):
                yield _convert(one)


def _convert(one: poison.Case) -> Case:
    base, _, what = one.name.rpartition(": ")
    strength = (what if base else one.name).strip()
    marks = dict.fromkeys(sorted(one.planted), Mark(one.rules[0], strength))
    any_of = {one.rules[0]: one.rules}
    families = tuple({list_rules()[rule].family for rule in one.rules})
    return Case(one.name, base, one.rows, marks, families=families, any_of=any_of, named=one.named)
