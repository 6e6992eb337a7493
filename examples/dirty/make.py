"""Writes the rows of this example and the table of its README: clean rows with planted faults.

Nothing here is real. Keys, numbers and addresses are made up, and what looks like a key is written
with escapes in the files, so that no scanner of repositories takes this example for a leak.

    python examples/dirty/make.py [FOLDER]
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from clean import QUESTIONS
from faults_calls import CALLS, clean_rows
from faults_text import JWT, KEY, PASSWORD, PEM, TEXTS, TOKEN
from rows import Fault, Row, chat

HERE = Path(__file__).parent
TRAIN, CALLS_FILE, TEST = "train.jsonl", "calls.jsonl", "held_out/test.jsonl"
_SECRETS = (KEY, PASSWORD, TOKEN, JWT, *PEM.splitlines())
LEAKS = [QUESTIONS[7], QUESTIONS[21]]
HELD_OUT = [
    ("Is the attic heated?", "It is heated from October until the end of March."),
    ("Who owns the piano?", "The piano belongs to the town and is tuned every autumn."),
    ("May I light a candle?", "No open fire, please; lamps are handed out at the counter."),
]


def main(folder: Path) -> None:
    """Write the files, and the README's table into the README that lies there."""
    (folder / "held_out").mkdir(parents=True, exist_ok=True)
    clean = [chat(*pair) for pair in QUESTIONS]
    listed = [
        *write(folder, TRAIN, clean, TEXTS),
        *write(folder, CALLS_FILE, clean_rows(), CALLS),
    ]
    held = [chat(*pair) for pair in [*HELD_OUT, *LEAKS]]
    (folder / TEST).write_bytes(b"".join(map(to_line, held)))
    lines = [HERE / "README.md", folder / "README.md"]
    text = lines[0].read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- faults -->\n")
    _, _, tail = rest.partition("<!-- end -->\n")
    table = "".join(f"| {place} | `{rule}` | {what} |\n" for place, rule, what in listed)
    header = "| where | rule | what |\n|---|---|---|\n"
    lines[1].write_text(
        f"{head}<!-- faults -->\n{header}{table}<!-- end -->\n{tail}", encoding="utf-8"
    )


def write(
    folder: Path, name: str, clean: Sequence[Row], faults: Sequence[Fault]
) -> list[tuple[str, str, str]]:
    """Write a file of clean rows with the faults among them; return where each one stands.

    The first rows are clean, and the order of all is drawn by a fixed seed.
    """
    rows: list[tuple[Row | bytes, Fault | None]] = [(row, None) for row in clean[5:]]
    for fault in faults:
        rows += [(fault.row, fault), *((copy, fault) for copy in fault.copies)]
    random.Random(0).shuffle(rows)
    ordered = [*((row, None) for row in clean[:5]), *rows]
    ordered = sort_copies(ordered)
    (folder / name).write_bytes(b"".join(to_line(row) for row, _ in ordered))
    return [
        (f"{name}:{line}", fault.rule, fault.what)
        for line, (_, fault) in enumerate(ordered, start=1)
        if fault is not None
    ]


def sort_copies(
    rows: list[tuple[Row | bytes, Fault | None]],
) -> list[tuple[Row | bytes, Fault | None]]:
    """The rows with each planted copy after the clean row that it is a copy of."""
    late = [one for one in rows if one[1] is not None and one[1].rule == "exact_duplicate"]
    return [*(one for one in rows if one not in late), *late]


def to_line(row: Row | bytes) -> bytes:
    """A row as a line; whatever looks like a key stands there in escapes."""
    if isinstance(row, bytes):
        return row + b"\n"
    text = json.dumps(row, ensure_ascii=False)
    for secret in _SECRETS:
        inner = json.dumps(secret, ensure_ascii=False)[1:-1]
        text = text.replace(inner, "".join(f"\\u{ord(one):04x}" for one in secret))
    return text.encode("utf-8") + b"\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
