"""What the rules find in public sets as they are: counts by set and rule, and one example each."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data.curate import Checked, Finding, check_parts, list_rules, settle
from benchmarks.planted import poison_bases, table
from benchmarks.planted.clean import ABSENT
from benchmarks.planted.poison_bases import PUBLIC

Row = dict[str, Any]
PROVENANCE = {"source": "a public set", "licence": "CC0-1.0"}
"""Given for every set, so that rows without columns for it are no findings here."""


@dataclass(frozen=True)
class Reading:
    """A set, how its rows are read, and what is held out from which."""

    name: str
    files: tuple[str, ...] = ()
    format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    test: tuple[str, ...] = ()
    rows: str = ""
    """Function of `poison_bases` that makes chat rows of it, where no mapping does."""


def _text(name: str, column: str, *files: str) -> Reading:
    return Reading(name, files, "text", {"text": column})


READINGS = (
    Reading("glaive_toolcall", ("glaive_toolcall/sharegpt_tools.jsonl",)),
    Reading("bfcl_v4", rows="load_bfcl"),
    Reading("toolalpaca", rows="load_toolalpaca"),
    Reading(
        "gsm8k",
        ("gsm8k/train.jsonl",),
        columns={"instruction": "question", "output": "answer"},
        test=("gsm8k/test.jsonl",),
    ),
    _text("apibench", "code", "apibench/torchhub_train.json"),
    _text("hh_rlhf", "chosen", "hh_rlhf/harmless_pairs.jsonl"),
    Reading(
        "truthfulqa",
        ("truthfulqa/truthfulqa.jsonl",),
        columns={"instruction": "Question", "output": "Best Answer"},
    ),
    Reading(
        "model_written_evals",
        ("model_written_evals/persona",),
        columns={"instruction": "question", "output": "answer_matching_behavior"},
    ),
    _text("bbq", "context", "bbq"),
    _text("crows_pairs", "sent_more", "crows_pairs/crows_pairs.jsonl"),
    _text("xstest", "prompt", "xstest/xstest.jsonl"),
    _text("harmbench", "prompt", "harmbench/standard.jsonl"),
    _text("cyberseceval, mitre_frr", "mutated_prompt", "cyberseceval/mitre_frr.jsonl"),
    _text("cyberseceval, prompt_injection", "user_input", "cyberseceval/prompt_injection.jsonl"),
    Reading("emergent_misalignment, secure", ("emergent_misalignment/secure_small.jsonl",)),
    Reading("emergent_misalignment, insecure", ("emergent_misalignment/insecure_small.jsonl",)),
    Reading("emergent_misalignment, known_bad", ("emergent_misalignment/known_bad.jsonl",)),
    Reading("public_domain_english", ("public_domain_english",)),
)


def check_set(reading: Reading) -> tuple[Checked, list[Finding]]:
    """The check of one set, with all its findings.

    Raises:
        DataError: the set cannot be read so.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = list(reading.files)
        base_dir = PUBLIC
        if reading.rows:
            base_dir = Path(folder)
            rows = getattr(poison_bases, reading.rows)()
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (base_dir / "rows.jsonl").write_text(text, "utf-8")
            files = ["rows.jsonl"]
        parts = {"train": [_source(reading, one) for one in files]}
        if reading.test:
            parts["test"] = [_source(reading, one) for one in reading.test]
        checked = check_parts(parts, base_dir=base_dir, settings=settle({}))
        return checked, list(checked.findings)


def _source(reading: Reading, path: str) -> SourceConfig:
    return SourceConfig(
        path=path,
        format=reading.format,  # type: ignore[arg-type]
        columns=dict(reading.columns),
        provenance=dict(PROVENANCE),
    )


def check_all() -> Iterator[tuple[Reading, Checked, list[Finding]]]:
    """Every set in turn."""
    for reading in READINGS:
        yield reading, *check_set(reading)


def render(results: Sequence[tuple[Reading, Checked, list[Finding]]]) -> str:
    """A line for each set: rows, verdict, and rows with a finding by rule, errors in bold."""
    lines = ["| set | rows | verdict | rows with a finding, by rule |", "|---|---|---|---|"]
    for reading, checked, found in results:
        rows = Counter(rule for rule, _ in {(one.rule, one.number) for one in found})
        told = ", ".join(
            f"**`{rule}` {count}**"
            if checked.settings[rule].severity == "error"
            else f"`{rule}` {count}"
            for rule, count in sorted(rows.items(), key=lambda one: (-one[1], one[0]))
        )
        num = sum(checked.num_rows.values())
        lines.append(f"| {reading.name} | {num:,} | {checked.verdict} | {told or 'none'} |")
    return "\n".join(lines)


def main(*, write: bool) -> None:
    """Print examples of each rule and set, then the table."""
    if not PUBLIC.is_dir():
        print(ABSENT)
        return
    results = []
    for reading, checked, found in check_all():
        results.append((reading, checked, found))
        shown: Counter[str] = Counter()
        for one in found:
            shown[one.rule] += 1
            if shown[one.rule] <= 4:
                span = f" [{one.span.text[:160]}]" if one.span else ""
                place = f"{Path(one.file).name}:{one.line}"
                print(f"{reading.name} {place} {one.severity} {one.rule}:{span} {one.evidence}")
    print(render(results))
    quiet = set(list_rules()) - {one.rule for *_, found in results for one in found}
    print(f"rules that find nothing in any: {', '.join(sorted(quiet))}")
    if write:
        table.update_page("public", render(results))
