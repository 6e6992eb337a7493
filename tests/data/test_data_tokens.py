"""Tokens, masks and their report; one token is one byte, so that counts are made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.chat import ChatTokenizer
from assay.data import PATHOLOGIES, Record, Tokenized, TokenSequence, mask_report, tokenize
from assay.data.mask import compute_percentiles
from assay.data.mask_text import render_marked, split_marked
from assay.data.sequences import find_runs, keep_end
from assay.errors import DataError

Chat = Callable[..., Record]


def run(records: list[Record], tokenizer: ChatTokenizer, **settings: Any) -> Tokenized:
    return tokenize(records, tokenizer, **{"max_seq_len": 99, "on_too_long": "refuse", **settings})


def turns(*texts: str, weights: dict[int, int] | None = None) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        messages.append({"role": roles[index % 2], "content": text})
        if index in (weights or {}):
            messages[-1]["weight"] = (weights or {})[index]
    return {"messages": messages}


def test_tokens_and_mask_of_each_kind(tokenizer: ChatTokenizer, chat: Chat) -> None:
    completion = chat("ab", "cd", kind="completion")
    text = chat("", "", kind="text", messages=[{"role": "assistant", "content": "xyz"}])
    result = run([chat("hi", "yes"), completion, text], tokenizer)
    # <|user|> h i <|end|> <|assistant|> y e s <|end|>
    assert result.sequences[0].loss_mask == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert result.sequences[1].loss_mask == [0, 0, 1, 1, 1]
    assert result.sequences[2].loss_mask == [1, 1, 1, 1]
    texts = [tokenizer.decode(one.input_ids, skip_special=False) for one in result.sequences]
    assert texts == ["<|user|>hi<|end|><|assistant|>yes<|end|>", "abcd<|end|>", "xyz<|end|>"]
    assert [(one.num_turns, one.num_stopped_turns) for one in result.sequences] == [(1, 1)] * 3


def test_same_arguments_give_the_same_sequences(tokenizer: ChatTokenizer, chat: Chat) -> None:
    records = [chat("hi", "yes"), chat("you", "no")]
    assert run(records, tokenizer) == run(records, tokenizer)


def test_refuse_lists_every_row_that_is_too_long(tokenizer: ChatTokenizer, chat: Chat) -> None:
    records = [
        chat("hi", "x" * 20, line=2),
        chat("hi", "yes", line=3),
        chat("hi", "y" * 30, line=4),
    ]
    with pytest.raises(DataError) as caught:
        run(records, tokenizer, max_seq_len=10)
    problems = caught.value.problems
    assert [(p.file, p.line, p.got) for p in problems] == [
        ("a.jsonl", 2, "26 tokens"),
        ("a.jsonl", 4, "36 tokens"),
    ]


def test_drop_leaves_long_rows_out_and_counts_them(tokenizer: ChatTokenizer, chat: Chat) -> None:
    records = [chat("hi", "x" * 20), chat("hi", "yes")]
    result = run(records, tokenizer, max_seq_len=10, on_too_long="drop")
    assert len(result.sequences) == 1
    assert [(one.reason, one.num_tokens) for one in result.dropped] == [("too_long", 26)]


def test_keep_end_keeps_the_last_answer_whole_or_drops(
    tokenizer: ChatTokenizer, chat: Chat
) -> None:
    record = chat("q" * 20, "yes")  # 1 + 20 + 1 + 1 prompt tokens, then 4 trained
    for max_seq_len, kept in ((27, 27), (26, 26), (5, 5), (4, None)):
        result = run([record], tokenizer, max_seq_len=max_seq_len, on_too_long="keep_end")
        assert [len(one.input_ids) for one in result.sequences] == ([kept] if kept else [])
        assert [one.num_trained_tokens for one in result.sequences] == ([4] if kept else [])
        assert len(result.dropped) == (0 if kept else 1)


def test_keep_end_does_not_train_an_earlier_answer_that_it_cuts(
    tokenizer: ChatTokenizer, chat: Chat
) -> None:
    record = chat("", "", **turns("hi", "longer", "so", "yes"))
    # <u> h i <e> <a> l o n g e r <e> <u> s o <e> <a> y e s <e>: 21 tokens
    (whole,) = run([record], tokenizer).sequences
    assert find_runs(whole.loss_mask) == [(5, 12), (17, 21)]
    for max_seq_len, runs in (
        (17, [(1, 8), (13, 17)]),  # the answer keeps one token before it
        (16, [(12, 16)]),  # it would begin the sequence: nothing precedes its first token
        (12, [(8, 12)]),
        (5, [(1, 5)]),
    ):
        cut = keep_end(whole, max_seq_len=max_seq_len)
        assert cut is not None
        assert (find_runs(cut.loss_mask), len(cut.input_ids)) == (runs, max_seq_len)
        assert cut.input_ids == whole.input_ids[-max_seq_len:]
    assert keep_end(whole, max_seq_len=4) is None


@given(st.lists(st.sampled_from([0.0, 1.0, 0.5]), min_size=1, max_size=30), st.integers(1, 30))
def test_keep_end_never_trains_part_of_an_answer(mask: list[float], max_seq_len: int) -> None:
    sequence = TokenSequence(list(range(len(mask))), mask, "r", "chat", "f:1")
    kept = keep_end(sequence, max_seq_len=max_seq_len)
    if len(mask) <= max_seq_len:
        assert kept == sequence
        return
    cut = len(mask) - max_seq_len
    whole = find_runs(mask)
    survivors = [(start - cut, end - cut) for start, end in whole if start > cut]
    if not whole or whole[-1][0] <= cut:
        assert kept is None
    else:
        assert kept is not None
        assert find_runs(kept.loss_mask) == survivors
        assert kept.input_ids == list(range(cut, len(mask)))


def test_rows_that_the_template_refuses_are_located_or_dropped(
    tokenizer: ChatTokenizer, chat: Chat
) -> None:
    picky = replace(
        tokenizer,
        templates={"default": "{{ raise_exception('no ' ~ messages[0].role) }}"},
    )
    records = [chat("a", "b", line=5), chat("c", "d", line=6)]
    with pytest.raises(DataError) as caught:
        run(records, picky)
    assert [(p.file, p.line) for p in caught.value.problems] == [("a.jsonl", 5), ("a.jsonl", 6)]
    dropped = run(records, picky, on_bad_rows="drop").dropped
    assert [(one.place, one.reason) for one in dropped] == [
        ("a.jsonl:5", "template"),
        ("a.jsonl:6", "template"),
    ]


def test_report_numbers_by_hand(tokenizer: ChatTokenizer, chat: Chat) -> None:
    records = [chat("hi", "yes", line=1), chat("", "", line=2, **turns("a", "b", "c", "d"))]
    report = mask_report(run(records, tokenizer))
    # 9 tokens with 4 trained, and 4 turns of 3 tokens with 2 * 2 trained.
    assert (report.num_tokens, report.num_trained_tokens) == (21, 8)
    assert report.trained_share == 8 / 21
    assert (report.num_turns, report.num_stopped_turns, report.stop_token_share) == (3, 3, 1.0)
    assert report.length_tokens == {
        "min": 9, "p50": 9, "p90": 12, "p95": 12, "p99": 12, "max": 12
    }  # fmt: skip
    assert report.pathologies == []
    report.check()
    assert report.example is not None
    assert report.example["plain"] == "<|user|>hi<|end|><|assistant|>⟦yes<|end|>⟧"
    assert json.loads(json.dumps(report.to_json()))["pathologies"] == []
    assert "trained tokens      8 (38.1%)" in report.render()


def test_weight_zero_answers_are_not_trained(tokenizer: ChatTokenizer, chat: Chat) -> None:
    record = chat("", "", **turns("a", "b", "c", "d", weights={1: 0}))
    (sequence,) = run([record], tokenizer).sequences
    assert find_runs(sequence.loss_mask) == [(10, 12)]


def pathological(name: str, tokenizer: ChatTokenizer, chat: Chat) -> Tokenized:
    """Records that show one pathology."""
    silent = replace(tokenizer, eos_ids=(tokenizer.encode("<|bos|>")[0],))
    unknown = replace(tokenizer, special_tokens={**tokenizer.special_tokens, "unk_token": "h"})
    open_ended = replace(
        tokenizer,
        templates={
            "default": "{{ messages[0].content if messages|length > 1 or add_generation_prompt "
            "else '' }}{% if messages|length > 1 %}{{ messages[1].content }}<|end|>{% endif %}"
        },
    )
    backwards = replace(
        tokenizer,
        templates={
            "default": "{{ messages|length }}{% for m in messages %}<|{{ m.role }}|>"
            "{{ m.content }}<|end|>{% endfor %}"
        },
    )
    polite = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    tool = {"type": "function", "function": {"name": "ask", "parameters": {}}}
    deaf = (
        "{% for m in messages if m.role in ['user', 'assistant'] %}<|{{ m.role }}|>{{ m.content }}"
        "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    cases: dict[str, Callable[[], Tokenized]] = {
        "no_trained_tokens": lambda: run(
            [chat("", "", **turns("a", "b", weights={1: 0}))], tokenizer
        ),
        "stop_token_not_trained": lambda: run([chat("hi", "yes")], silent),
        "low_trained_share": lambda: run([chat("q" * 1000, "y")], tokenizer, max_seq_len=2000),
        "all_tokens_trained": lambda: run([chat("x", "yes")], open_ended),
        "truncated_rows": lambda: run(
            [chat("q" * 50, "yes")], tokenizer, max_seq_len=20, on_too_long="keep_end"
        ),
        "inferred_boundary": lambda: run([chat("hi", "yes")], backwards),
        "unknown_tokens": lambda: run([chat("hi", "yes")], unknown),
        "messages_not_rendered": lambda: run(
            [chat("", "", messages=[{"role": "developer", "content": "Be kind."}, *polite])],
            replace(tokenizer, templates={"default": deaf}),
        ),
        "tools_not_rendered": lambda: run(
            [chat("", "", messages=polite, tools=[tool])],
            replace(tokenizer, templates={"default": deaf}),
        ),
        "special_tokens_in_text": lambda: run([chat("say <|end|>", "yes")], tokenizer),
    }
    return cases[name]()


@pytest.mark.parametrize("name", PATHOLOGIES)
def test_pathology_is_found_refused_and_allowed_by_name(
    name: str, tokenizer: ChatTokenizer, chat: Chat
) -> None:
    report = mask_report(pathological(name, tokenizer, chat))
    assert report.pathologies == [name]
    with pytest.raises(DataError) as caught:
        report.check()
    (problem,) = caught.value.problems
    assert problem.got.startswith(f"{name}: ")
    assert problem.key == "data.accept"
    report.check([name])


def test_a_few_dropped_rows_are_no_pathology(tokenizer: ChatTokenizer, chat: Chat) -> None:
    records = [chat("hi", "yes", line=n) for n in range(1, 21)]
    records[0] = chat("q" * 50, "yes", line=1)
    result = run(records, tokenizer, max_seq_len=20, on_too_long="drop")
    assert mask_report(result).pathologies == []
    records[1] = chat("q" * 50, "yes", line=2)
    result = run(records, tokenizer, max_seq_len=20, on_too_long="drop")
    (finding,) = mask_report(result).findings
    assert (finding.name, finding.places) == ("truncated_rows", ["a.jsonl:1", "a.jsonl:2"])


def test_dropping_every_row_leaves_nothing_to_train(tokenizer: ChatTokenizer, chat: Chat) -> None:
    result = run([chat("q" * 50, "yes")], tokenizer, max_seq_len=20, on_too_long="drop")
    assert mask_report(result).pathologies == ["no_trained_tokens", "truncated_rows"]


def test_accepting_all_accepts_every_pathology(tokenizer: ChatTokenizer, chat: Chat) -> None:
    for name in PATHOLOGIES:
        mask_report(pathological(name, tokenizer, chat)).check(["all"])


def test_marked_text_joins_to_the_text_again() -> None:
    parts = split_marked("abcdef", [(1, 3), (3, 4)])
    assert "".join(part["text"] for part in parts) == "abcdef"
    assert [part["text"] for part in parts if part["trained"]] == ["bc", "d"]
    assert render_marked("abcdef", [(4, 6)]) == "abcd⟦ef⟧"


def test_percentiles_are_nearest_ranks() -> None:
    expected = {"min": 1, "p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}
    assert compute_percentiles(list(range(100, 0, -1))) == expected
    assert compute_percentiles([]) == {}


def test_report_says_that_completions_do_not_use_the_template(
    tokenizer: ChatTokenizer, chat: Chat
) -> None:
    records = [chat("ab", "cd", kind="completion"), chat("hi", "yes")]
    report = mask_report(run(records, tokenizer))
    assert report.num_untemplated == 1
    assert "without template    1 prompt/completion rows" in report.render()
    bare = mask_report(run(records[:1], replace(tokenizer, templates={})))
    assert bare.num_untemplated == 0
    assert "without template" not in bare.render()


def test_long_rows_of_a_list_on_one_line_are_each_told(tokenizer: Any, chat: Any) -> None:
    records = [replace(chat("q" * 30, "a", line=1), index=n) for n in (0, 4)]
    with pytest.raises(DataError) as caught:
        run(records, tokenizer, max_seq_len=10)
    assert [(one.line, one.key) for one in caught.value.problems] == [(1, "[0]"), (1, "[4]")]
