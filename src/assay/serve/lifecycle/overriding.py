"""Lets a held model be served for a reason, and takes that back; the release keeps the reason too.

The run is signed with its reason first and the store changed last, so that whatever ends between
leaves a model that is held.
"""

from __future__ import annotations

from typing import Any

from assay.errors import CheckpointError, Problem, ReleaseError, UsageError
from assay.release import release_run
from assay.runs import RunFolder
from assay.runs.store import Store
from assay.runs.store.models import find_model
from assay.runs.store.overrides import (
    OVERRIDDEN,
    OverrideRow,
    add_override,
    check_held,
    find_override,
    revoke_override,
)


def override_model(store: Store, model: str, *, actor: str, reason: str) -> OverrideRow:
    """Sign a held model's run with `reason`, and serve it from now on; once.

    Raises:
        UsageError: no reason, no held model of that name, or a run that cannot be signed now.
    """
    check_held(store, model)
    if not reason.strip():
        raise UsageError(Problem("no reason", "why it is served all the same", key="reason"))
    row = find_model(store, model)
    assert row is not None, "models that are held are not deleted by others"
    if row.state != OVERRIDDEN:
        _sign(RunFolder(store.folder / str(row.run)), reason)
    return add_override(store, model, actor=actor, reason=reason.strip())


def _sign(run: RunFolder, reason: str) -> None:
    try:
        with run.lock():
            release_run(run, override=reason)
    except (CheckpointError, ReleaseError) as error:
        text = str(error).replace(str(run.path), run.id)
        got = f"a run that cannot be signed ({text})"
        raise UsageError(Problem(got, do="try again once nobody writes it", key="model")) from error


def hold_again(store: Store, model: str, *, actor: str, reason: str = "") -> OverrideRow:
    """Take an override back: nothing serves the model from now on, and its signature goes.

    Raises:
        UsageError: it was not overridden.
    """
    row = find_model(store, model)
    revoked = revoke_override(store, model, actor=actor, reason=reason)
    if row is None or revoked is None:
        got = f"{model}, which is not overridden"
        raise UsageError(Problem(got, "an overridden model", key="model"))
    run = RunFolder(store.folder / str(row.run))
    with run.lock():
        # Without its signature the folder is no release, wherever it is copied to.
        run.signature.unlink(missing_ok=True)
    return revoked


def describe_override(row: OverrideRow) -> dict[str, Any]:
    """An override, for whoever reads the history."""
    return {
        "id": row.id,
        "object": "model.override",
        "model": row.model,
        "reason": row.reason,
        "actor": row.actor,
        "created_at": int(row.created_at),
        "revoked_at": None if row.revoked_at is None else int(row.revoked_at),
        "revoked_by": row.revoked_by,
        "revoke_reason": row.revoke_reason,
    }


def find_standing_reason(store: Store, model: str) -> str:
    """Why a model is served although it was held; "" where it is not."""
    row = find_override(store, model)
    return "" if row is None or row.revoked_at is not None else str(row.reason)
