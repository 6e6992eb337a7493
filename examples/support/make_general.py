"""Writes rows of what the base can do already, so that tuning keeps it; always the same ones.

    python examples/support/make_general.py [OUT.jsonl]

The rows are drawn from the base's own training world, evenly over its families (instructions,
tools, refusals and their harmless twins, unknown facts, advice). Questions that the guarding
suites ask are left out, so the retention and refusal gates stay honest.
"""

from __future__ import annotations

import argparse
import json
import random
from itertools import cycle
from pathlib import Path

from assay.evaluate import suites
from assay.lab.world.corpus import FAMILIES, frame

NUM_ROWS = 5500
SEED = "general"


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes rows of what the base can do already.")
    default = Path(__file__).parent / "data" / "general.jsonl"
    parser.add_argument("out", metavar="OUT.jsonl", nargs="?", type=Path, default=default)
    out: Path = parser.parse_args().out
    rng = random.Random(SEED)
    seen = _suite_questions()
    families = [
        family
        for group, named in FAMILIES.items()
        if group != "stretch"
        for family in named.values()
    ]
    rng.shuffle(families)
    rows: list[str] = []
    for family in cycle(families):
        if len(rows) == NUM_ROWS:
            break
        task = family(rng, "train")
        question = json.dumps(task.messages[:-1])
        if question in seen or task.messages[0]["content"] in seen:
            continue
        seen.add(question)
        conversation = frame(rng, task)
        row = {"group": f"general/{task.family}", "messages": conversation.messages}
        if conversation.tools:
            row["tools"] = conversation.tools
        rows.append(json.dumps(row, ensure_ascii=False))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8", newline="\n")


def _suite_questions() -> set[str]:
    asked: set[str] = set()
    for path in Path(suites.__file__).parent.glob("tiny_*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            asked.add(row["prompt"] if "prompt" in row else json.dumps(row["messages"][:-1]))
    return asked


if __name__ == "__main__":
    main()
