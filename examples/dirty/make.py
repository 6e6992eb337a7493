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

Planted = tuple[Row | bytes, Fault | None]

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
    """Write the files, and the README with its tables."""
    (folder / "held_out").mkdir(parents=True, exist_ok=True)
    clean = [chat(*pair) for pair in QUESTIONS]
    train = mix(clean, TEXTS)
    calls = mix(clean_rows(), CALLS)
    for name, rows in ((TRAIN, train), (CALLS_FILE, calls)):
        (folder / name).write_bytes(b"".join(to_line(row) for row, _ in rows))
    held = [chat(*pair) for pair in [*HELD_OUT, *LEAKS]]
    (folder / TEST).write_bytes(b"".join(map(to_line, held)))
    leaked = [chat(*pair) for pair in LEAKS]
    leaks = [
        f"| {TRAIN}:{line} | `leaked_row` | stands in {TEST}, too |\n"
        for line, (row, _) in enumerate(train, start=1)
        if row in leaked
    ]
    text = (HERE / "README.md").read_text(encoding="utf-8")
    text = put_table(text, "faults", [*list_faults(TRAIN, train), *list_faults(CALLS_FILE, calls)])
    (folder / "README.md").write_text(put_table(text, "leaks", leaks), encoding="utf-8")


def put_table(text: str, name: str, lines: Sequence[str]) -> str:
    """The text with a table between its marks of this name."""
    head, _, rest = text.partition(f"<!-- {name} -->\n")
    _, _, tail = rest.partition(f"<!-- end of {name} -->\n")
    table = "| where | rule | what |\n|---|---|---|\n" + "".join(lines)
    return f"{head}<!-- {name} -->\n{table}<!-- end of {name} -->\n{tail}"


def list_faults(name: str, rows: Sequence[Planted]) -> list[str]:
    """A line of the table for each planted row."""
    return [
        f"| {name}:{line} | `{fault.rule}` | {fault.what} |\n"
        for line, (_, fault) in enumerate(rows, start=1)
        if fault is not None
    ]


def mix(clean: Sequence[Row], faults: Sequence[Fault]) -> list[Planted]:
    """Clean rows with the faults among them, in an order drawn by a fixed seed.

    The first rows are clean; copies of clean rows come last, after what they are copies of.
    """
    rows: list[Planted] = [(row, None) for row in clean[5:]]
    for fault in faults:
        rows += [(fault.row, fault), *((copy, fault) for copy in fault.copies)]
    random.Random(0).shuffle(rows)
    late = [one for one in rows if one[1] is not None and one[1].rule.endswith("_duplicate")]
    early = [one for one in rows if one not in late]
    return [*((row, None) for row in clean[:5]), *early, *late]


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
