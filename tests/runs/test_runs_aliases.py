"""Aliases on SQLite and PostgreSQL: a move is whole, back is where it pointed, once for a fault."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from assay.errors import UsageError
from assay.runs.store import Store, add_tallies, open_store, read_tallies
from assay.runs.store.alias_rules import RollbackRule, find_excess, read_rule
from assay.runs.store.aliases import (
    AUTOMATIC,
    LOCK,
    STAY,
    MoveRow,
    alias_moves,
    find_alias,
    is_alias,
    list_aliases,
    list_moves,
    promote,
    remove_alias,
    roll_back,
)
from assay.runs.store.jobs import insert_job
from assay.runs.store.models import insert_model
from assay.runs.store.tables import models
from assay.runs.store.tallies import KEPT_MINUTES, fold_tallies, tallies
from assay.serve.inference.alias import Alias
from assay.serve.lifecycle.watching import count_outcomes, watch

NAME = "support@prod"
MODELS = [f"ft:tiny:assay:m:{letter}" for letter in "abc"]


def add_models(store: Store) -> None:
    with store.write() as connection:
        insert_job(
            connection,
            id="ftjob-1",
            status="succeeded",
            model="tiny",
            base="tiny",
            training_file="file-1",
            seed=0,
            priority=0,
            num_attempts=0,
            not_before=0.0,
            created_at=0.0,
        )
        common = {"base": "tiny", "job_id": "ftjob-1", "folder": "f", "run": "r"}
        for name in MODELS:
            insert_model(store, connection, id=name, state="released", **common)
        insert_model(store, connection, id="held", state="held", **common)
        more = {"checkpoint_id": "ftckpt_1", "step": 1, "state": "unreleased"}
        insert_model(store, connection, id="step", **common, **more)


@pytest.fixture()
def known(store: Store) -> Store:
    add_models(store)
    return store


def point(store: Store, model: str, **rule: Any) -> MoveRow:
    given = read_rule(rule).to_json()
    return promote(store, NAME, model, actor="tests", choose_rule=lambda before: given)


def back(store: Store, **options: Any) -> MoveRow | None:
    with store.write() as connection:
        store.lock(connection, LOCK)
        return roll_back(store, connection, NAME, actor="tests", reason="", **options)


def where(store: Store) -> str:
    row = find_alias(store, NAME)
    assert row is not None
    return str(row.model)


def read_history(store: Store) -> list[tuple[str, str | None]]:
    page = list_moves(store, NAME, after=None, limit=1000)
    assert page is not None
    return [(row.kind, row.model) for row in page.rows][::-1]


def test_promotions_lie_on_one_another_and_the_history_stays(known: Store) -> None:
    for model in MODELS:
        point(known, model)
    assert [back(known).model for _ in range(2)] == [MODELS[1], MODELS[0]]  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="no other model"):
        back(known)
    point(known, MODELS[2])
    assert back(known).model == MODELS[0]  # type: ignore[union-attr]
    kinds = [kind for kind, _ in read_history(known)]
    assert kinds == ["promote"] * 3 + ["rollback"] * 2 + ["promote", "rollback"]
    assert [row.alias for row in list_aliases(known)] == [NAME]
    assert remove_alias(known, NAME, actor="tests") and find_alias(known, NAME) is None
    assert not remove_alias(known, NAME, actor="tests") and list_aliases(known) == []
    assert read_history(known)[-1] == ("remove", None)
    point(known, MODELS[1])
    with pytest.raises(UsageError):
        back(known)


def test_what_is_said_twice_moves_once_and_a_new_rule_lies_on_nothing_new(known: Store) -> None:
    point(known, MODELS[0])
    first = point(known, MODELS[1])
    assert point(known, MODELS[1]).id == first.id
    assert point(known, MODELS[1], min_answers=5).id != first.id
    assert back(known).model == MODELS[0]  # type: ignore[union-attr]


def test_models_that_are_gone_or_held_again_are_passed_over(known: Store) -> None:
    for model in MODELS:
        point(known, model)
    with known.write() as connection:
        connection.execute(update(models).where(models.c.id == MODELS[1]).values(state="held"))
    assert back(known).model == MODELS[0]  # type: ignore[union-attr]
    point(known, MODELS[2])
    with known.write() as connection:
        connection.execute(delete(models).where(models.c.id == MODELS[0]))
    with pytest.raises(UsageError):
        back(known)


@pytest.mark.parametrize(
    ("model", "told"), [("held", "gates hold"), ("step", "checkpoint"), ("none", "no model")]
)
def test_only_released_models_are_promoted(known: Store, model: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        point(known, model)
    assert find_alias(known, NAME) is None


def test_names_of_aliases_are_no_names_of_models() -> None:
    assert is_alias(NAME) and is_alias("a.b-c@x1")
    odd = ("prod", "@prod", "A@prod", "a@b@c", "ft:a@b", "a@", "../a@b", "a@b\n", "a" * 65 + "@b")
    assert not any(map(is_alias, odd))


def test_a_rule_is_judged_from_enough_answers_on_and_only_beyond_its_bound() -> None:
    rule = RollbackRule(max_error_rate=0.25, max_breach_rate=0.5, min_answers=4)
    assert find_excess(rule, {"answers": 1, "errors": 2}) is None
    assert find_excess(rule, {"answers": 3, "errors": 1}) is None
    found = find_excess(rule, {"answers": 2, "errors": 2})
    assert found == {"cause": "error_rate", "rate": 0.5, "allowed": 0.25, "num": 2, "of": 4}
    assert find_excess(rule, {"answers": 4, "breached": 2}) is None
    assert find_excess(rule, {"answers": 4, "breached": 3})["cause"] == "breach_rate"  # type: ignore[index]
    with pytest.raises(UsageError) as refused:
        read_rule({"max_error_rate": 2, "window_s": 1, "min_answers": None})
    assert [one.key for one in refused.value.problems] == ["rule.max_error_rate", "rule.window_s"]
    assert read_rule({"min_answers": 3}, rule) == RollbackRule(0.25, 0.5, 600, 3)


def test_faults_found_at_once_move_an_alias_once(known: Store) -> None:
    """Sixteen threads count the same fault and all look: one moves it, and one event says so."""
    point(known, MODELS[0])
    point(known, MODELS[1])
    move = point(known, MODELS[2], min_answers=4)
    begin = threading.Barrier(16)

    def count() -> None:
        begin.wait()
        count_outcomes(known, MODELS[2], Alias(NAME, MODELS[2], move.id), {"errors": 1})

    threads = [threading.Thread(target=count) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert where(known) == MODELS[1]
    assert [kind for kind, _ in read_history(known)] == ["promote"] * 3 + ["automatic"]
    assert read_tallies(known, MODELS[2]) == {"errors": 16}
    assert watch(known, NAME) is None  # those errors were of the move before
    row = find_alias(known, NAME)
    assert row is not None and row.evidence["cause"] == "error_rate" and row.actor == "rule"


def test_an_alias_with_nowhere_to_go_stays_and_says_so_once(known: Store) -> None:
    move = point(known, MODELS[0], min_answers=1)
    for _ in range(3):
        count_outcomes(known, MODELS[0], Alias(NAME, MODELS[0], move.id), {"errors": 2})
        row = find_alias(known, NAME)
        assert row is not None
        count_outcomes(known, MODELS[0], Alias(NAME, MODELS[0], row.id), {"errors": 2})
    assert read_history(known) == [("promote", MODELS[0]), (STAY, MODELS[0])]


def test_a_late_count_of_an_earlier_move_moves_nothing(known: Store) -> None:
    old = point(known, MODELS[0], min_answers=1)
    point(known, MODELS[1], min_answers=1)
    count_outcomes(known, MODELS[0], Alias(NAME, MODELS[0], old.id), {"errors": 5})
    assert where(known) == MODELS[1]
    assert back(known, kind=AUTOMATIC, expected=old.id) is None


def test_old_counts_are_added_up_and_none_is_lost(store: Store) -> None:
    add_tallies(store, "a", {"answers": 2, "errors": 0})
    with store.write() as connection:
        long_ago = int(store.now(connection) // 60) - KEPT_MINUTES - 1
        for minute, num in ((long_ago, 5), (long_ago - 1, 7), (0, 1)):
            row = {"subject": "a", "kind": "answers", "minute": minute, "num": num}
            connection.execute(tallies.insert(), row)
    for _ in range(2):
        fold_tallies(store)
    assert read_tallies(store, "a") == {"answers": 15}
    with store.read() as connection:
        since_s = store.now(connection) - 60
        rows = connection.execute(tallies.select().order_by(tallies.c.minute)).all()
    assert [(row.minute, row.num) for row in rows][:1] == [(0, 13)] and len(rows) == 2
    assert read_tallies(store, "a", since_s=since_s) == {"answers": 2}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("stack"), "sqlite://")
    add_models(opened)
    yield opened
    opened.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from([*range(3), "back"]), max_size=12))
def test_an_alias_goes_as_a_stack_does(memory: Store, steps: list[Any]) -> None:
    with memory.write() as connection:
        connection.execute(delete(alias_moves))
    stack: list[str] = []
    act: dict[bool, Callable[[Any], Any]] = {
        True: lambda step: back(memory),
        False: lambda step: point(memory, MODELS[step]),
    }
    for step in steps:
        is_back = step == "back"
        if is_back and len(stack) < 2:
            if stack:
                with pytest.raises(UsageError):
                    back(memory)
            continue
        act[is_back](step)
        if is_back:
            stack.pop()
        elif not stack or stack[-1] != MODELS[step]:
            stack.append(MODELS[step])
        assert where(memory) == stack[-1]
