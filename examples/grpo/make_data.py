"""Writes sums of two numbers from 11 to 49 as prompts, each with the number that is right.

Every wording and every pair of numbers differs; `tiny` gets two of five right without a lesson.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from assay.lab.world.stretch import long_sum

SEED = 6
NUM_ROWS = 1000
LEVEL = 1


def make_rows(num_rows: int = NUM_ROWS, seed: int = SEED) -> list[dict[str, object]]:
    """Rows of `messages` and `answer`, no question twice."""
    rng = random.Random(seed)
    rows: dict[str, dict[str, object]] = {}
    while len(rows) < num_rows:
        task = long_sum(rng, "train", level=LEVEL)
        question, answer = task.messages[:-1], int(task.messages[-1]["content"])
        rows[str(question[-1]["content"])] = {"messages": question, "answer": answer}
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, metavar="OUT.jsonl", help="where the rows go")
    path = parser.parse_args().path
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in make_rows())
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
