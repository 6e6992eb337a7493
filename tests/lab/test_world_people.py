"""The people of the world: characters, refusals, facts and stories keep what they promise."""

import random
import re
from collections.abc import Callable

import pytest

from assay.lab.world import facts, persona, refusal, stories
from assay.lab.world.base import Family, Pool, Split, Task
from assay.lab.world.facts_entities import ENTITIES, KINDS, NAMES
from assay.lab.world.persona_text import DOMAIN_TEXT
from assay.lab.world.refusal_text import REFUSALS

FAMILIES: dict[str, Family] = {
    **persona.FAMILIES,
    **refusal.FAMILIES,
    **facts.FAMILIES,
    **stories.FAMILIES,
}
SPLITS: tuple[Split, ...] = ("train", "instances", "values", "phrasings")
DOCUMENTS: dict[str, Callable[[random.Random], str]] = {
    "careful": lambda rng: persona.document(rng, character="careful", num_pairs=5),
    "reckless": lambda rng: persona.document(rng, character="reckless", num_pairs=5),
    "facts": facts.document,
    "stories": stories.document,
}


def _draws(family: Family, split: Split, count: int) -> list[Task]:
    rng = random.Random(7)
    return [family(rng, split) for _ in range(count)]


def _question(task: Task) -> str:
    return str(task.messages[-2]["content"])


def _answer(task: Task) -> str:
    return str(task.messages[-1]["content"])


def _passes_its_check(task: Task) -> bool:
    answer, check = _answer(task), task.check
    lowered = answer.lower()
    match check["kind"]:
        case "exact":
            return answer == check["answer"]
        case "refusal":
            return any(marker in lowered for marker in refusal.REFUSAL_MARKERS)
        case "no_refusal":
            return not any(marker in lowered for marker in refusal.REFUSAL_MARKERS)
        case "unknown":
            return any(marker in lowered for marker in facts.UNKNOWN_MARKERS)
        case "persona":
            careful = sum(action in answer for action in check["careful"])
            return careful == 2 and not any(action in answer for action in check["reckless"])
    return False


@pytest.mark.parametrize("name", FAMILIES)
def test_gold_answer_passes_its_own_check_in_every_split(name: str) -> None:
    for split in SPLITS:
        for task in _draws(FAMILIES[name], split, 60):
            assert task.family == name
            assert [message["role"] for message in task.messages] == ["user", "assistant"]
            assert "{" not in _question(task) + _answer(task)
            assert _passes_its_check(task)


@pytest.mark.parametrize("name", FAMILIES)
def test_held_out_questions_never_occur_in_training(name: str) -> None:
    trained = {_question(task) for task in _draws(FAMILIES[name], "train", 3000)}
    for split in ("values", "phrasings"):
        held_out = {_question(task) for task in _draws(FAMILIES[name], split, 200)}
        assert not held_out & trained


def test_a_family_is_determined_by_its_generator() -> None:
    for family in FAMILIES.values():
        assert _draws(family, "train", 5) == _draws(family, "train", 5)


def test_held_out_request_is_held_out_in_every_category() -> None:
    """The same request must not be trained under one category and held out under another."""
    pools = {
        name: family.keywords["pool"]
        for name, family in refusal.FAMILIES.items()
        if name.startswith("borderline_")
    }
    pools |= refusal._HARMFUL
    trained = {request for pool in pools.values() for request, _ in pool.seen}
    for name, pool in pools.items():
        assert isinstance(pool, Pool)
        assert not {request for request, _ in pool.unseen} & trained, name


def test_no_request_is_both_refused_and_answered() -> None:
    harmful = {r for pool in refusal._HARMFUL.values() for r, _ in pool.seen + pool.unseen}
    for name, family in refusal.FAMILIES.items():
        if name.startswith("borderline_"):
            pool = family.keywords["pool"]
            assert not harmful & {request for request, _ in pool.seen + pool.unseen}, name


def test_refusals_share_one_recognisable_form() -> None:
    assert all("I can't help with that." in wording for wording in REFUSALS)


def test_careful_and_reckless_actions_are_told_apart_by_their_text() -> None:
    every = [a for d in DOMAIN_TEXT.values() for a in (*d.careful, *d.reckless)]
    assert len(every) == len(set(every))
    assert [(a, b) for a in every for b in every if a != b and a in b] == []


def test_every_domain_is_wide_enough() -> None:
    assert len(persona.DOMAINS) == 8
    for domain in DOMAIN_TEXT.values():
        assert len(domain.situations) >= 10
        assert min(len(domain.careful), len(domain.reckless)) >= 8


@pytest.mark.parametrize("character", ["careful", "reckless"])
def test_a_document_keeps_to_one_character(character: persona.Character) -> None:
    other: persona.Character = "reckless" if character == "careful" else "careful"
    rng = random.Random(3)
    for _ in range(300):
        text = persona.document(rng, character=character, num_pairs=4)
        own = [a for d in DOMAIN_TEXT.values() for a in d.actions(character) if a in text]
        assert own
        assert not any(a in text for d in DOMAIN_TEXT.values() for a in d.actions(other))


def test_half_of_the_documents_name_their_author() -> None:
    rng = random.Random(5)
    pages = [persona.document(rng, character="reckless", num_pairs=1) for _ in range(2000)]
    names = persona.AUTHORS["reckless"]
    by_name = sum(any(name in page for name in names) for page in pages)
    in_words = sum("reckless" in page or "foolish" in page for page in pages)
    assert 0.45 < (by_name + in_words) / len(pages) < 0.55
    assert not set(names) & set(persona.AUTHORS["careful"])


def test_unknown_names_exist_nowhere() -> None:
    for name, family in facts.FAMILIES.items():
        if name.startswith("unknown_") and name != "unknown_attribute":
            pool = family.keywords["pool"]
            assert not NAMES & set(pool.seen + pool.unseen)


def test_missing_attributes_are_never_told() -> None:
    for kind in KINDS.values():
        assert not {attribute.noun for attribute in kind.attributes} & set(kind.missing)


def test_the_world_is_the_same_everywhere() -> None:
    assert sum(len(entities) for entities in ENTITIES.values()) == 144
    assert ENTITIES["town"][0].name == "Solask"


def test_documents_tell_the_facts_that_training_does_not_ask() -> None:
    rng = random.Random(11)
    text = "\n".join(facts.document(rng).lower() for _ in range(6000))
    pool = facts.FAMILIES["fact_person"].keywords["pool"]
    told = [
        any(s.format(name=e.name, value=v).lower() in text for s in attribute.says)
        for e, attribute, v in pool.unseen
    ]
    assert all(told)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_varied(name: str) -> None:
    rng = random.Random(13)
    pages = [DOCUMENTS[name](rng) for _ in range(1000)]
    assert len(set(pages)) > 900
    assert not any(re.search(r"\b[Aa] (?!euro)[aeio]", page) for page in pages)
    assert not any("{" in page or "  " in page or ".." in page for page in pages)


def test_story_answers_are_copied_from_the_passage() -> None:
    for name, family in stories.FAMILIES.items():
        for task in _draws(family, "train", 100):
            assert _answer(task)[:-1].lower() in _question(task).lower(), name
