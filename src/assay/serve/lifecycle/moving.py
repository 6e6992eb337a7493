"""Moves aliases for people: checked before, told after; the server and the command share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from assay.errors import AssayError, Problem, UsageError
from assay.release import blocking_gates, read_gates, verify_release
from assay.runs.store import Store, read_tallies
from assay.runs.store.alias_rules import RollbackRule, read_rule
from assay.runs.store.aliases import MoveRow, find_standing, promote, roll_back
from assay.runs.store.models import find_model
from assay.serve.inference.trust import Trust
from assay.serve.lifecycle.watching import move_back


def promote_model(
    store: Store,
    alias: str,
    model: str,
    *,
    actor: str,
    reason: str = "",
    rule: Mapping[str, Any] | None = None,
    trust: Trust | None = None,
) -> MoveRow:
    """Point `alias` at `model`, whose release is verified first.

    What `rule` gives of `RollbackRule` takes the place of what stood before. With `trust` its
    signer must be of that.

    Raises:
        UsageError: what is wrong with the name, the model, its release or the rule.
    """
    _check_release(store, model, trust)

    def choose(before: dict[str, Any] | None) -> dict[str, Any]:
        return read_rule(rule, RollbackRule(**before) if before else None).to_json()

    return promote(store, alias, model, actor=actor, reason=reason, choose_rule=choose)


def _check_release(store: Store, model: str, trust: Trust | None) -> None:
    row = find_model(store, model)
    if row is None or row.checkpoint_id is not None:
        return  # told by `promote`, with the rest
    try:
        found = verify_release(store.folder / str(row.run))
    except AssayError:
        return
    told = "; ".join(f"{one.path}: {one.detail}" for one in found.problems[:5])
    if not told and trust is not None:
        told = trust.find_fault(found)
    if told:
        got = f"{model}, whose release does not verify ({told})"
        raise UsageError(Problem(got, "a release as it was signed", key="model"))


def go_back(
    store: Store,
    connection: Connection,
    alias: str,
    *,
    actor: str,
    reason: str = "",
    model: str | None = None,
) -> MoveRow | None:
    """Move an alias back by hand; None where it does not point at `model`, if one is named.

    As `go_back_if_held` it is a part of a transaction that holds `LOCK`.

    Raises:
        UsageError: no such alias, or nothing to go back to.
    """
    last = _get(connection, alias)
    if model is not None and last.model != model:
        return None
    return roll_back(store, connection, alias, actor=actor, reason=reason)


def go_back_if_held(
    store: Store, connection: Connection, alias: str, verdict: Mapping[str, Any], *, model: str
) -> MoveRow | None:
    """Move an alias back where `verdict`, which `assay gate` gave of `model`, holds it.

    None where it passes, or the alias points elsewhere by now.

    Raises:
        UsageError: no verdict, or no such alias.
    """
    last = _get(connection, alias)
    if not isinstance(verdict.get("gates"), list) or not verdict.get("status"):
        allowed = "what assay gate writes: status and gates"
        raise UsageError(Problem("no verdict", allowed, key="verdict"))
    failed = blocking_gates(read_gates(verdict))
    is_held = verdict["status"] != "released" or bool(failed)
    if not is_held or last.model != model:
        return None
    named = ", ".join(gate.name for gate in failed) or "its verdict"
    evidence = {"cause": "gates", "gates": [gate.as_dict() for gate in failed]}
    return move_back(store, connection, last, reason=f"held by {named}", evidence=evidence)


def _get(connection: Connection, alias: str) -> MoveRow:
    found = find_standing(connection, alias)
    if found is None:
        raise UsageError(Problem(f"no alias {alias!r}", do="see assay alias list", key="alias"))
    return found


def describe_alias(store: Store, row: MoveRow) -> dict[str, Any]:
    """An alias: where it points, since when, its rule, and how answers went since."""
    return {
        "id": row.alias,
        "object": "alias",
        "model": row.model,
        "since": int(row.created_at),
        "move": describe_move(row),
        "rule": row.rule,
        "counts": read_tallies(store, row.id),
    }


def describe_move(row: MoveRow) -> dict[str, Any]:
    """A move, for whoever reads the history."""
    return {
        "id": row.id,
        "object": "alias.move",
        "alias": row.alias,
        "kind": row.kind,
        "model": row.model,
        "previous": row.previous,
        "reason": row.reason,
        "evidence": row.evidence,
        "actor": row.actor,
        "created_at": int(row.created_at),
    }
