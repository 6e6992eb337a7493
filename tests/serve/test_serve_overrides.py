"""Held models are served for a reason that is kept, and held again when it is taken back."""

from typing import Any

import httpx
import pytest
from stored_models import add_checkpoint, add_model
from tests.serve.conftest import Served

from assay.cli import main
from assay.release import load_or_make_key, verify_release
from assay.runs import RunFolder
from assay.runs.store import Store, add_key
from assay.runs.store.aliases import find_alias, list_moves
from assay.runs.store.events import list_events
from assay.runs.store.models import find_model, list_models
from assay.serve.jobs.names import name_model
from assay.serve.lifecycle.moving import promote_model
from assay.serve.stored_records import StoredRecords

GOOD = "ft:tiny:assay:good:ftjob-1"
HELD = name_model("tiny", None, "ftjob-2")


@pytest.fixture(autouse=True)
def home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))


@pytest.fixture()
def held(store: Store) -> RunFolder:
    add_model(store, GOOD, key=load_or_make_key())
    return add_model(store, HELD, key=load_or_make_key(), state="held", job="ftjob-2")


def send(served: Served, method: str, path: str = "", body: Any = None, key: str = "") -> Any:
    headers = {"authorization": f"Bearer {key or served.key}"}
    answer = httpx.request(method, f"{served.url}/overrides{path}", json=body, headers=headers)
    return answer.status_code, answer.json()


def override(served: Served, reason: str = "reviewed by hand") -> dict[str, Any]:
    status, found = send(served, "POST", body={"model": HELD, "reason": reason})
    assert status == 200, found
    return dict(found)


def read_messages(store: Store, job: str) -> list[str]:
    page = list_events(store, job, after=None, limit=50)
    assert page is not None
    return [row.message for row in page.rows]


def test_an_override_is_signed_kept_shown_and_served(
    served: Served, store: Store, held: RunFolder
) -> None:
    found = override(served)
    assert found["actor"].startswith("key_") and found["revoked_at"] is None
    row = find_model(store, HELD)
    assert row is not None and row.state == "overridden"
    assert HELD in {one.id for one in list_models(store)}
    record = StoredRecords(store).find(HELD)
    assert record is not None and record.is_released and record.reason == "reviewed by hand"
    verified = verify_release(held.path)
    assert verified.ok and verified.overrides[0]["reason"] == "reviewed by hand"
    job = served.client().fine_tuning.jobs.retrieve("ftjob-2")
    extra = job.model_extra["x_assay"]  # type: ignore[index]
    assert extra["model_state"] == "overridden" and extra["override"]["reason"] == found["reason"]
    assert "reviewed by hand" in read_messages(store, "ftjob-2")[0]
    assert override(served, "again")["id"] == found["id"]
    assert [one["id"] for one in send(served, "GET")[1]["data"]] == [found["id"]]
    assert send(served, "GET", f"/{HELD}")[1] == found


def test_what_is_revoked_is_held_and_no_release_any_more(
    served: Served, store: Store, held: RunFolder
) -> None:
    override(served)
    promote_model(store, "desk@prod", GOOD, actor="tests")
    promote_model(store, "desk@prod", HELD, actor="tests")
    promote_model(store, "desk@dev", HELD, actor="tests")
    status, found = send(served, "DELETE", f"/{HELD}?reason=too%20soon")
    assert status == 200 and found["revoked_at"] and found["revoke_reason"] == "too soon"
    row = find_model(store, HELD)
    assert row is not None and row.state == "held"
    assert not held.signature.exists()
    moved = find_alias(store, "desk@prod")
    assert moved is not None and (moved.model, moved.kind) == (GOOD, "rollback")
    assert find_alias(store, "desk@dev") is None
    page = list_moves(store, "desk@dev", after=None, limit=1)
    assert page is not None and "revoked" in page.rows[0].reason
    assert send(served, "DELETE", f"/{HELD}")[0] == 400
    assert override(served, "second look")["reason"] == "second look"
    assert held.read_json(held.release)["overrides"][-1]["reason"] == "second look"
    assert len(send(served, "GET")[1]["data"]) == 2


def test_only_held_models_are_overridden_with_a_reason_by_admins(
    served: Served, store: Store, held: RunFolder
) -> None:
    add_checkpoint(store, f"{HELD}:ckpt-step-5", job="ftjob-2")
    for model, told in (
        (GOOD, "released"),
        (f"{HELD}:ckpt-step-5", "checkpoint"),
        ("ft:no", "no model"),
    ):
        status, found = send(served, "POST", body={"model": model, "reason": "why not"})
        assert status == 400 and told in found["error"]["message"]
    for reason in ("", "   "):
        status, found = send(served, "POST", body={"model": HELD, "reason": reason})
        assert status == 400 and found["error"]["param"] == "reason"
    _, secret = add_key(store, "t", ["train", "infer"])
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", f"/{HELD}")):
        body = {"model": HELD, "reason": "mine"} if method == "POST" else None
        assert send(served, method, path, body, secret)[0] == 403
    assert not held.release.exists()
    with held.lock():
        status, found = send(served, "POST", body={"model": HELD, "reason": "now"})
    assert status == 400 and "cannot be signed" in found["error"]["message"]
    row = find_model(store, HELD)
    assert row is not None and row.state == "held"


def test_what_ends_between_signing_and_serving_leaves_a_held_model(
    store: Store, held: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The override is told to the store last; asked again, it is made whole."""
    from assay.serve.lifecycle import overriding

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(overriding, "add_override", die)
        overriding.override_model(store, HELD, actor="tests", reason="first")
    row = find_model(store, HELD)
    assert row is not None and row.state == "held" and held.release.exists()
    assert overriding.override_model(store, HELD, actor="tests", reason="first").reason == "first"
    assert verify_release(held.path).ok


def test_the_command_does_the_same(
    store: Store, held: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--store", str(store.folder)]
    assert main(["override", HELD, "--reason", "checked", *at]) == 0
    assert f"{HELD} is served: checked" in capsys.readouterr().out
    assert main(["override", HELD, "--reason", "no", "--revoke", *at]) == 0
    assert main(["override", HELD, "--reason", "no", "--revoke", *at]) == 2
    row = find_model(store, HELD)
    assert row is not None and row.state == "held"
