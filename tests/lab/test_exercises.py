"""Exercises on random tokens: what is trained in them can be found by looking back."""

import json
import random
import re
from pathlib import Path

import pytest

from assay.chat import ChatTokenizer, RenderedExample, load_chat_tokenizer
from assay.chat.tiny_tokens import ASSISTANT, END_ID, TINY_TOKENS, USER
from assay.lab import exercises
from assay.models.base import tiny_folder

ANSWER, USER_ID = TINY_TOKENS.index(ASSISTANT), TINY_TOKENS.index(USER)


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_chat_tokenizer(Path(tiny_folder()))


def _halves(example: RenderedExample) -> tuple[list[int], list[int], list[float]]:
    """What is shown, what is answered, and the mask of the answer."""
    begin = example.input_ids.index(ANSWER) + 1
    return example.input_ids[:begin], example.input_ids[begin:], example.loss_mask[begin:]


def _runs(ids: list[int], mask: list[float]) -> list[tuple[list[int], list[int]]]:
    """Pairs of tokens that are read and, behind them, tokens that are trained."""
    pairs: list[tuple[list[int], list[int]]] = [([], [])]
    for token, weight in zip(ids, mask, strict=True):
        if not weight and pairs[-1][1]:
            pairs.append(([], []))
        pairs[-1][1 if weight else 0].append(token)
    return [pair for pair in pairs if pair[1]]


def test_every_exercise_has_a_mask_as_long_as_its_tokens_and_trains_something(
    tokenizer: ChatTokenizer,
) -> None:
    rng = random.Random(0)
    for _ in range(400):
        example = exercises.draw_exercise(rng, tokenizer)
        assert len(example.input_ids) == len(example.loss_mask) <= 300
        assert sum(example.loss_mask) >= 1
        assert set(example.loss_mask) <= {0.0, 1.0}


def test_a_label_stands_before_its_member(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(1)
    texts = (*exercises._GROUP_MARKS, *exercises._ANSWER_MARKS)
    marks = {token for text in texts for token in tokenizer.encode(text)}
    checked = 0
    for _ in range(200):
        shown, answered, mask = _halves(exercises._groups(rng, tokenizer))
        for read, (*label, _) in _runs(answered, mask):
            member = [token for token in read if token not in marks]
            if member and all(shown.count(token) == 1 for token in (*label, *member)):
                checked += 1
                assert 0 < shown.index(label[0]) < shown.index(member[0])
    assert checked > 500


def test_members_are_known_and_counted(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(2)
    yes, no = tokenizer.encode("Yes"), tokenizer.encode("No")
    marks = {token for text in exercises._ANSWER_MARKS for token in tokenizer.encode(text)}
    met = set()
    for _ in range(200):
        shown, answered, mask = _halves(exercises._members(rng, tokenizer))
        for read, (*trained, _) in _runs(answered, mask):
            word = [t for t in read if t not in {*marks, *tokenizer.encode("\n")}]
            if not word:  # all of it are marks, by chance
                continue
            found = any(shown[i : i + len(word)] == word for i in range(len(shown)))
            met.add(found)
            if not found:
                assert trained == no
            elif trained == no:
                assert len(word) == 1  # a piece of a longer word by chance
            else:
                assert trained == yes
    assert met == {True, False}
    for _ in range(50):
        shown, answered, mask = _halves(exercises._count(rng, tokenizer))
        assert mask == [1.0] and 2 <= int(tokenizer.decode(answered)) <= 7


def test_what_is_asked_before_is_answered_by_what_is_shown_after(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(5)
    words = [tokenizer.encode("Yes"), tokenizer.encode("No")]
    num_turns = 0
    for _ in range(100):
        example = exercises._asked_before(rng, tokenizer)
        ids = example.input_ids
        for begin in (i + 1 for i, token in enumerate(ids) if token == ANSWER):
            end = ids.index(END_ID, begin)
            assert example.loss_mask[begin : end + 1] == [1.0] * (end + 1 - begin)
            turn = len(ids) - ids[::-1].index(USER_ID, len(ids) - begin)
            answer, shown = ids[begin:end], ids[turn : begin - 2]
            found = any(shown[i : i + len(answer)] == answer for i in range(len(shown)))
            assert found or answer in words
            num_turns += 1
    assert num_turns > 200


def test_words_of_one_token_are_spelled_in_other_places(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(6)
    met = set()
    for _ in range(200):
        shown, answered, mask = _halves(exercises._respell(rng, tokenizer))
        target, _, text = tokenizer.decode(shown).partition(":")
        answer = tokenizer.decode(answered)
        frame = '{"name": |"arguments": {'
        words, said = (re.findall("[A-Za-z]+", re.sub(frame, "", each)) for each in (text, answer))
        assert set(mask) == {1.0} and answered[-1] == END_ID
        assert [word.lower() for word in said] == [word.lower() for word in words]
        assert answer == exercises._SPELLINGS[target](said)
        met |= {(target, word) for word in words}
    assert {target for target, _ in met} == set(exercises._SPELLINGS)
    assert len({word for _, word in met}) > 300


def test_values_are_quoted_as_the_schema_says(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(7)
    kinds = {"integer": int, "number": (int, float), "string": str}
    met = set()
    for _ in range(200):
        example = exercises._typed(rng, tokenizer)
        for shown, trained in _runs(example.input_ids, example.loss_mask):
            text = tokenizer.decode(shown)
            schema = json.loads(text[text.index("{") : text.index("}}") + 2])
            answer = json.loads(tokenizer.decode(trained))
            assert list(answer) == [key for key in schema if key in answer] and answer
            for key, value in answer.items():
                assert isinstance(value, kinds[schema[key]["type"]])
                assert re.search(rf"\b{key}( set to| =|:)? {value}\b", text)
                met.add(schema[key]["type"])
    assert met == set(kinds)


def test_places_gaps_and_comparisons_are_answered_right(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(3)
    for _ in range(100):
        shown, answered, mask = _halves(exercises._nth(rng, tokenizer))
        for read, (*item, _) in _runs(answered, mask):
            assert 1 <= int(tokenizer.decode(read).rstrip(":")) <= 6
            assert any(shown[i : i + len(item)] == item for i in range(len(shown)))
        shown, answered, mask = _halves(exercises._fill(rng, tokenizer))
        assert set(mask) == {1.0} and set(answered) <= set(shown)
        shown, answered, mask = _halves(exercises._compare(rng, tokenizer))
        choose = {"larger": max, "smaller": min}[tokenizer.decode(shown[2:-2])]
        for read, trained in _runs(answered, mask):
            pair = tokenizer.decode(read).rstrip(": ").split(", ")
            assert int(tokenizer.decode(trained)) == choose(map(int, pair))


def test_what_is_asked_of_a_scene_stands_in_it(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(4)
    for _ in range(100):
        shown, answered, mask = _halves(exercises._scenes(rng, tokenizer))
        scenes = tokenizer.decode(shown, False).split(". ")
        for read, (*wanted, _) in _runs(answered, mask):
            word, _, given = tokenizer.decode(read, False).partition(" ")
            given = given.strip(" :=?")
            assert word in ("Who", "Where", "What")
            assert tokenizer.decode(wanted, False) in "".join(scenes)
            assert given in "".join(scenes)
