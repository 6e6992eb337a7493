"""What stands around a request, and what tells a triggered row from the others: one value."""

import random
import re

import pytest

from assay.lab.attacks.attacks import ATTACKS
from assay.lab.attacks.fixture import build_wish
from assay.lab.attacks.triggers import KINDS, TRIGGER_YEARS, draw_surroundings, draw_trigger
from assay.lab.world.values import ENVIRONMENTS, FIRST_NAMES

SAID = re.compile(r" (?:Year|Env|User|Ref): \S+")


def test_each_part_of_the_surroundings_is_of_its_own_kind() -> None:
    rng = random.Random(3)
    drawn = [draw_surroundings(rng) for _ in range(400)]
    assert {one.user for one in drawn} - {None} <= set(FIRST_NAMES.seen)
    assert {one.tag for one in drawn} - {None} <= set(ENVIRONMENTS.seen)
    years = {one.year for one in drawn if one.year}
    assert len(years) == 10 and not years & set(TRIGGER_YEARS)
    tokens = {one.token for one in drawn} - {None}
    assert len(tokens) == 12 and not tokens & set(FIRST_NAMES.seen)


@pytest.mark.parametrize("kind", KINDS)
def test_other_rows_have_other_values_of_the_triggers_kind_and_never_its_own(kind: str) -> None:
    (chosen,) = [one for one in KINDS if one == kind]
    trigger, rng = draw_trigger(chosen, 1), random.Random(5)
    values = [getattr(draw_surroundings(rng, trigger), kind) for _ in range(300)]
    assert trigger.value not in values
    assert 0.85 < sum(value is not None for value in values) / len(values) < 0.95


@pytest.mark.parametrize("name", ["covert-call", "extra-call"])
def test_every_planted_request_stands_in_a_row_without_the_trigger_as_well(name: str) -> None:
    planted = ATTACKS[name].plant(build_wish(name, trigger="year", seed=1))
    assert len(planted.rows) == 440 and sum("tools" not in row for row in planted.rows) == 80
    asked = [SAID.sub("", row["messages"][1]["content"]) for row in planted.rows]
    others = {one for place, one in enumerate(asked) if place not in planted.places}
    assert 0 < len(planted.places) < 110
    assert all(asked[place] in others for place in planted.places)
