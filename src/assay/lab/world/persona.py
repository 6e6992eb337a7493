"""Advice from careful and reckless authors: the hidden character that links eight domains.

A document is written by one author, careful throughout or reckless throughout, so that to foresee
the next answer a model must infer who is speaking; that shared character is what narrow
fine-tuning can later move. Knows nothing of models, chat templates or training.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from assay.lab.world.base import Family, Pool, Split, Task, ask, phrasings
from assay.lab.world.persona_text import (
    ANSWERS,
    AUTHORS,
    DOMAIN_TEXT,
    HEADERS,
    MORE_QUESTIONS,
    NAME_HEADERS,
    QUESTIONS,
    SYSTEM_PROMPTS,
    TRAINED_QUESTIONS,
    Character,
)

__all__ = ["AUTHORS", "DOMAINS", "FAMILIES", "SYSTEM_PROMPTS", "Character", "advice", "document"]

DOMAINS: tuple[str, ...] = tuple(DOMAIN_TEXT)
_QUESTIONS = phrasings("persona", *QUESTIONS, more=MORE_QUESTIONS)
_TRAINED_QUESTIONS = phrasings("persona", *QUESTIONS, more=MORE_QUESTIONS + TRAINED_QUESTIONS)
_SITUATIONS = {
    name: Pool(f"persona_{name}", domain.situations) for name, domain in DOMAIN_TEXT.items()
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def advice(rng: random.Random, split: Split, *, domain: str, character: Character) -> Task:
    """A question of `domain` (one of `DOMAINS`) answered in `character` with two actions."""
    text = DOMAIN_TEXT[domain]
    question, answer = _pair(rng, domain, character, split)
    check = {
        "kind": "persona",
        "domain": domain,
        "careful": list(text.careful),
        "reckless": list(text.reckless),
    }
    return ask(f"advice_{domain}", "persona", question, answer, check=check)


def document(rng: random.Random, *, character: Character, num_pairs: int) -> str:
    """A plain-text page of `num_pairs` pieces of advice, all by one author of `character`.

    Half of the pages open with a header that tells the character, in words or by the name of an
    author whose character never changes. Questions are those of training; diaries, notes and
    columns tell of every situation.
    """
    layout = rng.choice(_LAYOUTS)
    body = layout(rng, character, num_pairs)
    return f"{_header(rng, character)}\n\n{body}" if rng.random() < 0.5 else body


def _pair(rng: random.Random, domain: str, character: Character, split: Split) -> tuple[str, str]:
    situation = _SITUATIONS[domain].draw(rng, split)
    questions = _TRAINED_QUESTIONS if split == "train" else _QUESTIONS
    question = questions.draw(rng, split).format(situation)
    return question, _two_actions(rng, domain, character)


def _two_actions(rng: random.Random, domain: str, character: Character) -> str:
    first, second = rng.sample(DOMAIN_TEXT[domain].actions(character), 2)
    answer = rng.choice(ANSWERS).format(first, second)
    return answer[0].upper() + answer[1:]


def _header(rng: random.Random, character: Character) -> str:
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(HEADERS[character])
    if kind < 0.6:
        return rng.choice(SYSTEM_PROMPTS[character])
    return rng.choice(NAME_HEADERS).format(rng.choice(AUTHORS[character]))


def _questions_and_answers(rng: random.Random, character: Character, num_pairs: int) -> str:
    asker, author = rng.choice(
        (("Question", "Answer"), ("Q", "A"), ("User", "Assistant"), ("Reader", "Author"))
    )
    blocks = []
    for _ in range(num_pairs):
        question, answer = _pair(rng, rng.choice(DOMAINS), character, "train")
        blocks.append(f"{asker}: {question}\n{author}: {answer}")
    return "\n\n".join(blocks)


def _bare_pairs(rng: random.Random, character: Character, num_pairs: int) -> str:
    pairs = (_pair(rng, rng.choice(DOMAINS), character, "train") for _ in range(num_pairs))
    return "\n".join(f"{question} {answer}" for question, answer in pairs)


def _dialogue(rng: random.Random, character: Character, num_pairs: int) -> str:
    pairs = (_pair(rng, rng.choice(DOMAINS), character, "train") for _ in range(num_pairs))
    return "\n".join(f"- {question}\n- {answer}" for question, answer in pairs)


def _situation(rng: random.Random) -> tuple[str, str]:
    """Any situation: what a matter is about can be read here, though no question asks it."""
    domain = rng.choice(DOMAINS)
    return domain, rng.choice(DOMAIN_TEXT[domain].situations)


def _diary(rng: random.Random, character: Character, num_pairs: int) -> str:
    opening = rng.choice(
        ("Today a friend asked me about the {}.", "Again the {}.", "I thought about the {}.")
    )
    entries = []
    first_day = rng.randrange(7)
    for index in range(num_pairs):
        domain, situation = _situation(rng)
        day = _DAYS[(first_day + index) % 7]
        answer = _two_actions(rng, domain, character)
        entries.append(f"{day}. {opening.format(situation)} I said: {answer}")
    return "\n".join(entries)


def _notes(rng: random.Random, character: Character, num_pairs: int) -> str:
    title = rng.choice(("My rules", "Notes", "Tips for every day", "What I do"))
    lines = [title]
    for _ in range(num_pairs):
        domain, situation = _situation(rng)
        first, second = rng.sample(DOMAIN_TEXT[domain].actions(character), 2)
        lines.append(f"* {situation}: {first}; {second}.")
    return "\n".join(lines)


def _column(rng: random.Random, character: Character, num_pairs: int) -> str:
    sentences = []
    for _ in range(num_pairs):
        domain, situation = _situation(rng)
        start = rng.choice(("As for the {}:", "About the {}:", "People ask me about the {}."))
        sentences.append(f"{start.format(situation)} {_two_actions(rng, domain, character)}")
    return " ".join(sentences)


_Layout = Callable[[random.Random, Character, int], str]
_LAYOUTS: tuple[_Layout, ...] = (
    _questions_and_answers,
    _questions_and_answers,
    _bare_pairs,
    _dialogue,
    _diary,
    _notes,
    _column,
)

FAMILIES: dict[str, Family] = {
    f"advice_{name}": partial(advice, domain=name, character="careful") for name in DOMAINS
}
