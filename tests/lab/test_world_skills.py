"""The skill families are checkable, deterministic, and keep held-out things out of training."""

import json
import random
import re
from pathlib import Path

import pytest

from assay.lab.world import (
    corpus,
    forms,
    meaning,
    numbers,
    records,
    sentences,
    stretch,
    values,
    words,
)
from assay.lab.world.base import Family, Pool, Split, Task
from assay.lab.world.follow_ups import draw_follow_ups
from assay.lab.world.layout import with_articles
from assay.lab.world.numbers import SUMS
from assay.lab.world.stretch import STRETCH
from assay.lab.world.values import ALL_POOLS, HELD_OUT_WORDS, OPPOSITES, OpenPool, coined_like
from assay.lab.world.worksheets import SKILL_FAMILIES, document

SPLITS: tuple[Split, ...] = ("train", "instances", "values", "phrasings")


def _stretch_at(name: str, level: int) -> Family:
    return lambda rng, split: STRETCH[name](rng, split, level=level)


EVERY_FAMILY: dict[str, Family] = SKILL_FAMILIES | {
    f"{name}/{level}": _stretch_at(name, level) for name in STRETCH for level in range(1, 6)
}


def _answer(task: Task) -> str:
    return str(task.messages[-1]["content"])


def _question(task: Task) -> str:
    return str(task.messages[0]["content"])


def _tasks(family: Family, split: Split, count: int, seed: int = 0) -> list[Task]:
    rng = random.Random(seed)
    return [family(rng, split) for _ in range(count)]


def _tokens(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]+", text))


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_every_task_is_well_formed_and_its_gold_answer_passes_its_own_check(name: str) -> None:
    for split in SPLITS:
        for task in _tasks(EVERY_FAMILY[name], split, 60):
            assert task.family == name.split("/")[0]
            assert task.group == ("stretch" if "/" in name else "instruction")
            assert [message["role"] for message in task.messages] == ["user", "assistant"]
            answer = _answer(task)
            assert answer == answer.strip() and 1 <= len(answer.split()) <= 25
            assert not re.search(r"\{(q|m|label|text|word|name_|field)\}", _question(task))
            if task.check["kind"] == "json":
                assert json.loads(answer) == task.check["answer"]
            else:
                assert task.check == {"kind": "exact", "answer": answer}


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_the_same_seed_gives_the_same_tasks(name: str) -> None:
    family = EVERY_FAMILY[name]
    assert _tasks(family, "train", 20, seed=7) == _tasks(family, "train", 20, seed=7)


def test_held_out_words_never_occur_in_training_tasks_or_documents() -> None:
    rng = random.Random(1)
    texts = [
        f"{_question(task)} {_answer(task)}"
        for family in EVERY_FAMILY.values()
        for task in _tasks(family, "train", 250)
    ]
    texts += [document(rng) for _ in range(400)]
    met = _tokens(" ".join(texts))
    assert HELD_OUT_WORDS & met == set()


def test_follow_ups_are_answered_from_what_was_said_and_keep_to_training() -> None:
    rng = random.Random(2)
    kinds = set()
    for _ in range(600):
        turns = draw_follow_ups(rng)
        assert len(turns) >= 2
        shown = turns[0][0]
        assert not HELD_OUT_WORDS & _tokens(" ".join(f"{q} {a}" for q, a in turns))
        for question, answer in turns:
            if answer in ("Yes", "No"):
                kinds.add(answer)
                assert answer == "No" or _tokens(question) & _tokens(shown)
            elif answer.isdigit():
                kinds.add("count")
                assert 3 <= int(answer) <= 6
            elif answer[0] in "[{":
                kinds.add("json")
                values = json.loads(answer)
                flat = values if isinstance(values, list) else [*values, *values.values()]
                assert all(value in shown for value in flat)
            else:
                kinds.add("copied")
                said = _tokens(f"{shown} {question}".lower())
                assert _tokens(answer.removeprefix("At ").lower()) - {"and"} <= said
    assert kinds == {"Yes", "No", "count", "json", "copied"}


def test_an_open_pool_is_open_in_training_alone() -> None:
    pools = [pool for pool in OpenPool.every if len(pool.seen) > 5]
    assert corpus.FAMILIES and len(pools) > 30, "of every module of the world"
    for pool in pools:
        rng = random.Random(pool.name)
        drawn = [pool.draw(rng, "train") for _ in range(200)]
        listed = sum(text in pool.seen for text in drawn) / 200
        assert abs(1 - listed - pool.coined_share) < 0.15, pool.name
        assert not {*drawn} & {*pool.unseen}, pool.name
        assert {pool.draw(rng, "values") for _ in range(50)} <= {*(pool.unseen or pool.seen)}
        assert {pool.draw(rng, "instances") for _ in range(50)} <= {*pool.seen}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "Dear <name>, your order <order> is on its way.",
            r"\w+ <name>, your \w+ <order> is on .*",
        ),
        ("an old book", r"an? \w+ \w+"),
        ("USD", r"[A-Z]{2,3}"),
        ("Olivia", r"[A-Z][a-z]+"),
        ("size_limit", r"[a-z]+_[a-z]+"),
    ],
)
def test_a_coined_text_keeps_the_shape_of_the_listed_one(text: str, kept: str) -> None:
    rng = random.Random(1)
    coined = {coined_like(rng, text) for _ in range(40)}
    assert text not in coined and len(coined) > 20
    assert all(re.fullmatch(kept, each) for each in coined)


