"""data/report.json and the splits of a run on disk; it repeats what others measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.data.mask import MaskReport
from assay.data.prepare import PreparedData
from assay.data.records import Record, compute_content_hash
from assay.data.stored import compute_split_hash, write_split
from assay.errors import Problem
from assay.runs import sha256_file, write_json

REPORT_FORMAT = 1
_DEFAULT_LINES = 40


def build_report(
    prepared: PreparedData,
    masks: Mapping[str, MaskReport] | None = None,
    findings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What became of the data, as plain JSON values.

    Args:
        masks: mask report of each split that was tokenised, by the split's name.
        findings: what rules found, as the stage that checked has it.
    """
    return {
        "format": REPORT_FORMAT,
        "seed": prepared.seed,
        "sources": {
            split: [asdict(count) for count in read.counts]
            for split, read in prepared.reads.items()
        },
        "splits": {
            name: _describe_split(records) for name, records in prepared.splits.as_dict().items()
        },
        "dropped_rows": [asdict(problem) for problem in prepared.dropped_rows],
        "num_dropped_rows": sum(read.num_bad_rows for read in prepared.reads.values()),
        "num_unreached_rows": prepared.num_unreached,
        "dropped_leaks": [asdict(leak.to_problem()) for leak in prepared.leaks],
        "shared_prompts": prepared.shared_prompts,
        "masks": {name: mask.to_json() for name, mask in (masks or {}).items()},
        "findings": dict(findings or {}),
    }


def _describe_split(records: Sequence[Record]) -> dict[str, Any]:
    """Size and hash of a split; `num_unique` counts contents, so repeated rows count once."""
    return {
        "num_records": len(records),
        "num_unique": len({compute_content_hash(record) for record in records}),
        "kinds": dict(sorted(Counter(record.kind for record in records).items())),
        "sources": dict(sorted(Counter(record.source for record in records).items())),
        "num_with_tools": sum(record.tools is not None for record in records),
        "sha256": compute_split_hash(records),
    }


def write_data(
    folder: Path,
    prepared: PreparedData,
    masks: Mapping[str, MaskReport] | None = None,
    findings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write `report.json` and `<split>.parquet` of each split with rows; return the report.

    Args:
        folder: the run's data folder.
        masks, findings: as for `build_report`.

    Raises:
        ResourceError: the disk is full.
    """
    report = build_report(prepared, masks, findings)
    for name, records in prepared.splits.as_dict().items():
        if records:
            path = folder / f"{name}.parquet"
            write_split(path, records)
            report["splits"][name] |= {"file": path.name, "file_sha256": sha256_file(path)}
    write_json(folder / "report.json", report)
    return report


def write_refusal(folder: Path, problems: Sequence[Problem]) -> None:
    """Write `report.json` of data that was refused: every problem, however many were printed."""
    listed = [asdict(problem) for problem in problems]
    write_json(folder / "report.json", {"format": REPORT_FORMAT, "refused": listed})


def render_problems(problems: Sequence[Problem], *, limit: int = _DEFAULT_LINES) -> str:
    """At most `limit` problems as lines, and how many more there are in which files."""
    lines = [str(problem) for problem in problems[:limit]]
    rest = Counter(problem.file or "(no file)" for problem in problems[limit:])
    if rest:
        files = ", ".join(f"{file} ({count:,})" for file, count in rest.most_common(5))
        more = f" and {len(rest) - 5} more files" if len(rest) > 5 else ""
        lines.append(f"… {rest.total():,} more problems in {files}{more}")
    return "\n".join(lines)
