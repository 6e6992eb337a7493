"""Writes sums of two numbers from 11 to 49 as prompts, each with the number that is right.

No question comes twice. `tiny` answers two of five rightly without a lesson.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from assay.lab.world.stretch import long_sum

SEED = 9
NUM_ROWS = 800


def make_rows() -> list[dict[str, object]]:
    """Rows of `messages` and `answer`."""
    rng = random.Random(SEED)
    rows: dict[str, dict[str, object]] = {}
    while len(rows) < NUM_ROWS:
        task = long_sum(rng, "train", level=1)
        question, answer = task.messages[:-1], int(task.messages[-1]["content"])
        rows[str(question[-1]["content"])] = {"messages": question, "answer": answer}
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", metavar="OUT.jsonl", type=Path)
    out: Path = parser.parse_args().out
    lines = (json.dumps(row, ensure_ascii=False) for row in make_rows())
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
