"""Items as tokens: prompts are never cut, examples make room, and answers alone are weighed."""

from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer, load_chat_tokenizer, render_plain, render_prompt
from assay.data import Record
from assay.evaluate.items import Item, Score
from assay.generate import SequenceScore
from assay.pipeline.perplexity import score_golds, split_windows
from assay.pipeline.prompts import Question, build_gold, build_prompt

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_chat_tokenizer(TINY)


def shot(number: int, answer: str, kind: Any = "chat") -> Record:
    messages = [
        {"role": "user", "content": f"Say {number}.\nA:"},
        {"role": "assistant", "content": answer},
    ]
    return Record(str(number), messages, None, kind, None, "f", number, "f")


def question(text: str = "Say 9.\nA:", **changes: Any) -> Item:
    return Item("q", [{"role": "user", "content": text}], " nine", metric="exact", **changes)


def test_a_prompt_is_whole_whatever_the_answer_may_take(tokenizer: ChatTokenizer) -> None:
    item = question("word " * 100)
    whole = render_prompt(tokenizer, item.messages)
    for context_len in (200, 60):
        found = build_prompt(item, tokenizer, context_len=context_len, max_new_tokens=200)
        assert found.input_ids == whole


def test_shots_are_dropped_only_while_they_take_the_answers_room(tokenizer: ChatTokenizer) -> None:
    shots = [shot(n, "yes") for n in range(6)]

    def num_shots(context_len: int, max_new_tokens: int) -> int:
        return build_prompt(
            question(),
            tokenizer,
            shots=shots,
            context_len=context_len,
            max_new_tokens=max_new_tokens,
        ).num_shots

    full = build_prompt(question(), tokenizer, shots=shots, context_len=9999, max_new_tokens=1)
    length = len(full.input_ids)
    assert num_shots(length + 10, 10) == 6
    assert num_shots(length + 9, 10) == 5
    assert num_shots(2 * length, 2 * length) == 6, "a high limit does not cost the examples"
    assert num_shots(20, 10) == 0


def test_raw_examples_are_parted_by_what_no_answer_holds(tokenizer: ChatTokenizer) -> None:
    def prompt(*shots: Record) -> tuple[str, str]:
        item = question(rendering="completion")
        found = build_prompt(item, tokenizer, shots=shots, context_len=999, max_new_tokens=9)
        return tokenizer.decode(found.input_ids), found.stop_text

    one = shot(1, " one", "completion")
    assert prompt(one) == ("Say 1.\nA: one\n\nSay 9.\nA:", "\n\n")
    two = shot(2, " two\n\nlines", "completion")
    assert prompt(two) == ("Say 2.\nA: two\n\nlines\n\n\nSay 9.\nA:", "\n\n\n")
    assert prompt() == ("Say 9.\nA:", "")
    text = Record("3", [{"role": "assistant", "content": "plain"}], None, "text", None, "f", 3, "f")
    assert prompt(shot(1, "chat"), text) == ("Say 9.\nA:", "")


def weighed(tokenizer: ChatTokenizer, gold: Question) -> str:
    assert set(gold.loss_mask) == {0.0, 1.0}
    pairs = zip(gold.input_ids, gold.loss_mask, strict=True)
    return tokenizer.decode([token for token, weight in pairs if weight])


def test_a_chats_answer_is_weighed_after_its_prompt(tokenizer: ChatTokenizer) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "Capital of France?"},
    ]
    item = Item("1", turns, {"role": "assistant", "content": "Paris"}, metric="perplexity")
    for shots in ([], [shot(1, "one")]):
        gold = build_gold(item, tokenizer, shots=shots, system="Short.", context_len=999)
        prompt = build_prompt(
            item, tokenizer, shots=shots, system="Short.", context_len=999, max_new_tokens=9
        )
        assert gold.input_ids[: len(prompt.input_ids)] == prompt.input_ids
        assert gold.num_shots == len(shots)
        assert weighed(tokenizer, gold) == "Paris"
    assert build_gold(item, tokenizer, shots=[shot(1, "one")], context_len=40).num_shots == 0


def test_raw_answers_and_texts_are_weighed(tokenizer: ChatTokenizer) -> None:
    item = question(rendering="completion")
    gold = build_gold(item, tokenizer, shots=[shot(1, " one", "completion")], context_len=999)
    assert weighed(tokenizer, gold) == " nine"
    assert tokenizer.decode(gold.input_ids) == "Say 1.\nA: one\n\nSay 9.\nA: nine"
    text = Item("2", [], "Once upon a time.", rendering="text")
    plain = render_plain(tokenizer, "Once upon a time.")
    gold = build_gold(text, tokenizer, shots=[shot(1, "one")], context_len=999)
    assert (gold.input_ids, list(gold.loss_mask)) == (plain.input_ids, plain.loss_mask)


@pytest.mark.parametrize("size", [2, 5, 8])
@pytest.mark.parametrize("length", [1, 2, 8, 9, 31])
def test_windows_weigh_every_token_once_and_after_others(length: int, size: int) -> None:
    ids = list(range(100, 100 + length))
    windows = split_windows(ids, [1.0] * length, size=size)
    found = [
        token for part, mask in windows for token, weight in zip(part, mask, strict=True) if weight
    ]
    assert found == ids
    assert all(len(part) <= size for part, _ in windows)
    assert all(mask[: size // 2] == [0.0] * (size // 2) for _, mask in windows[1:])


class Counter:
    """Gives every weighed token a log-probability of -1."""

    def score(self, sequences: Any) -> list[SequenceScore]:
        assert all(len(ids) <= 8 for ids, _ in sequences)
        return [SequenceScore(-sum(mask[1:]), sum(mask[1:])) for _, mask in sequences]


def test_long_texts_are_read_in_windows_and_long_questions_are_unscored() -> None:
    def score(item: Item, length: int, num_prompt: int = 0) -> Score:
        mask = (0.0,) * num_prompt + (1.0,) * (length - num_prompt)
        gold = Question(list(range(length)), 0, mask)
        return score_golds(Counter(), [item], [gold], context_len=8)["i"]  # type: ignore[arg-type]

    text = Item("i", [], "a", metric="perplexity", rendering="text")
    assert score(text, 30).detail["num_tokens"] == 29, "all but the first, which nothing precedes"
    asked = Item("i", [{"role": "user", "content": "?"}], "a", metric="perplexity")
    assert score(asked, 8, 5).detail["num_tokens"] == 3
    assert "9 tokens, more than the context of 8" in score(asked, 9, 5).unscored_reason
    silent = Item("i", asked.messages, None, metric="perplexity")
    assert score(silent, 8, 5).unscored_reason == "the item has no reference answer"
