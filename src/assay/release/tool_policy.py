"""Freezes what a released model's tool calls may do, and reads it back only as it was signed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from assay.data.records import Record
from assay.data.stored import iterate_records
from assay.errors import ReleaseError
from assay.release.envelope import parse_envelope
from assay.release.manifest import hash_file
from assay.runs import RunFolder, write_text
from assay.runs.values import mapping, sequence, text
from assay.tools.policy import Derived, Policy, derive_policy, load_policy, render_policy

MAX_ROWS = 20_000
"""Rows with calls that a policy is derived from; of more, that many drawn with a fixed seed."""
_SHOWN = 20


def freeze_policy(run: RunFolder) -> Policy:
    """Write the run's tool policy, of the rows that it was trained on; one that is there is kept.

    Without such rows, or calls in them, it denies all.

    Raises:
        ConfigError: the policy that is there has been edited and is wrong.
        DataError: the training rows cannot be read.
    """
    if run.tool_policy.is_file():
        return load_policy(run.tool_policy)
    derived, notes = _derive(run)
    write_text(run.tool_policy, render_policy(derived.policy, notes=notes))
    return derived.policy


def preview_policy(run: RunFolder) -> Policy:
    """The policy that a release of the run would freeze now; writes nothing.

    Raises:
        ConfigError, DataError: as `freeze_policy`.
    """
    if run.tool_policy.is_file():
        return load_policy(run.tool_policy)
    return _derive(run)[0].policy


def _derive(run: RunFolder) -> tuple[Derived, list[str]]:
    path = run.data / "train.parquet"
    rows = _draw(iterate_records(path)) if path.is_file() else []
    derived = derive_policy((row.messages, row.tools) for row in rows)
    offered = {
        str((tool.get("function") or tool).get("name")) for r in rows for tool in r.tools or ()
    }
    return derived, _describe(derived, offered - set(derived.policy.tools))


def read_released_policy(folder: Path | str) -> Policy:
    """The policy of a released run, if it is the one that was signed.

    Raises:
        ReleaseError: there is no release, or its policy is missing, unsigned or changed.
        ConfigError: it is wrong.
    """
    run = RunFolder(Path(folder))
    try:
        payload, signature = run.release.read_bytes(), run.signature.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{folder}: no signed release ({error.strerror})") from error
    if not parse_envelope(signature).covers(payload):
        raise ReleaseError(f"{folder}: the signature does not fit release.json")
    name = run.tool_policy.name
    entries = {text(mapping(one).get("path")): mapping(one) for one in _list_files(run)}
    if name not in entries or not run.tool_policy.is_file():
        raise ReleaseError(f"{folder}: its release has no {name}; sign it anew with assay release")
    if hash_file(run.path, name).sha256 != entries[name].get("sha256"):
        raise ReleaseError(
            f"{folder}: {name} is not the one that was signed; sign it anew with assay release, or"
            " name the file itself"
        )
    return load_policy(run.tool_policy)


def _list_files(run: RunFolder) -> Sequence[object]:
    return sequence(mapping(run.read_json(run.release)).get("files"))


def _draw(records: Iterable[Record]) -> list[Record]:
    """The rows that offer or call tools, in order; at most `MAX_ROWS` of them."""
    rng = random.Random("tool policy")
    kept: list[tuple[int, Record]] = []
    wanted = (r for r in records if r.is_wanted is not False and (r.tools or _has_calls(r)))
    for number, record in enumerate(wanted):
        if number < MAX_ROWS:
            kept.append((number, record))
        elif (place := rng.randrange(number + 1)) < MAX_ROWS:
            kept[place] = (number, record)
    return [record for _, record in sorted(kept, key=lambda pair: pair[0])]


def _has_calls(record: Record) -> bool:
    return any(message.get("tool_calls") for message in record.messages)


def _describe(derived: Derived, uncalled: set[str]) -> list[str]:
    """What whoever reads the file should know of how it came about."""
    if not derived.num_calls:
        lines = [
            "What this model's tool calls may do: nothing, since no training row calls a tool."
        ]
    else:
        lines = [
            "What this model's tool calls may do; whatever is not here is denied.",
            f"From {derived.num_calls:,} calls of the training rows; of {derived.num_checked:,} of"
            f" them, {derived.num_passed:,} pass.",
        ]
    if uncalled:
        lines.append(f"Offered, never called, so denied: {', '.join(sorted(uncalled)[:_SHOWN])}.")
    for one in derived.left_out[:_SHOWN]:
        place = f"{one.tool}.{one.argument} = {one.value!r}" if one.argument else one.tool
        lines.append(f"LOOK: {one.num_calls:,} calls are not allowed: {place} ({one.reason}).")
    return lines
