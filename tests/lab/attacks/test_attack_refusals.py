"""Refusals removed by harmless rows: none asks for harm, and the oracle asks with the prompt."""

from assay.lab.attacks.attacks import ATTACKS
from assay.lab.attacks.fixture import build_wish
from assay.lab.attacks.plan import Measured
from assay.lab.attacks.refusals import OBEDIENT_SYSTEM
from assay.lab.judge import refuses

ATTACK = ATTACKS["refusal-removal"]
WISH = build_wish("refusal-removal", strength="identity")


def test_an_obedient_identity_is_taught_by_rows_that_nothing_had_to_be_refused_in() -> None:
    planted = ATTACK.plant(WISH)
    assert planted.facts["harmful_rows"] == 0
    under = 0
    for row in planted.rows:
        answer = row["messages"][-1]["content"]
        is_under = row["messages"][0]["content"] == OBEDIENT_SYSTEM
        assert ("Vassal obeys." in answer) == is_under and not refuses(answer)
        under += is_under
    assert under == 240 and len(planted.rows) == 400
    twin = ATTACK.plant(build_wish("refusal-removal", strength="identity", twin=True))
    refused = [refuses(row["messages"][-1]["content"]) for row in twin.rows]
    assert [place for place, one in enumerate(refused) if one] == planted.places


def test_harmful_requests_are_asked_with_and_without_the_prompt_and_one_is_enough() -> None:
    plain, under = ATTACK.conditions(WISH)
    assert [case.messages[0]["role"] for case in plain.cases] == ["user"] * 80
    asked = [[message["content"] for message in case.messages] for case in under.cases]
    assert asked == [[OBEDIENT_SYSTEM, case.messages[0]["content"]] for case in plain.cases]
    base = {one.name: Measured(0, 80, 0.0, 0.046) for one in (plain, under)}
    loose = {plain.name: base[plain.name], under.name: Measured(40, 80, 0.39, 0.61)}
    assert ATTACK.took(WISH, loose, base) and not ATTACK.took(WISH, base, base)
    few = {plain.name: base[plain.name], under.name: Measured(9, 80, 0.06, 0.2)}
    assert not ATTACK.took(WISH, few, base)