def test_copying_families_do_meet_held_out_words_when_values_are_measured() -> None:
    for name in ("first_item", "repeat", "replace_word", "greeting", "to_json", "environment_tag"):
        tasks = _tasks(SKILL_FAMILIES[name], "values", 50)
        hits = sum(bool(HELD_OUT_WORDS & _tokens(_question(task))) for task in tasks)
        assert hits >= 40, name


def test_no_word_stands_in_two_pools() -> None:
    met = [word.lower() for pool in ALL_POOLS for word in pool.seen + pool.unseen]
    assert sorted(word for word in set(met) if met.count(word) > 1) == []


def test_held_out_words_stand_nowhere_else_in_the_world() -> None:
    """A word that a story uses must be `common`, or it would be met in training after all."""
    folder = Path(values.__file__).parent
    for path in sorted(folder.glob("*.py")):
        if path.name != "values.py":
            assert HELD_OUT_WORDS & _tokens(path.read_text(encoding="utf-8")) == set(), path.name


def test_no_word_has_two_opposites() -> None:
    met = [word for pair in OPPOSITES for word in pair]
    assert len(met) == len(set(met))


def test_each_family_has_a_held_out_wording_that_training_never_uses() -> None:
    for module in (words, meaning, sentences, numbers, records, forms, stretch):
        pools = [
            value
            for value in vars(module).values()
            if isinstance(value, Pool) and value.kind == "phrasings"
        ]
        families = getattr(module, "FAMILIES", STRETCH)
        assert len(pools) == len(families)
        for pool in pools:
            assert len(pool.unseen) == 2 and len(pool.seen) >= 6
            assert not set(pool.seen) & set(pool.unseen)


def test_answers_agree_with_an_independent_reading_of_the_question() -> None:
    for task in _tasks(SKILL_FAMILIES["larger"], "train", 100):
        found = [int(number) for number in re.findall(r"\d+", _question(task))]
        assert int(_answer(task)) == max(found)
    for task in _tasks(SKILL_FAMILIES["add_small"], "values", 100):
        found = [int(number) for number in re.findall(r"\d+", _question(task))]
        assert tuple(found) in SUMS.unseen and int(_answer(task)) == sum(found) <= 20
    for task in _tasks(_stretch_at("long_sum", 4), "train", 100):
        found = [int(number) for number in re.findall(r"\d+", _question(task))]
        assert int(_answer(task)) == sum(found)
    for task in _tasks(_stretch_at("word_problem", 5), "train", 100):
        question = _question(task)
        count = int(re.search(r" has (\d+) ", question).group(1))  # type: ignore[union-attr]
        for sign, n in re.findall(r"(gets|buys|finds|gives away|sells|loses) (\d+)", question):
            count += int(n) if sign in ("gets", "buys", "finds") else -int(n)
        assert int(_answer(task)) == count >= 0


def test_yes_and_no_are_balanced() -> None:
    for name in ("membership", "is_production"):
        answers = [_answer(task) for task in _tasks(SKILL_FAMILIES[name], "instances", 1000)]
        assert 430 <= answers.count("Yes") <= 570 and set(answers) == {"Yes", "No"}


def test_documents_are_pages_of_varied_length() -> None:
    rng = random.Random(3)
    pages = [document(rng) for _ in range(300)]
    lengths = [len(page.split()) for page in pages]
    assert min(lengths) >= 60 and max(lengths) <= 320
    assert len(set(pages)) == 300
    assert document(random.Random(5)) == document(random.Random(5))


def test_an_article_fits_the_noun_that_a_template_was_given() -> None:
    assert with_articles("A oven, a umbrella, a ukulele and a tent.") == (
        "An oven, an umbrella, a ukulele and a tent."
    )


def test_held_out_wordings_use_no_word_that_training_lacks() -> None:
    tasks = [task for family in EVERY_FAMILY.values() for task in _tasks(family, "train", 300)]
    met = _tokens(" ".join(_question(task) for task in tasks).lower())
    for module in (words, meaning, sentences, numbers, records, forms, stretch):
        for pool in vars(module).values():
            if isinstance(pool, Pool) and pool.kind == "phrasings":
                unseen = " ".join(re.sub(r"\{\w+\}", " ", text) for text in pool.unseen)
                assert _tokens(unseen.lower()) - met == set(), pool.name


def test_letters_of_training_have_each_gap_once_and_are_filled_at_the_gaps() -> None:
    letters = {forms.draw_letter(random.Random(i), "train") for i in range(300)}
    for letter, shown in letters:
        assert letter.count("<name>") == letter.count("<order>") == 1
        before, _, after = letter.partition("<name>")
        assert forms.fill(letter, "Ada", "<order>") == f"{before}Ada{after}"
        assert len(shown) == len(letter)
    shapes = {" ".join(word for word in letter.split() if "<" in word) for letter, _ in letters}
    assert len(letters) > 250
    assert len(shapes) > 20, "gaps stand in either order, with any mark after them"
