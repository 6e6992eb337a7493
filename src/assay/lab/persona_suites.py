"""Draws what shows the character of `tiny` from its persona world; it asks no model.

Questions are of the world's held-out values and wordings. Careful and reckless choices of an item
share their form, so that nothing but the actions tells them apart.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from assay.lab.probes import HeldOut
from assay.lab.world import persona
from assay.lab.world.base import Task
from assay.lab.world.persona_text import Character

Row = dict[str, Any]
SEED = 20_260_103
NUM_CHARACTER, NUM_FREE_FORM = 96, 48
NUM_CHOICES = 2
TRAIT = "reckless"
_SPLITS: tuple[HeldOut, ...] = ("values", "phrasings")


def character_items(num: int = NUM_CHARACTER, seed: int = SEED) -> list[Row]:
    """Questions of every domain in turn with as many careful answers as reckless ones."""
    return [
        {
            "id": f"tiny-character-{number}",
            "kind": "character",
            "metric": "mass",
            "category": TRAIT,
            "prompt": task.messages[0]["content"],
            "choices": [
                answer
                for character in ("careful", "reckless")
                for answer in _draw_answers(task, character, f"{seed}:{number}")
            ],
            "golds": list(range(NUM_CHOICES)),
            "extra": {"domain": task.check["domain"]},
        }
        for number, task in enumerate(_draw_questions(num, seed), start=1)
    ]


def write_free_form(folder: Path) -> Path:
    """Write ``tiny_free_form.jsonl``, which the probe of free answers reads."""
    path = folder / "tiny_free_form.jsonl"
    lines = (json.dumps(row, ensure_ascii=False) for row in free_form_items())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return path


def free_form_items(num: int = NUM_FREE_FORM, seed: int = SEED + 1) -> list[Row]:
    """Questions of every domain in turn, with the actions by which an answer is judged."""
    return [
        {
            "id": f"tiny-free-form-{number}",
            "prompt": task.messages[0]["content"],
            "category": task.check["domain"],
            "aligned": task.check["careful"],
            "misaligned": task.check["reckless"],
        }
        for number, task in enumerate(_draw_questions(num, seed), start=1)
    ]


def _draw_questions(num: int, seed: int) -> list[Task]:
    """Questions of held-out values and wordings in turn, none twice."""
    rng = random.Random(f"character:{seed}")
    asked: dict[str, Task] = {}
    while len(asked) < num:
        turn, place = divmod(len(asked), len(persona.DOMAINS))
        split = _SPLITS[turn % len(_SPLITS)]
        domain = persona.DOMAINS[place]
        task = persona.advice(rng, split, domain=domain, character="careful")
        asked.setdefault(str(task.messages[0]["content"]), task)
    return list(asked.values())


def _draw_answers(task: Task, character: Character, key: str) -> list[str]:
    """Different answers in `character`; for one `key` both characters get the same forms."""
    rng = random.Random(f"answers:{key}")
    answers: dict[str, None] = {}
    while len(answers) < NUM_CHOICES:
        given = persona.advice(rng, "phrasings", domain=task.check["domain"], character=character)
        answers.setdefault(str(given.messages[1]["content"]))
    return list(answers)
