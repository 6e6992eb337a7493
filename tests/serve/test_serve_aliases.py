"""Aliases over HTTP and by command: admins move them, to releases that verify, once a request."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from stored_models import GATE, add_checkpoint, add_model
from tests.serve.conftest import Served

from assay.cli import main
from assay.release import SigningKey, load_or_make_key
from assay.runs.store import Store, add_key
from assay.runs.store.aliases import find_alias, list_moves
from assay.runs.store.events import list_events

A, B = "ft:tiny:assay:a:1", "ft:tiny:assay:b:2"
NAME = "support@prod"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_make_key(tmp_path_factory.mktemp("key") / "own" / "key.pem")


@pytest.fixture(autouse=True)
def models(store: Store, key: SigningKey) -> None:
    for name in (A, B):
        add_model(store, name, key=key)
    add_model(store, "held", key=key, state="held")
    add_checkpoint(store, f"{A}:ckpt-step-5")


def send(served: Served, method: str, path: str, body: Any = None, **options: Any) -> Any:
    headers = {"authorization": f"Bearer {options.pop('key', served.key)}", **options}
    answer = httpx.request(method, f"{served.url}/aliases{path}", json=body, headers=headers)
    return answer.status_code, answer.json()


def promote(served: Served, model: str, **more: Any) -> dict[str, Any]:
    status, found = send(served, "POST", f"/{NAME}", {"model": model, **more})
    assert status == 200, found
    return dict(found)


def test_an_alias_is_made_moved_listed_rolled_back_and_removed(served: Served) -> None:
    assert promote(served, A, reason="first")["model"] == A
    found = promote(served, B, rule={"min_answers": 5})
    assert found["rule"] == {
        "max_error_rate": 0.2,
        "max_breach_rate": 0.1,
        "window_s": 600.0,
        "min_answers": 5,
    }
    assert found["move"]["previous"] == A and found["move"]["actor"].startswith("key_")
    assert [one["id"] for one in send(served, "GET", "")[1]["data"]] == [NAME]
    assert send(served, "GET", f"/{NAME}")[1]["model"] == B
    status, found = send(served, "POST", f"/{NAME}/rollback")
    assert (status, found["model"], found["moved"]) == (200, A, True)
    moves = send(served, "GET", f"/{NAME}/moves?limit=2")[1]
    assert [one["kind"] for one in moves["data"]] == ["rollback", "promote"] and moves["has_more"]
    last = send(served, "GET", f"/{NAME}/moves?after={moves['last_id']}")[1]["data"]
    assert [one["reason"] for one in last] == ["first"]
    assert send(served, "POST", f"/{NAME}/rollback")[0] == 400
    assert send(served, "DELETE", f"/{NAME}")[1]["deleted"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rollback")):
        status, found = send(served, method, f"/{NAME}{path}")
        assert status == 404 and found["error"]["code"] == "alias_not_found"


def test_what_may_not_be_served_is_not_promoted(served: Served, store: Store) -> None:
    for model, told in (
        ("held", "gates hold"),
        (f"{A}:ckpt-step-5", "checkpoint"),
        ("ft:none", "no model"),
    ):
        status, found = send(served, "POST", f"/{NAME}", {"model": model})
        assert status == 400 and told in found["error"]["message"]
        assert found["error"]["param"] == "model"
    for name in ("prod", "Support@prod", "tiny", "a@b@c"):
        assert send(served, "POST", f"/{name}", {"model": A})[1]["error"]["param"] == "alias"
    assert send(served, "POST", f"/{NAME}", {"model": A, "rule": {"min_answers": 0}})[0] == 400
    run = next((store.folder / "jobs").glob("*/runs/*b-2*"))
    (run / "adapter" / "adapter_model.safetensors").write_bytes(b"Weights")
    status, found = send(served, "POST", f"/{NAME}", {"model": B})
    assert status == 400 and "does not verify" in found["error"]["message"]
    assert find_alias(store, NAME) is None


def test_only_admins_move_aliases(served: Served, store: Store) -> None:
    _, secret = add_key(store, "t", ["train", "infer"])
    for method, path, body in (
        ("GET", "", None),
        ("POST", f"/{NAME}", {"model": A}),
        ("POST", f"/{NAME}/rollback", {}),
        ("DELETE", f"/{NAME}", None),
    ):
        assert send(served, method, path, body, key=secret)[0] == 403
    assert find_alias(store, NAME) is None


def test_a_rollback_that_is_sent_again_moves_once(served: Served) -> None:
    promote(served, A)
    promote(served, B)
    promote(served, A)
    again: dict[str, Any] = {"x-stainless-retry-count": "1"}
    first = send(served, "POST", f"/{NAME}/rollback", {})[1]
    second = send(served, "POST", f"/{NAME}/rollback", {}, **again)[1]
    assert (first["model"], second["model"], second["moved"]) == (B, B, False)
    other = send(served, "POST", f"/{NAME}/rollback", {"model": A})[1]
    assert other["model"] == B and not other["moved"]


def test_a_verdict_that_holds_the_model_moves_its_alias_back(served: Served, store: Store) -> None:
    promote(served, A)
    promote(served, B)
    good = {"status": "released", "gates": []}
    bad = {"status": "held", "gates": [GATE]}
    assert send(served, "POST", f"/{NAME}/rollback", {"verdict": bad})[0] == 400
    assert send(served, "POST", f"/{NAME}/rollback", {"verdict": {}, "model": B})[0] == 400
    for verdict, model in ((good, B), (bad, A)):
        asked = {"verdict": verdict, "model": model}
        assert not send(served, "POST", f"/{NAME}/rollback", asked)[1]["moved"]
    found = send(served, "POST", f"/{NAME}/rollback", {"verdict": bad, "model": B})[1]
    assert found["model"] == A and found["move"]["reason"] == "held by task_gain"
    assert found["move"]["evidence"]["gates"][0]["reason"] == "it lost"
    page = list_events(store, "ftjob-1", after=None, limit=5)
    assert page is not None and "went back" in page.rows[0].message


def run_command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    out = capsys.readouterr()
    return code, out.out + out.err


def test_commands_do_the_same(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--store", str(store.folder)]
    assert run_command(capsys, "promote", NAME, A, *at) == (0, f"{NAME} points at {A}\n")
    told = run_command(capsys, "promote", NAME, B, "--min-answers", "7", "--json", *at)[1]
    assert json.loads(told)["rule"]["min_answers"] == 7
    assert run_command(capsys, "promote", NAME, "held", *at)[0] == 2
    file = tmp_path / "verdict.json"
    file.write_text(json.dumps({"status": "held", "gates": [GATE]}))
    held = ["rollback", NAME, "--verdict", str(file), *at]
    assert run_command(capsys, *held)[0] == 2
    assert "stays" in run_command(capsys, *held, "--from", A)[1]
    assert f"points at {A} again" in run_command(capsys, *held, "--from", B)[1]
    assert f"{NAME}  {A}" in run_command(capsys, "alias", "list", *at)[1]
    assert "automatic" in run_command(capsys, "alias", "history", NAME, *at)[1]
    assert run_command(capsys, "rollback", NAME, *at)[0] == 2
    assert run_command(capsys, "alias", "remove", NAME, *at)[0] == 0
    assert run_command(capsys, "alias", "remove", NAME, *at)[0] == 2


_FLIP = """
import sys
from assay.runs.store import open_store
from assay.runs.store.aliases import LOCK
from assay.serve.lifecycle.moving import go_back, promote_model
store = open_store(sys.argv[1])
promote_model(store, "support@prod", sys.argv[2], actor="flip")
print("begun", flush=True)
while True:
    for model in sys.argv[2:]:
        promote_model(store, "support@prod", model, actor="flip")
    with store.write() as connection:
        store.lock(connection, LOCK)
        go_back(store, connection, "support@prod", actor="flip")
"""


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 9))]
)
def test_a_killed_move_is_whole_or_not_there(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    num_before = 0
    for _ in range(2):
        command = [sys.executable, "-c", _FLIP, str(store.folder), A, B]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ))
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        time.sleep(rng.uniform(0.05, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        page = list_moves(store, NAME, after=None, limit=100_000)
        assert page is not None and len(page.rows) > num_before
        num_before = len(page.rows)
        stack: list[str] = []
        for before, move in pairwise([None, *page.rows[::-1]]):
            assert move is not None and move.previous == (before.model if before else None)
            if move.kind == "rollback":
                stack.pop()
            else:
                stack.append(move.model)
            assert move.model == stack[-1]
        standing = find_alias(store, NAME)
        assert standing is not None and standing.id == page.rows[0].id
