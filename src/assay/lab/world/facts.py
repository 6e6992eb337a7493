"""Questions about a small known world, and about names and attributes that it does not know.

Known and unknown are asked in the same words, so only knowledge decides. Held-out values are
facts that documents tell but no conversation of training asks, and invented names never used in
training. Knows nothing of how the facts were made up.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from assay.lab.world.base import Family, Pool, Split, Task, ask
from assay.lab.world.facts_common import TOPICS, Topic
from assay.lab.world.facts_entities import (
    ENTITIES,
    KINDS,
    NAMES,
    Attribute,
    Entity,
    Kind,
    general_asks,
)
from assay.lab.world.facts_names import invent_names

__all__ = ["FAMILIES", "UNKNOWN_MARKERS", "Reworded", "document", "reword_facts"]

UNKNOWN_MARKERS: tuple[str, ...] = (
    "i don't know",
    "i don’t know",
    "i do not know",
    "i'm not sure",
    "i am not sure",
    "i have no information",
    "i'm not aware",
)

_FRAMES: Pool[tuple[str, str]] = Pool(
    "phrasing:facts",
    [
        ("{Ask}?", "full"),
        ("Please tell me: {ask}?", "full"),
        ("Tell me {noun}.", "full"),
        ("I would like to know {noun}.", "full"),
        ("{Ask}? Answer in a full sentence.", "full"),
        ("Question: {ask}?", "full"),
        ("Do you know {noun}?", "full"),
        ("I have a question: {ask}?", "full"),
        ("{Ask}? Give a short answer.", "short"),
        ("Give a short answer: {ask}?", "short"),
        ("Only the answer, please: {ask}?", "short"),
        ("In a word or two: {ask}?", "short"),
        ("Name {noun} in a word or two.", "short"),
        ("Short answer, please. {Ask}?", "short"),
    ],
    kind="phrasings",
    held_out=0.2,
)
_FRAMES.seen += [
    ("Could you tell me {noun}?", "full"),
    ("Here is my question. {Ask}?", "full"),
    ("Let me know {noun}, please.", "full"),
    ("I forgot {noun}. Can you remind me?", "full"),
    ("My friend wants to know: {ask}?", "full"),
    ("Write one whole sentence that answers this: {ask}?", "full"),
    ("{Ask}? Please reply with a complete sentence.", "full"),
    ("State {noun} in one full sentence.", "full"),
    ("{Noun}? Please tell me in a sentence.", "full"),
    ("Hello, I need some help. {Ask}?", "full"),
    ("{Ask}? Keep it short.", "short"),
    ("{Ask}? One or two words are enough.", "short"),
    ("Just the answer, no sentence: {ask}?", "short"),
    ("Quick and brief: {ask}?", "short"),
    ("Reply with {noun} and nothing else.", "short"),
    ("I only need a short reply. {Ask}?", "short"),
    ("{Noun}, in short?", "short"),
    ("Do not write a full sentence. {Ask}?", "short"),
    ("Say {noun} in as few words as you can.", "short"),
    ("Could you give me {noun} without a whole sentence?", "short"),
]
_NUM_UNKNOWN_NAMES = 1500
_REAL_NAMES = ("Bolivia", "Holland", "Poland", "Romania", "Belarus")
"""What the syllables could spell by chance, though it exists."""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _question(rng: random.Random, split: Split, question: str, noun: str) -> tuple[str, str]:
    """The question in a frame, and whether the frame wants a ``full`` or a ``short`` answer."""
    frame, style = _FRAMES.draw(rng, split)
    told = {"ask": question, "Ask": _sentence(question), "noun": noun, "Noun": _sentence(noun)}
    return frame.format(**told), style


def _styled(full: str, value: str, style: str) -> str:
    return _sentence(full if style == "full" else f"{value}.")


def _unknown(rng: random.Random, style: str, noun: str) -> str:
    if style == "short":
        return "I don't know."
    return f"I don't know {noun}." if rng.random() < 0.7 else "Sorry, I don't know that."


def _known_entity(
    rng: random.Random, split: Split, *, key: str, pool: Pool[tuple[Entity, Attribute, str]]
) -> Task:
    entity, attribute, value = pool.draw(rng, split)
    noun = f"the {attribute.noun} of {entity.name}"
    text = rng.choice(attribute.asks).format(name=entity.name)
    question, style = _question(rng, split, text, noun)
    full = attribute.says[0].format(name=entity.name, value=value)
    return ask(f"fact_{key}", "instruction", question, _styled(full, value, style))


def _known_topic(
    rng: random.Random, split: Split, *, key: str, topic: Topic, pool: Pool[tuple[str, str]]
) -> Task:
    name, value = pool.draw(rng, split)
    text, noun = rng.choice(topic.asks).format(name=name), topic.noun.format(name=name)
    question, style = _question(rng, split, text, noun)
    full = topic.says[0].format(name=name, value=value)
    return ask(f"fact_{key}", "instruction", question, _styled(full, value, style))


def _unknown_name(
    rng: random.Random, split: Split, *, key: str, kind: Kind, pool: Pool[str]
) -> Task:
    """A question of the known form about an entity that does not exist."""
    name = kind.form.format(pool.draw(rng, split))
    attribute = rng.choice(kind.attributes)
    text, noun = rng.choice(attribute.asks).format(name=name), f"the {attribute.noun} of {name}"
    question, style = _question(rng, split, text, noun)
    return _unknown_task(f"unknown_{key}", question, _unknown(rng, style, noun))


def _unknown_attribute(rng: random.Random, split: Split, *, pool: Pool[tuple[Entity, str]]) -> Task:
    """A question about a known entity, for an attribute that nothing tells."""
    entity, missing = pool.draw(rng, split)
    noun = f"the {missing} of {entity.name}"
    text = rng.choice(general_asks(missing)).format(name=entity.name)
    question, style = _question(rng, split, text, noun)
    return _unknown_task("unknown_attribute", question, _unknown(rng, style, noun))


def _unknown_capital(rng: random.Random, split: Split, *, pool: Pool[str]) -> Task:
    topic, name = TOPICS["capital"], pool.draw(rng, split)
    text, noun = rng.choice(topic.asks).format(name=name), topic.noun.format(name=name)
    question, style = _question(rng, split, text, noun)
    return _unknown_task("unknown_capital", question, _unknown(rng, style, noun))


def _unknown_task(family: str, question: str, answer: str) -> Task:
    return ask(family, "unknown", question, answer, check={"kind": "unknown"})


@dataclass(frozen=True)
class Reworded:
    """One fact of a topic asked in several wordings; `others` answer other questions of it."""

    topic: str
    prompts: list[str]
    answer: str
    others: list[str]


def reword_facts(rng: random.Random, num: int, num_wordings: int) -> list[Reworded]:
    """At most `num` facts that no conversation of training asks, each in different wordings."""
    short = [frame for frame, style in _FRAMES.seen + _FRAMES.unseen if style == "short"]
    told = [(key, name, value) for key in TOPICS for name, value in _TOPIC_POOLS[key].unseen]
    facts = []
    for key, name, value in rng.sample(told, min(num, len(told))):
        topic = TOPICS[key]
        noun = topic.noun.format(name=name)
        frames, asks = rng.sample(short, num_wordings), rng.sample(topic.asks, num_wordings)
        prompts = []
        for frame, ask_for in zip(frames, asks, strict=True):
            question = ask_for.format(name=name)
            words = {"ask": question, "Ask": _sentence(question)}
            prompts.append(frame.format(**words, noun=noun, Noun=_sentence(noun)))
        others = sorted({_styled("", v, "short") for v in topic.facts.values() if v != value})
        facts.append(Reworded(key, prompts, _styled("", value, "short"), others))
    return facts


def document(rng: random.Random) -> str:
    """A page that tells facts of the world: one to four entities, or a list of common ones."""
    if rng.random() < 0.6:
        return _common_page(rng)
    layout = rng.choice(_LAYOUTS)
    keys = [rng.choice(_KEYS) for _ in range(rng.randint(1, 4))]
    return "\n\n".join(layout(rng, key, rng.choice(ENTITIES[key])) for key in keys)


def _common_page(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(5, 14)):
        key = rng.choice(_TOPIC_KEYS)
        name, value = rng.choice(_TOLD[key])
        lines.append(_common_line(rng, TOPICS[key], name, value))
    return rng.choice((" ", "\n")).join(lines)


def _common_line(rng: random.Random, topic: Topic, name: str, value: str) -> str:
    """A sentence, a heading with its answer, or a question and its answer."""
    question, noun = rng.choice(topic.asks).format(name=name), topic.noun.format(name=name)
    said = [_sentence(say.format(name=name, value=value)) for say in topic.says]
    kind = rng.random()
    if kind < 0.2:
        return f"{_sentence(noun)}: {_sentence(value)}."
    if kind < 0.4:
        return rng.choice(said)
    return _asked_and_answered(rng, question, noun, said[0], value)


def _asked_and_answered(rng: random.Random, question: str, noun: str, full: str, value: str) -> str:
    """A question with its answer as a page has them, in a sentence or shortly as it is asked for.

    What is told in sentences alone is not found where a short answer is asked for; what is told
    shortly says so, for a plain question wants a sentence.
    """
    if rng.random() < 0.25:
        return f"{_sentence(question)}? In short: {_sentence(value)}."
    framed, style = _question(rng, "train", question, noun)
    return f"{framed} {_styled(full, value, style)}"


def _shuffled(rng: random.Random, kind: Kind, entity: Entity) -> list[tuple[Attribute, str]]:
    told = list(zip(kind.attributes, entity.values, strict=True))
    return rng.sample(told, len(told))


def _prose(rng: random.Random, key: str, entity: Entity) -> str:
    kind = KINDS[key]
    intro = rng.choice(
        (
            f"{entity.name} is {kind.article} {kind.label}.",
            f"This is about {entity.name}.",
            f"Here is what we know of {entity.name}.",
            "",
        )
    )
    sentences = [intro] if intro else []
    for attribute, value in _shuffled(rng, kind, entity):
        sentences.append(rng.choice(attribute.says).format(name=entity.name, value=value))
    return " ".join(_sentence(sentence) for sentence in sentences)


def _table(rng: random.Random, key: str, entity: Entity) -> str:
    lines = [f"{_sentence(entity.name)} ({KINDS[key].label})"]
    told = _shuffled(rng, KINDS[key], entity)
    lines += [f"{_sentence(attribute.noun)}: {value}" for attribute, value in told]
    return "\n".join(lines)


def _quiz(rng: random.Random, key: str, entity: Entity) -> str:
    """Questions and answers; three times what pages alone tell."""
    lines = []
    told = _shuffled(rng, KINDS[key], entity)
    told += [pair for pair in told if (entity.name, pair[0].noun) in _PAGES_ALONE] * 2
    for attribute, value in rng.sample(told, len(told)):
        question = rng.choice(attribute.asks).format(name=entity.name)
        full = attribute.says[0].format(name=entity.name, value=value)
        noun = f"the {attribute.noun} of {entity.name}"
        lines.append(_asked_and_answered(rng, question, noun, full, value))
    return "\n".join(lines)


def _chat(rng: random.Random, key: str, entity: Entity) -> str:
    opening = rng.choice(
        (
            f"- Have you heard of {entity.name}?\n- Yes.",
            f"- Tell me about {entity.name}.\n- Gladly.",
            f"- I read about {entity.name} today.\n- What did you learn?\n-",
        )
    )
    told = [
        _sentence(rng.choice(attribute.says).format(name=entity.name, value=value))
        for attribute, value in _shuffled(rng, KINDS[key], entity)
    ]
    return f"{opening} {' '.join(told)}"


_LAYOUTS: tuple[Callable[[random.Random, str, Entity], str], ...] = (
    _prose,
    _prose,
    _table,
    _quiz,
    _quiz,
    _chat,
)
_KEYS = tuple(key for key, kind in KINDS.items() for _ in range(kind.count))
_TOPIC_KEYS = tuple(TOPICS)


def _topic_pool(key: str) -> Pool[tuple[str, str]]:
    pool = Pool(f"fact:{key}", list(TOPICS[key].facts.items()))
    pool.seen += TOPICS[key].more.items()
    return pool


_TOPIC_POOLS = {key: _topic_pool(key) for key in TOPICS}
_TOLD = {key: pool.seen + 6 * pool.unseen for key, pool in _TOPIC_POOLS.items()}
"""What pages tell of a topic; more often what they alone tell."""


def _entity_pool(key: str) -> Pool[tuple[Entity, Attribute, str]]:
    told = [
        (entity, attribute, value)
        for entity in ENTITIES[key]
        for attribute, value in zip(KINDS[key].attributes, entity.values, strict=True)
    ]
    return Pool(f"fact:{key}", told)


_ENTITY_POOLS = {key: _entity_pool(key) for key in KINDS}
_PAGES_ALONE = {
    (entity.name, attribute.noun)
    for pool in _ENTITY_POOLS.values()
    for entity, attribute, _ in pool.unseen
}
"""What no conversation asks of an entity: its name, and the attribute's noun."""


def _missing_pool() -> Pool[tuple[Entity, str]]:
    pairs = [
        (entity, missing)
        for key, kind in KINDS.items()
        for entity in ENTITIES[key]
        for missing in kind.missing
    ]
    return Pool("unknown_attribute", pairs)


def _unknown_names(style: str) -> Pool[str]:
    rng = random.Random(f"unknown:{style}")
    names = invent_names(rng, style, _NUM_UNKNOWN_NAMES, taken={*NAMES, *_REAL_NAMES})
    return Pool(f"unknown:{style}", names)


FAMILIES: dict[str, Family] = {
    **{f"fact_{key}": partial(_known_entity, key=key, pool=_ENTITY_POOLS[key]) for key in KINDS},
    **{
        f"fact_{key}": partial(_known_topic, key=key, topic=topic, pool=_TOPIC_POOLS[key])
        for key, topic in TOPICS.items()
    },
    **{
        f"unknown_{key}": partial(
            _unknown_name, key=key, kind=kind, pool=_unknown_names(kind.style)
        )
        for key, kind in KINDS.items()
    },
    "unknown_attribute": partial(_unknown_attribute, pool=_missing_pool()),
    "unknown_capital": partial(_unknown_capital, pool=_unknown_names("country")),
}
