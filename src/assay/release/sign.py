"""From a verdict to a signed release, or a refusal that names the gates; measures nothing.

Signing writes two files into the run folder, release.json and release.json.sig; nothing is copied.
A held run is signed only with a reason, each time; every reason ever given stays in the manifest.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.errors import ReleaseError, UsageError
from assay.release.card import render_card
from assay.release.envelope import sign_payload
from assay.release.gates import Gate, blocking_gates, read_gates
from assay.release.keys import SigningKey, load_or_make_key
from assay.release.manifest import build_manifest, manifest_bytes
from assay.release.report import render_report
from assay.release.tool_policy import freeze_policy
from assay.runs import RunFolder, read_json, write_bytes, write_text
from assay.runs.find import read_or_empty
from assay.runs.values import mapping, sequence


@dataclass(frozen=True)
class SignedRelease:
    """What was signed: the run, the signer's key id and fingerprint, and the manifest."""

    run: RunFolder
    key_id: str
    fingerprint: str
    manifest: dict[str, Any]


def release_run(
    run: RunFolder, *, override: str | None = None, key: SigningKey | None = None
) -> SignedRelease:
    """Write tool policy, card and report with the signer's name, then sign: the whole step.

    Raises:
        ReleaseError: as `sign_release`; nothing is written then.
        UsageError: as `sign_release`; or the tool policy that is there is wrong.
    """
    key = key or load_or_make_key()
    overrides = _checked_overrides(run, override, key)
    key_id = key.public.key_id
    freeze_policy(run)
    write_text(run.card, render_card(run, signer=key_id, overrides=overrides))
    write_text(run.report, render_report(run, signer=key_id, overrides=overrides))
    return _sign(run, key, overrides)


def sign_release(
    run: RunFolder, *, override: str | None = None, key: SigningKey | None = None
) -> SignedRelease:
    """Sign the run folder as it is.

    `override` is the reason for releasing a held run. `key` defaults to this user's own.

    Raises:
        ReleaseError: there is no verdict, no adapter or model, or the run is held and no reason
            was given; the message names each gate that holds it.
        UsageError: the reason is empty, or was given for a run that is not held.
    """
    key = key or load_or_make_key()
    return _sign(run, key, _checked_overrides(run, override, key))


def _sign(run: RunFolder, key: SigningKey, overrides: list[dict[str, Any]]) -> SignedRelease:
    signer = key.public
    manifest = build_manifest(
        run,
        signer_key_id=signer.key_id,
        gates=read_gates(mapping(read_json(run.verdict))),
        overrides=overrides,
    )
    payload = manifest_bytes(manifest)
    run.signature.unlink(missing_ok=True)
    write_bytes(run.release, payload)
    write_bytes(run.signature, sign_payload(payload, key).to_bytes())
    return SignedRelease(run, signer.key_id, signer.fingerprint, manifest)


def _checked_overrides(
    run: RunFolder, override: str | None, key: SigningKey
) -> list[dict[str, Any]]:
    """Return every override of this run's past, and the new one if it was needed and given."""
    if run.writer is not None and run.writer.pid != os.getpid():
        raise ReleaseError(f"{run.path.name}: still running (pid {run.writer.pid})")
    if not run.verdict.exists():
        raise ReleaseError(f"{run.path.name}: no verdict.json; the run has not been gated yet")
    if not run.adapter.is_dir() and not run.model.is_dir():
        raise ReleaseError(f"{run.path.name}: no adapter/ or model/ to release")
    verdict = mapping(read_json(run.verdict))
    gates = read_gates(verdict)
    held = verdict.get("status") != "released" or bool(blocking_gates(gates))
    past = [mapping(entry) for entry in sequence(read_or_empty(run.release).get("overrides"))]
    if override is None:
        if held:
            raise ReleaseError(_refusal(run, gates))
        return past
    if not held:
        raise UsageError(f"{run.path.name}: --override given, but every required gate passed")
    if not override.strip():
        raise UsageError(f"{run.path.name}: --override needs a reason; it is kept for ever")
    return [*past, _override_entry(override.strip(), gates, key)]


def _override_entry(reason: str, gates: list[Gate], key: SigningKey) -> dict[str, Any]:
    return {
        "reason": reason,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "gates": [gate.name for gate in blocking_gates(gates)],
        "signer": key.public.key_id,
    }


def _refusal(run: RunFolder, gates: list[Gate]) -> str:
    lines = [f"{run.path.name} is held and was not released:"]
    for gate in blocking_gates(gates):
        outcome = gate.outcome.replace("_", " ")
        lines.append(f"  {gate.name}: {outcome}" + (f" ({gate.reason})" if gate.reason else ""))
    lines.append('Mend it and run again, or release it all the same: --override "reason"')
    return "\n".join(lines)
