"""Passages of a few sentences, each with a question that is answered by copying from it.

Knows nothing of plots; people, things and places are drawn so that only one answer is right.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

from assay.lab.world.base import Family, Split, Task, ask, phrasings
from assay.lab.world.stories_text import NAMES, PLACES, THINGS, TIMES
from assay.lab.world.values import OpenPool

__all__ = ["FAMILIES"]

_NAME_POOL = OpenPool("story_names", NAMES)
_PLACE_POOL = OpenPool("story_places", PLACES)
_THING_POOL = OpenPool("story_things", THINGS)

FORMS = phrasings(
    "story_form",
    "{passage}\n\n{question}",
    "Read this: {passage}\n{question}",
    "Text: {passage}\nQuestion: {question}",
    "{question}\n\n{passage}",
    "Here is a short story. {passage} {question}",
    "Answer from the text. {passage}\n\n{question}",
    "Question: {question}\nText: {passage}",
    "Read the story and answer: {question}\n\n{passage}",
    more=(
        "Listen to this story. {passage} Now you know it. {question}",
        "The story:\n{passage}\nMy question about it:\n{question}",
        "Story: {passage}\n\nI would like an answer to this: {question}",
        "{passage}\nNow the question: {question}",
        "Please read this text.\n\n{passage}\n\n{question}",
        "Please answer my question. {question}\n{passage}",
        "I have a question about this story. {question}\n\n{passage}",
        "My story goes like this: {passage}\nNow it is your turn: {question}",
        "{question} The story says: {passage}",
        "{question}\nHere is the text: {passage}",
        "{passage}\n\nThat was the story. {question}",
        "First the question: {question}\nAnd now the text: {passage}",
        'Somebody wrote: "{passage}"\n{question}',
        'A friend asks: {question}\nThe friend has this story: "{passage}"',
        "{passage}\nPlease help me with this: {question}",
        "Use only this text for your answer: {passage}\n\n{question}",
        "Could you read this and help me? {passage} {question}",
        "Look in the story for the answer. {question}\n{passage}",
    ),
)
_ACTIONS: tuple[tuple[str, str], ...] = (
    ("brought", "bring"),
    ("found", "find"),
    ("bought", "buy"),
    ("lost", "lose"),
    ("left", "leave"),
    ("carried", "carry"),
    ("showed", "show"),
    ("hid", "hide"),
)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class Scene:
    """Who did what with which thing, and where."""

    name: str
    past: str
    verb: str
    thing: str
    place: str


def draw_scenes(rng: random.Random, split: Split) -> list[Scene]:
    """Two or three scenes without a common name, thing, place or verb, so one answer is right."""
    count = rng.randint(2, 3)
    names = _NAME_POOL.sample(rng, split, count)
    things = _THING_POOL.sample(rng, split, count)
    places = _PLACE_POOL.sample(rng, split, count)
    actions = rng.sample(_ACTIONS, count)
    return [
        Scene(name, past, verb, thing, place)
        for name, (past, verb), thing, place in zip(names, actions, things, places, strict=True)
    ]


def tell(rng: random.Random, scenes: list[Scene]) -> str:
    """The passage: each scene a sentence, with a filler among them."""
    forms = ("{0} {1} {2} at {3}.", "At {3} {0} {1} {2}.", "{4} {0} {1} {2} at {3}.")
    sentences = [
        rng.choice(forms).format(
            scene.name, scene.past, scene.thing, scene.place, _capital(rng.choice(TIMES))
        )
        for scene in scenes
    ]
    fillers = (
        "It was a fine day.",
        "The sun was warm.",
        "Nobody was in a hurry.",
        "It rained a bit.",
    )
    sentences.insert(rng.randrange(len(sentences) + 1), rng.choice(fillers))
    if rng.random() < 0.5:
        sentences.append(
            rng.choice(("Then they went home.", "It was a good day.", "They were glad."))
        )
    return " ".join(sentences)


QUESTIONS: dict[str, tuple[str, ...]] = {
    "who": ("Who {past} {thing}?", "Who was at {place}?", "Name the person who {past} {thing}."),
    "where": (
        "Where did {name} {verb} {thing}?",
        "Where was {name}?",
        "Name the place where {name} was.",
    ),
    "what": (
        "What did {name} {verb}?",
        "What did {name} {verb} at {place}?",
        "Name the thing that {name} {past}.",
    ),
}


def answer(kind: str, scene: Scene) -> str:
    """The answer to a question of `QUESTIONS`."""
    if kind == "who":
        return f"{scene.name}."
    return f"At {scene.place}." if kind == "where" else f"{_capital(scene.thing)}."


def _story(rng: random.Random, split: Split, *, kind: str) -> Task:
    scenes = draw_scenes(rng, split)
    scene = rng.choice(scenes)
    question = rng.choice(QUESTIONS[kind]).format(**vars(scene))
    text = FORMS.draw(rng, split).format(passage=tell(rng, scenes), question=question)
    return ask(f"story_{kind}", "instruction", text, answer(kind, scene))


FAMILIES: dict[str, Family] = {
    f"story_{kind}": partial(_story, kind=kind) for kind in ("who", "where", "what")
}
