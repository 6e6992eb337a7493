"""Candidates become curated versions of data: answers and pairs, each in a store of its own.

OUT/answers.jsonl, OUT/answers/    rows for sft, and the versions that were curated of them
OUT/pairs.jsonl,   OUT/pairs/      the same of pairs
OUT/feedback.json                  what was taken, and what was left out for which reason

Rows come of what is stored now alone. Versions from before that hold rows of completions that are
stored no more are named, and removed where that is asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data.curate.curate import Curated, curate_parts
from assay.data.curate.erase import Erased, TrainedRun, find_trained
from assay.data.curate.parts import Parts
from assay.data.curate.settings import Settings
from assay.data.versions import VersionStore
from assay.errors import DataError, Problem
from assay.pipeline.data_page import write_version_page
from assay.pipeline.feedback.candidates import Candidate
from assay.pipeline.feedback.rows import COMPLETION, render_answer, render_lines, render_pair
from assay.runs import write_json, write_text

ANSWERS, PAIRS = "answers", "pairs"


@dataclass(frozen=True)
class Taken:
    """What goes into the versions: candidates, whether a person reviewed them, what did not."""

    candidates: Sequence[Candidate]
    is_reviewed: bool
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Forgotten:
    """Versions that hold rows of completions that are stored no more, and runs trained on them."""

    versions: list[str] = field(default_factory=list)
    runs: list[TrainedRun] = field(default_factory=list)
    is_purged: bool = False


@dataclass(frozen=True)
class Built:
    """The versions that were made, by name, and what was found of deleted completions.

    `refused` says why rows of a name became no version, where others did.
    """

    made: dict[str, Curated]
    forgotten: Forgotten
    refused: dict[str, str]


def build_versions(
    out: Path,
    taken: Taken,
    *,
    settings: Settings,
    stored: frozenset[str],
    others: Parts | None = None,
    purge: bool = False,
    root: Path | None = None,
) -> Built:
    """Write rows, curate them, and look for what older versions should not hold any more.

    Args:
        stored: ids of all completions that are stored.
        others: parts such as ``test`` whose rows must not be learned.
        purge: remove versions that hold rows of other completions.
        root: where runs are that may have been trained on them.

    Raises:
        DataError: no row at all, or `curate_parts` refuses the rows of every name.
        ResourceError: the disk is full.
    """
    rows = {
        ANSWERS: [render_answer(one) for one in taken.candidates],
        PAIRS: [render_pair(one) for one in taken.candidates if one.is_pair],
    }
    made, refused = dict[str, Curated](), dict[str, DataError]()
    for name, own in rows.items():
        path = out / f"{name}.jsonl"
        if own:
            write_text(path, render_lines(own))
            try:
                made[name] = _curate(path, out / name, settings, others or {})
            except DataError as error:
                refused[name] = error
        else:
            path.unlink(missing_ok=True)
    forgotten = _find_forgotten(out, made, stored, purge=purge, root=root)
    if not made:
        raise next(iter(refused.values()), None) or DataError(_explain_nothing(taken))
    write_json(out / "feedback.json", _describe(taken, made))
    return Built(made, forgotten, {name: str(error) for name, error in refused.items()})


def _curate(path: Path, store: Path, settings: Settings, others: Parts) -> Curated:
    parts: dict[str, Any] = {"train": [SourceConfig(path=str(path.resolve()))], **others}
    base_dir = Path.cwd()
    done = curate_parts(parts, out=store, base_dir=base_dir, settings=settings)
    write_version_page(VersionStore(store), done, parts, base_dir=base_dir)
    return done


def _find_forgotten(
    out: Path,
    made: Mapping[str, Curated],
    stored: frozenset[str],
    *,
    purge: bool,
    root: Path | None,
) -> Forgotten:
    versions, rows = [], list[str]()
    for name in (ANSWERS, PAIRS):
        if not VersionStore.is_store(out / name):
            continue
        store = VersionStore(out / name)
        newest = made[name].version.id if name in made else None
        for version in store.list():
            if version.id == newest or version.parent is None:
                continue
            gone = [
                record.id
                for record in store.records(version)
                if record.extra.get(COMPLETION) not in stored
            ]
            if gone:
                versions.append(f"{name}/{version.id}")
                rows += gone
                if purge:
                    shutil.rmtree(store.folder(version.id))
    runs = _find_runs(root, rows, made) if rows and root is not None else []
    return Forgotten(versions, runs, purge)


def _find_runs(root: Path, rows: Sequence[str], made: Mapping[str, Curated]) -> list[TrainedRun]:
    for curated in made.values():
        return find_trained(root, Erased(curated.version, tuple(rows), (), (), (), ()))
    return []


def _explain_nothing(taken: Taken) -> Problem:
    reasons = "; ".join(f"{count} {reason}" for reason, count in taken.left_out.items())
    return Problem(
        f"no answer to learn ({reasons or 'nothing is stored'})",
        "stored completions that are corrected, or rated well",
        "rate or correct them by POST /v1/feedback",
        key="store",
    )


def _describe(taken: Taken, made: Mapping[str, Curated]) -> dict[str, Any]:
    return {
        "reviewed": taken.is_reviewed,
        "completions": sorted({one.completion_id for one in taken.candidates}),
        "left_out": dict(taken.left_out),
        "versions": {name: curated.version.id for name, curated in made.items()},
    }
