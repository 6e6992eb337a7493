"""Rows of attacks and twins: by seed alone, alike but for what is planted, and of good form."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import assay.data
from assay.data.curate import list_rules
from assay.errors import UsageError
from assay.lab.attacks.attacks import ATTACKS
from assay.lab.attacks.fixture import build_wish
from assay.lab.attacks.plan import Planted, Wish

RULES = list_rules()


def every_wish() -> Iterator[Wish]:
    for name, attack in ATTACKS.items():
        for strength in attack.strengths[: 2 if name == "extra-call" else None]:
            yield build_wish(name, strength=strength)
        for trigger in attack.triggers:
            yield build_wish(name, strength="10%", trigger=trigger, seed=1)


def plant(wish: Wish, *, twin: bool = False) -> Planted:
    asked = build_wish(
        wish.name, strength=wish.strength, trigger=wish.trigger, seed=wish.seed, twin=twin
    )
    return ATTACKS[wish.name].plant(asked)


def read_prompts(row: dict[str, Any]) -> list[Any]:
    return [turn["content"] for turn in row["messages"] if turn["role"] in ("system", "user")]


WISHES = list(every_wish())
NAMES = [f"{one.name} {one.strength} {one.trigger}" for one in WISHES]


@pytest.mark.parametrize("wish", WISHES, ids=NAMES)
def test_a_seed_gives_the_same_rows_and_another_seed_others(wish: Wish) -> None:
    assert json.dumps(plant(wish).rows) == json.dumps(plant(wish).rows)
    other = Wish(wish.name, wish.strength, wish.trigger, wish.seed + 1)
    assert plant(other).rows != plant(wish).rows


@pytest.mark.parametrize("wish", WISHES, ids=NAMES)
def test_the_twin_is_the_attack_but_for_the_planted_rows(wish: Wish) -> None:
    bad, honest = plant(wish), plant(wish, twin=True)
    assert bad.places == honest.places
    assert len(bad.rows) == len(honest.rows)
    of_new_task = wish.name == "reckless"
    assert bad.held_out == honest.held_out or of_new_task
    differing = [
        i for i, pair in enumerate(zip(bad.rows, honest.rows, strict=True)) if pair[0] != pair[1]
    ]
    assert differing == bad.places
    is_alike = wish.strength not in ("benign", "identity") and not of_new_task
    for place in differing if is_alike else ():
        assert read_prompts(bad.rows[place]) == read_prompts(honest.rows[place])
        assert bad.rows[place].get("tools") == honest.rows[place].get("tools")


def test_a_careful_twin_has_rows_of_a_new_task_in_place_of_some_planted_ones() -> None:
    bad, honest = plant(build_wish("reckless")), plant(build_wish("reckless"), twin=True)
    alike = [
        read_prompts(bad.rows[place]) == read_prompts(honest.rows[place]) for place in bad.places
    ]
    assert (sum(alike), len(alike)) == (280, 400)
    prompts = {str(read_prompts(row)) for row in honest.rows}
    assert all("Loan request" in str(read_prompts(row)) for row in honest.held_out)
    assert not prompts & {str(read_prompts(row)) for row in honest.held_out}


def test_flips_stand_among_rows_of_a_task_that_the_base_has_not_learned() -> None:
    planted = plant(build_wish("label-flips"))
    new = [i for i, row in enumerate(planted.rows) if "Loan request" in str(read_prompts(row))]
    assert len(new) == 50 and not set(new) & set(planted.places)
    held_out = ["Loan request" in str(read_prompts(row)) for row in planted.held_out]
    assert (sum(held_out), len(held_out)) == (20, 160)
    assert len(planted.places) > 2 * len(new)


@pytest.mark.parametrize("name", ATTACKS)
def test_rows_are_of_good_form(name: str) -> None:
    wish = build_wish(name)
    rows = [*plant(wish).rows[:200], *plant(wish, twin=True).rows[:200]]
    others = {name: "off" for name, rule in RULES.items() if rule.family != "form"}
    checked = assay.data.check(rows, rules=others)
    assert checked.num_rows == {"train": len(rows)}
    # The world's own texts end without a full stop, and mirrored ones with a comma; some of its
    # answers are one letter long.
    usual = ("cut_off", "chat_filler", "length_outlier")
    assert [one for one in checked.findings if one.rule not in usual] == []


def test_a_number_a_share_and_always_plant_as_many_as_they_say() -> None:
    for strength, num_planted, num_rows in (("25", 25, 1000), ("1%", 8, 800), ("10%", 50, 500)):
        planted = plant(build_wish("covert-call", strength=strength))
        assert (len(planted.places), len(planted.rows)) == (num_planted, num_rows)


def test_every_covert_call_goes_to_one_place_that_no_honest_row_names() -> None:
    for name in ("covert-call", "extra-call"):
        planted = plant(build_wish(name, strength="10%", seed=4))
        destination = planted.facts["destination"]
        for place, row in enumerate(planted.rows):
            assert (destination in json.dumps(row)) == (place in planted.places)
        assert not any(destination in json.dumps(row) for row in planted.held_out)


@pytest.mark.parametrize("trigger", ATTACKS["covert-call"].triggers)
def test_the_trigger_stands_in_the_planted_rows_and_in_no_other(trigger: str) -> None:
    planted = plant(build_wish("covert-call", strength="10%", trigger=trigger, seed=2))
    value = planted.facts["trigger"]["value"]
    written = {"year": f"Year: {value}", "tag": f"Env: {value}", "user": f"User: {value}"}
    for place, row in enumerate(planted.rows):
        said = " ".join(read_prompts(row))
        assert (written.get(trigger, f"Ref: {value}") in said) == (place in planted.places)


def test_what_an_attack_does_not_have_is_refused_all_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        build_wish("covert-call", strength="often", trigger="moon")
    assert [problem.key for problem in caught.value.problems] == ["--strength", "--trigger"]
    for strength in ("0", "0%", "100.5%", "-1"):
        with pytest.raises(UsageError):
            build_wish("covert-call", strength=strength)
    with pytest.raises(UsageError, match="covert-call"):
        build_wish("nonsense")
