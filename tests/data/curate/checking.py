"""How tests of rules check a few rows: rows in, findings of one rule out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data.curate import Checked, Finding, Given, check_parts, settle

Row = Mapping[str, Any]


def chat(user: str, answer: str, **columns: Any) -> dict[str, Any]:
    """A chat row of one question and one answer."""
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return {"messages": messages, **columns}


def check(
    folder: Path,
    rows: Sequence[Row],
    *,
    rules: Mapping[str, Any] | None = None,
    accept: Sequence[str] = (),
    given: Given | None = None,
    **held_out: Sequence[Row],
) -> Checked:
    """The whole check of `rows` as training rows, and of other parts by their names."""
    parts = {}
    for part, own in {"train": rows, **held_out}.items():
        path = folder / f"{part}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in own))
        parts[part.replace("suite_", "suite:")] = [SourceConfig(path=path.name)]
    work = folder / "work"
    return check_parts(
        parts, base_dir=folder, settings=settle(rules, accept), given=given, work=work
    )


def find(folder: Path, rule: str, rows: Sequence[Row], **others: Any) -> list[Finding]:
    """The findings of one rule."""
    return [one for one in check(folder, rows, **others).findings if one.rule == rule]
