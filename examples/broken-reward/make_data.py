"""Writes the rows of this example: 48 sums, each with its answer in a column of its own.

python make_data.py data/prompts.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path


def make_rows() -> list[dict[str, object]]:
    rng = random.Random(0)
    rows: list[dict[str, object]] = []
    for number in range(48):
        a, b = rng.randint(2, 60), rng.randint(2, 60)
        rows.append({"id": f"sum-{number}", "instruction": f"What is {a} + {b}?", "answer": a + b})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", metavar="OUT.jsonl", type=Path)
    out: Path = parser.parse_args().out
    out.write_text("".join(f"{json.dumps(row)}\n" for row in make_rows()), encoding="utf-8")


if __name__ == "__main__":
    main()
