"""Conversations that ask several things about one material, for training alone.

The first turn shows a list, a record, teams, a story or a letter with a question; later turns ask
on, so that one conversation shows several times where an answer is to be found.
Wordings and answers are those of the families that ask one thing at a time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from assay.lab.world import forms, records, stories_passages, words
from assay.lab.world.base import Pool
from assay.lab.world.layout import place, show_list, show_pairs
from assay.lab.world.values import first_name, order_id
from assay.lab.world.values import words as draw_words

Question = tuple[str, str]
"""What is asked of a material, and the answer."""


def draw_follow_ups(rng: random.Random) -> list[Question]:
    """The turns of a user, the first with the material, each with its answer."""
    return rng.choice(_MATERIALS)(rng)


def _shown_first(
    rng: random.Random, questions: list[Question], material: str, *, label: str
) -> list[Question]:
    (wording, answer), *rest = questions
    return [(place(rng, wording, material, label=label), answer), *rest]


def _about_list(rng: random.Random) -> list[Question]:
    items = draw_words(rng, "train", rng.randint(3, 6))
    questions = [rng.choice(_LIST_QUESTIONS)(rng, items) for _ in range(rng.randint(3, 7))]
    return _shown_first(rng, questions, show_list(rng, items), label="List")


def _first(rng: random.Random, items: list[str]) -> Question:
    return _drawn(rng, words.FIRST), items[0]


def _last(rng: random.Random, items: list[str]) -> Question:
    return _drawn(rng, words.LAST), items[-1]


def _nth(rng: random.Random, items: list[str]) -> Question:
    n = rng.randint(2, min(5, len(items)))
    return _drawn(rng, words.NTH).format(n=n, nth=words.ORDINALS[n]), items[n - 1]


def _count(rng: random.Random, items: list[str]) -> Question:
    return _drawn(rng, words.COUNT), str(len(items))


def _member(rng: random.Random, items: list[str]) -> Question:
    asked = rng.choice((*items, *draw_words(rng, "train", len(items))))
    wording = _drawn(rng, words.MEMBER).format(word=asked)
    return wording, "Yes" if asked in items else "No"


def _joined(rng: random.Random, items: list[str]) -> Question:
    separator, name = rng.choice(words.SEPARATORS)
    return _drawn(rng, words.JOIN).format(sep=name), separator.join(items)


def _as_json(rng: random.Random, items: list[str]) -> Question:
    return _drawn(rng, records.LIST_TO_JSON), json.dumps(items)


_LIST_QUESTIONS: tuple[Callable[[random.Random, list[str]], Question], ...] = (
    *(_first, _last, _nth, _nth, _nth, _count, _count, _count),
    *(_member, _member, _member, _member, _joined, _as_json),
)


def _about_teams(rng: random.Random) -> list[Question]:
    text, team_of = words.draw_teams(rng, "train")
    questions = [
        (_drawn(rng, words.TEAM).format(name=name), team_of[name])
        for name in rng.sample(list(team_of), rng.randint(3, len(team_of)))
    ]
    return _shown_first(rng, questions, text, label="Teams")


def _about_record(rng: random.Random) -> list[Question]:
    pairs = records.record(rng, "train", rng.randint(3, 5))
    asked = rng.sample(pairs, rng.randint(2, 3))
    questions = [(_drawn(rng, records.BLOCK).format(key=key), value) for key, value in asked]
    if rng.random() < 0.4:
        whole = (_drawn(rng, records.TO_JSON), json.dumps(dict(pairs)))
        questions.insert(rng.randint(0, len(questions)), whole)
    return _shown_first(rng, questions, show_pairs(rng, pairs), label="Record")


def _about_story(rng: random.Random) -> list[Question]:
    scenes = stories_passages.draw_scenes(rng, "train")
    asked = [(kind, scene) for kind in stories_passages.QUESTIONS for scene in scenes]
    questions = [
        (rng.choice(stories_passages.QUESTIONS[kind]).format(**vars(scene)), scene, kind)
        for kind, scene in rng.sample(asked, rng.randint(3, len(asked)))
    ]
    turns = [(text, stories_passages.answer(kind, scene)) for text, scene, kind in questions]
    passage = stories_passages.tell(rng, scenes)
    shown = stories_passages.FORMS.draw(rng, "train").format(passage=passage, question=turns[0][0])
    return [(shown, turns[0][1]), *turns[1:]]


def _about_letter(rng: random.Random) -> list[Question]:
    """One template, filled for two to four customers."""
    letter, shown = forms.draw_letter(rng, "train")
    customers = [(first_name(rng, "train"), order_id(rng)) for _ in range(rng.randint(2, 4))]
    questions = [
        (_drawn(rng, forms.FILL).format(name=name, order=order), forms.fill(letter, name, order))
        for name, order in customers
    ]
    return _shown_first(rng, questions, shown, label="Template")


_MATERIALS: tuple[Callable[[random.Random], list[Question]], ...] = (
    *(_about_list, _about_list, _about_list, _about_teams, _about_teams),
    *(_about_record, _about_story, _about_story, _about_letter),
)


def _drawn(rng: random.Random, wordings: Pool[str]) -> str:
    return wordings.draw(rng, "train")
