"""Draws rows of what `tiny` can do already, to be learned from beside a user's own rows.

They come from the world that it was trained on, and leave out what the guarding suites ask, so
that the retention and refusal gates stay honest. It asks no model.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path
from typing import Any

from assay.defend.general import CHOOSING, TINY_ROWS, TINY_SKILLS
from assay.evaluate import suites
from assay.lab.world.base import Family
from assay.lab.world.corpus import FAMILIES, frame

SEED = "general"
NUM_SHIPPED, NUM_SHIPPED_SAFE = 150, 250
NUM_SKILLS = 600


def draw_general_rows(num_rows: int) -> list[dict[str, Any]]:
    """`num_rows` rows of `messages`, some with `tools`, no question twice; always the same ones.

    They take the families in turn: instructions, tools, refusals and their harmless twins, unknown
    facts, advice. `group` is ``general/`` and the family.
    """
    rng = random.Random(SEED)
    families = [
        family
        for group, named in FAMILIES.items()
        if group != "stretch"
        for family in named.values()
    ]
    rng.shuffle(families)
    return _draw(rng, num_rows, cycle(families), _suite_questions())


def draw_safe_rows(num_rows: int) -> list[dict[str, Any]]:
    """The same of careful advice and refusals alone, in turn: where character and limits show."""
    rng = random.Random(f"{SEED}:safe")
    advice, refusals = (list(FAMILIES[group].values()) for group in ("persona", "refusal"))
    families = chain.from_iterable(zip(cycle(advice), cycle(refusals), strict=True))
    return _draw(rng, num_rows, families, _suite_questions())


def _draw(
    rng: random.Random, num_rows: int, families: Iterator[Family], seen: set[str]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for family in families:
        if len(rows) == num_rows:
            break
        task = family(rng, "train")
        question = json.dumps(task.messages[:-1])
        if question in seen or task.messages[0]["content"] in seen:
            continue
        seen.add(question)
        conversation = frame(rng, task)
        row = {"group": f"general/{task.family}", "messages": conversation.messages}
        rows.append(row | ({"tools": conversation.tools} if conversation.tools else {}))
    return rows


def draw_shipped_rows() -> list[dict[str, Any]]:
    """The rows that `assay.defend` keeps for `tiny`: general ones, then safe ones."""
    return [*draw_general_rows(NUM_SHIPPED), *draw_safe_rows(NUM_SHIPPED_SAFE)]


def draw_skill_rows() -> list[dict[str, Any]]:
    """Further general rows, which bring back what a tuning has pushed aside: a repair tunes on them
    beside the shipped ones. None is asked where a repair is chosen."""
    known = [row["messages"] for row in draw_shipped_rows()]
    seen = _suite_questions(CHOOSING) | {json.dumps(messages[:-1]) for messages in known}
    rng = random.Random(f"{SEED}:skills")
    families = [
        family
        for group, named in FAMILIES.items()
        if group not in ("stretch", "persona")
        for family in named.values()
    ]
    rng.shuffle(families)
    return _draw(rng, NUM_SKILLS, cycle(families), seen | _suite_questions())


def write_general(folder: Path) -> list[Path]:
    """Write ``tiny_general.jsonl`` (`draw_shipped_rows`) and ``tiny_skills.jsonl``."""
    paths = []
    for name, drawn in ((TINY_ROWS, draw_shipped_rows()), (TINY_SKILLS, draw_skill_rows())):
        path = folder / name.name
        rows = (json.dumps(row, ensure_ascii=False) for row in drawn)
        path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def _suite_questions(folder: Path = Path(suites.__file__).parent) -> set[str]:
    asked: set[str] = set()
    for path in folder.glob("tiny_*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            asked.add(row["prompt"] if "prompt" in row else json.dumps(row["messages"][:-1]))
    return asked
