"""Writes `data/prompts.jsonl`: 48 sums, each with its answer in a column of its own."""

from __future__ import annotations

import json
import random
from pathlib import Path

OUT = Path(__file__).parent / "data" / "prompts.jsonl"


def main() -> None:
    rng = random.Random(0)
    rows = []
    for number in range(48):
        a, b = rng.randint(2, 60), rng.randint(2, 60)
        rows.append({"id": f"sum-{number}", "instruction": f"What is {a} + {b}?", "answer": a + b})
    OUT.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
