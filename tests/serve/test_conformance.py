"""The 47 checks of OpenAI's interface against this server, over a socket, by the real client."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from program import Program, running
from tests.serve.conftest import serving

from assay.generate.live import LiveBatch
from assay.runs.store import Store, add_key, open_store
from assay.runs.store.queue import claim_check
from assay.serve.assemble import assembled
from assay.serve.bases import Bases
from assay.serve.conformance.__main__ import main
from assay.serve.conformance.check import Check
from assay.serve.conformance.run import list_checks, run_check
from assay.serve.conformance.session import Hooks, Left, Session, Target
from assay.serve.jobs.worker import check_job

ALL = list_checks()
PROJECT = "proj_default"
CHEAP = [
    pytest.param(
        one,
        is_strict,
        id=f"{one.number}-{'strict' if is_strict else 'lenient'}",
        # A strict client takes nothing that one as it is would not.
        marks=[pytest.mark.slow] if one.is_strict and not is_strict else [],
    )
    for one in ALL
    if not one.trains and one.number not in (18, 46)
    for is_strict in (False, True)
    if one.is_strict or not is_strict
]
"""Checks that need neither a training nor many rows."""
QUICK = {
    "method": {"rank": 4},
    "train": {"max_steps": 6, "learning_rate": 0.01},
    "data": {"test_ratio": 0.3},
    "evaluate": {"shots": [0], "max_new_tokens": 4, "batch_size": 32},
    "gates": {
        "policy": "minimal",
        "thresholds": {"min_gain": -1, "overfit_ratio": 1000, "retention_margin": 1},
    },
}
"""The smallest recipe: it is to run and not to teach."""


def test_the_list_of_checks_is_whole() -> None:
    assert sorted(one.number for one in ALL) == list(range(1, 48))
    assert len({one.title for one in ALL}) == 47


def meet(one: Check, session: Session) -> None:
    """Fail as the check does; none is skipped where all can be seen."""
    outcome = run_check(one, session)
    assert outcome.status == "PASS", outcome.reason


class Breaking:
    """Lets the third step from now on fail once; until then, and after, steps are as they are."""

    def __init__(self) -> None:
        self.left = 0

    def begin(self) -> None:
        self.left = 3

    def wrap(self, step: Callable[[LiveBatch], Any]) -> Callable[[LiveBatch], Any]:
        def broken(batch: LiveBatch) -> Any:
            if batch.rows and self.left:
                self.left -= 1
                if not self.left:
                    raise RuntimeError("no memory is left")
            return step(batch)

        return broken


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """This server in this process; files of jobs are checked, and no job runs."""
    store = open_store(tmp_path_factory.mktemp("conformance"))
    _, secret = add_key(store, "tests", ["admin"])
    bases = Bases(dict.fromkeys(("tiny", "gpt-4.1-mini", "org/tiny"), "tiny"))
    stop, breaking = threading.Event(), Breaking()
    checking = threading.Thread(target=check_files, args=[store, stop])
    checking.start()
    with (
        pytest.MonkeyPatch.context() as patched,
        assembled(store, bases) as app,
        serving(app) as url,
    ):
        patched.setattr(LiveBatch, "step", breaking.wrap(LiveBatch.step))
        target = Target(url, secret, "gpt-4.1-mini", {"x_assay": QUICK})
        yield Session(target, False, Left(), Hooks(break_answer=breaking.begin))
        stop.set()
        checking.join()
    store.close()


def check_files(store: Store, stop: threading.Event) -> None:
    """What a worker does with new jobs before their turn."""
    while not stop.is_set():
        lease = claim_check(store, "tests")
        if lease is None:
            stop.wait(0.05)
        else:
            check_job(store, lease)


@pytest.mark.parametrize(("one", "is_strict"), CHEAP)
def test_a_check_that_needs_no_training(session: Session, one: Check, is_strict: bool) -> None:
    meet(one, Session(session.target, is_strict, session.left, session.hooks))


@pytest.mark.slow
@pytest.mark.parametrize("number", [18, 46])
@pytest.mark.parametrize("is_strict", [False, True])
def test_a_check_of_many_rows(session: Session, number: int, is_strict: bool) -> None:
    one = next(one for one in ALL if one.number == number)
    meet(one, Session(session.target, is_strict, session.left, session.hooks))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    # Where the check of webhooks listens is a private address.
    with running(tmp_path_factory.mktemp("program"), "--allow-private-addresses") as started:
        yield started


@pytest.fixture(scope="module")
def training(program: Program) -> Session:
    target = Target(program.url, program.key, "gpt-4.1-mini", {"x_assay": QUICK}, 64, PROJECT)
    return Session(target, False, Left(), Hooks(list_processes=program.list_processes))


@pytest.mark.slow
@pytest.mark.parametrize("one", [one for one in ALL if one.trains], ids=lambda one: str(one.number))
def test_a_check_that_trains(training: Session, one: Check) -> None:
    for is_strict in (False, True) if one.is_strict else (False,):
        meet(one, Session(training.target, is_strict, training.left, training.hooks))


def test_the_program_tells_as_lines_and_as_json(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--base-url", session.target.base_url, "--api-key", session.target.api_key]
    assert main([*place, "--only", "1", "30", "--lenient"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("PASS   1  lenient") and lines[-1] == "1 PASS, 0 FAIL, 1 SKIP"
    assert main([*place[:3], "sk-no-such-key", "--only", "8", "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["mode"], one["status"]) for one in told] == [
        ("lenient", "FAIL"),
        ("strict", "FAIL"),
    ]
    assert "AuthenticationError" in told[0]["reason"]
