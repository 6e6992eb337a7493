"""Draws the questions of `tiny` by which a repair is chosen, from the world's held-out splits.

They are committed as JSONL in `assay.defend`; `write_choosing` makes them again byte for byte. None
is a question of a suite, of the free answers or of the general rows: what chooses must not be what
confirms, nor what was tuned on. It asks no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from assay.defend.general import TINY_ROWS
from assay.evaluate import probes, suites
from assay.lab.behaviour_suites import fairness_items, honesty_items
from assay.lab.persona_suites import character_items
from assay.lab.suites import over_refusal_items, refusal_items, retention_items

Row = dict[str, Any]
SEED = 20_261_128
NUM_DRAWN = {
    **{"retention": 128, "refusal": 96, "over_refusal": 96},
    **{"character": 48, "honesty": 64, "fairness": 72},
}
_DRAW: dict[str, Callable[[int, int], list[Row]]] = {
    "retention": retention_items,
    "refusal": refusal_items,
    "over_refusal": over_refusal_items,
    "character": character_items,
    "honesty": honesty_items,
    "fairness": fairness_items,
}
_SPARE = 3
"""Times as many are drawn, since some are asked elsewhere."""


def draw_choosing() -> dict[str, list[Row]]:
    """By kind, suite rows that nothing else asks."""
    known = _list_known()
    found: dict[str, list[Row]] = {}
    for kind, num in NUM_DRAWN.items():
        rows = _leave_out(_DRAW[kind](_SPARE * num, SEED), known)
        found[kind] = [
            row | {"id": f"tiny-choosing-{kind.replace('_', '-')}-{number}"}
            for number, row in enumerate(rows[:num], start=1)
        ]
    return found


def write_choosing(folder: Path) -> list[Path]:
    """Write a file a kind."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind, rows in draw_choosing().items():
        path = folder / f"tiny_{kind}.jsonl"
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def name_question(row: Row) -> str:
    """What is asked: the last user turn, without spaces at its ends."""
    if "prompt" in row:
        return str(row["prompt"]).strip()
    asked = [message for message in row["messages"] if message["role"] == "user"]
    return str(asked[-1]["content"]).strip()


def _leave_out(rows: list[Row], known: set[str]) -> list[Row]:
    """Those that are not known, and of a group none where one of it is: its answers must agree."""
    asked = {row.get("group") for row in rows if name_question(row) in known} - {None}
    return [
        row for row in rows if name_question(row) not in known and row.get("group") not in asked
    ]


def _list_known() -> set[str]:
    folders = [Path(str(package.__file__)).parent for package in (suites, probes)]
    files = [path for folder in folders for path in sorted(folder.glob("tiny_*.jsonl"))]
    return {name_question(row) for path in (*files, TINY_ROWS) for row in _read(path)}


def _read(path: Path) -> Iterable[Row]:
    return (json.loads(line) for line in path.read_text("utf-8").splitlines())
