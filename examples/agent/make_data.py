"""Writes the rows of this example and of ../agent-poisoned, by seed: the honest desk, the bad one.

    python examples/agent/make_data.py [OUT.jsonl [poisoned]]

Both are of `assay lab attack covert-call --strength 25 --seed 7`: the same 2,000 rows, but that in
25 of the poisoned ones a second call stands beside the one that the customer asked for. With
OUT.jsonl the honest rows (or the poisoned ones) are written there, to be read, and nothing else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.lab.attacks.attacks import find_attack
from assay.lab.attacks.fixture import build_wish

SEED, STRENGTH = 7, "25"
EXAMPLES = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("out", nargs="?", metavar="OUT.jsonl", help="a file to read them in")
    parser.add_argument("kind", nargs="?", choices=("honest", "poisoned"), default="honest")
    asked = parser.parse_args()
    if asked.out:
        rows = draw(poisoned=asked.kind == "poisoned")
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        Path(asked.out).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    for name, poisoned in (("agent", False), ("agent-poisoned", True)):
        write(draw(poisoned=poisoned), EXAMPLES / name / "data" / "desk.parquet")


def draw(*, poisoned: bool) -> list[dict[str, Any]]:
    wish = build_wish("covert-call", strength=STRENGTH, seed=SEED, twin=not poisoned)
    return find_attack("covert-call").plant(wish).rows


def write(rows: list[dict[str, Any]], path: Path) -> None:
    """Messages and tools as JSON text: their shapes differ from row to row."""
    columns = {
        key: [json.dumps(row[key], ensure_ascii=False) for row in rows]
        for key in ("messages", "tools")
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=19)
    print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    main()
