"""Rows of preference and rated rows: read, refused with their place, rendered, and stored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer
from assay.config import SourceConfig
from assay.data import mask_report, tokenize
from assay.data.curate.stored_rows import decode_record, encode_record
from assay.data.keys import compute_conversation_key
from assay.data.read import read_sources
from assay.data.records import Record, compute_content_hash
from assay.data.render_rows import RowRenderer
from assay.data.stored import read_split, write_split

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def user(text: str = "hi") -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str | None = "hello", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def call(text: str = "{}") -> dict[str, Any]:
    function = {"name": "weather", "arguments": text}
    return answer(None, tool_calls=[{"id": "x", "type": "function", "function": function}])


@pytest.fixture
def learn(tmp_path: Path) -> Any:
    """Reads rows of a file for an objective."""

    def _learn(rows: list[Any], wanted: str = "preference", **settings: Any) -> Any:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = SourceConfig(path="rows.jsonl", **settings)
        return read_sources([source], base_dir=tmp_path, wanted=wanted)  # type: ignore[arg-type]

    return _learn


OLD = [user("a"), answer("b"), user("c")]
KEPT = [user("a"), answer("b", weight=0), user("c")]
FORMS: dict[str, tuple[dict[str, Any], str, list[Any], list[Any]]] = {
    "texts": (
        {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"},
        "completion",
        [user("2 + 2 ="), answer(" 4")],
        [answer(" 5")],
    ),
    "an instruction": (
        {"instruction": "Add 2 and 2.", "chosen": "4", "rejected": "5"},
        "chat",
        [user("Add 2 and 2."), answer("4")],
        [answer("5")],
    ),
    "messages after a prompt": (
        {"prompt": OLD, "chosen": [answer("d")], "rejected": [answer("e")]},
        "chat",
        [*KEPT, answer("d")],
        [answer("e")],
    ),
    "a text prompt and messages": (
        {"prompt": "c", "chosen": answer("d"), "rejected": [answer("e")]},
        "chat",
        [user("c"), answer("d")],
        [answer("e")],
    ),
    "conversations that begin alike": (
        {"chosen": [*OLD, answer("d")], "rejected": [*OLD, answer("e")]},
        "chat",
        [*KEPT, answer("d")],
        [answer("e")],
    ),
    "conversations and their prompt": (
        {"prompt": "c", "chosen": [*OLD, answer("d")], "rejected": [*OLD, answer("e")]},
        "chat",
        [*KEPT, answer("d")],
        [answer("e")],
    ),
    "transcripts": (
        {
            "chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",
            "rejected": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: e",
        },
        "chat",
        [*KEPT, answer("d")],
        [answer("e")],
    ),
    "OpenAI's": (
        {
            "input": {"messages": OLD, "parallel_tool_calls": True},
            "preferred_output": [answer("d")],
            "non_preferred_output": [answer("e")],
        },
        "chat",
        [*KEPT, answer("d")],
        [answer("e")],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_pair_is_recognised_and_read(learn: Any, form: str) -> None:
    row, kind, messages, rejected = FORMS[form]
    result = learn([row])
    assert result.problems == [] and result.refusals == []
    (record,) = result.records
    assert (record.kind, record.messages, record.rejected) == (kind, messages, rejected)
    assert record.rejected_messages == [*messages[: record.answers_from], *rejected]
    assert record.objective == "preference"


def test_answers_may_call_tools_and_go_on(learn: Any) -> None:
    result = {"role": "tool", "tool_call_id": "x", "content": "warm"}
    row = {
        "input": {"messages": [user()], "tools": [WEATHER]},
        "preferred_output": [call(), result, answer("It is warm.")],
        "non_preferred_output": [answer("No idea.")],
    }
    (record,) = learn([row]).records
    assert record.tools == [WEATHER]
    assert [m["role"] for m in record.messages] == ["user", "assistant", "tool", "assistant"]
    assert record.answers_from == 1
    assert record.rejected == [answer("No idea.")]


def test_conversations_that_are_equal_are_a_pair_of_equal_answers(learn: Any) -> None:
    """So that a rule can tell of it."""
    (record,) = learn([{"chosen": [user(), answer()], "rejected": [user(), answer()]}]).records
    assert record.rejected == [answer()]
    assert record.messages == [user(), answer()]


@pytest.mark.parametrize(
    ("row", "key", "got"),
    [
        (
            {"chosen": [user(), answer()], "rejected": [user(), answer("")]},
            "prompt+rejected[1].content",
            "an empty answer",
        ),
        ({"chosen": "a", "rejected": "b"}, "prompt", "two texts without a prompt"),
        ({"prompt": "p", "chosen": "", "rejected": "b"}, "chosen", "an empty answer"),
        ({"prompt": "p", "chosen": "a", "rejected": 3}, "rejected", "a number"),
        (
            {"prompt": "p", "system": "s", "chosen": "a", "rejected": "b"},
            "system",
            "a row of texts with system",
        ),
        (
            {"chosen": [user("x"), answer()], "rejected": [user("y"), answer()]},
            "chosen+rejected",
            "two conversations that do not begin with the same prompt",
        ),
        (
            {"prompt": "z", "chosen": [user("x"), answer()], "rejected": [user("x"), answer("b")]},
            "prompt",
            "a prompt that the chosen conversation does not have",
        ),
        (
            {"chosen": [answer()], "rejected": [answer("b")]},
            "prompt",
            "answers without a prompt",
        ),
        (
            {"prompt": "p", "chosen": [answer(), user()], "rejected": [answer("b")]},
            "chosen",
            "an answer of roles assistant, user",
        ),
        (
            {"prompt": "p", "chosen": [answer(weight=1)], "rejected": [answer("b")]},
            "chosen",
            "a weight on an answer",
        ),
        (
            {"prompt": [user()], "tools": [WEATHER], "chosen": [answer()], "rejected": [
                answer(None, tool_calls=[{"id": "x", "type": "function", "function": {
                    "name": "sell", "arguments": "{}"}}])]},
            "prompt+rejected[1].tool_calls",
            "a call to 'sell', which the row's tools do not have",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_pair_is_told_with_its_line(
    learn: Any, row: dict[str, Any], key: str, got: str
) -> None:
    good = {"prompt": "p", "chosen": "a", "rejected": "b"}
    (problem,) = learn([good, row]).problems
    assert (problem.line, problem.key, problem.got) == (2, key, got)
    assert problem.file is not None and problem.file.endswith("rows.jsonl")


@pytest.mark.parametrize(
    ("row", "is_wanted", "messages"),
    [
        ({"prompt": "p", "completion": "a", "label": True}, True, [user("p"), answer("a")]),
        ({"prompt": "p", "completion": "a", "label": 0}, False, [user("p"), answer("a")]),
        ({"prompt": OLD, "completion": answer("d"), "label": "no"}, False, [*KEPT, answer("d")]),
        ({"messages": [*OLD, answer("d")], "label": True}, True, [*KEPT, answer("d")]),
    ],
)
def test_rated_rows(learn: Any, row: dict[str, Any], is_wanted: bool, messages: list[Any]) -> None:
    (record,) = learn([row], "rated").records
    assert (record.is_wanted, record.messages) == (is_wanted, messages)
    assert record.objective == "rated"


def test_a_rating_that_is_none_is_refused(learn: Any) -> None:
    row = {"prompt": "p", "completion": "a", "label": True}
    (problem,) = learn([row, {**row, "label": "good"}], "rated").problems
    assert (problem.line, problem.key, problem.got) == (2, "label", '"good"')


def test_rows_for_another_objective_are_refused_by_name(learn: Any) -> None:
    pair = FORMS["messages after a prompt"][0]
    (sft,) = learn([pair], "answers").refusals
    assert "dpo and other preference objectives" in sft.do
    (dpo,) = learn([{"messages": [user(), answer()]}]).refusals
    assert dpo.got == "chat data"
    assert "preference (chosen, rejected)" in dpo.allowed
    (named,) = learn([pair], format="chat").refusals
    assert named.got == "chat data"


def test_columns_may_be_mapped(learn: Any) -> None:
    row = {"question": "q", "good": "a", "bad": "b", "margin": 3}
    columns = {"instruction": "question", "chosen": "good", "rejected": "bad"}
    (record,) = learn([row], columns=columns).records
    assert (record.messages, record.rejected) == ([user("q"), answer("a")], [answer("b")])
    assert record.extra == {"margin": 3}


def make_pair(**changes: Any) -> Record:
    record = Record("", [*KEPT, answer("d")], None, "chat", None, "a", 1, "a", rejected=[answer()])
    return replace(record, **changes)


def test_the_rejected_answer_and_the_rating_are_part_of_what_a_row_is() -> None:
    pair, other = make_pair(), make_pair(rejected=[answer("else")])
    rated, unwanted = (make_pair(rejected=None, is_wanted=flag) for flag in (True, False))
    hashes = {compute_content_hash(one) for one in (pair, other, rated, unwanted)}
    assert len(hashes) == 4
    assert compute_conversation_key(pair) != compute_conversation_key(other)


def test_pairs_and_ratings_come_back_from_disk_equal(tmp_path: Path) -> None:
    records = [
        make_pair(id="a"),
        make_pair(id="b", rejected=None, is_wanted=False),
        make_pair(id="c", rejected=None),
    ]
    write_split(tmp_path / "rows.parquet", records)
    assert read_split(tmp_path / "rows.parquet") == records
    for record in records:
        line, _ = encode_record(replace(record, id=""))
        assert decode_record(line) == replace(record, id="")


def test_both_answers_follow_the_same_tokens(tokenizer: ChatTokenizer) -> None:
    record = make_pair(id="a")
    tokenized = tokenize([record], tokenizer, max_seq_len=500, on_too_long="refuse")
    (sequence,) = tokenized.sequences
    assert sequence.rejected is not None
    start = sequence.loss_mask.index(1.0)
    assert sequence.rejected.loss_mask.index(1.0) == start
    assert sequence.rejected.input_ids[:start] == sequence.input_ids[:start]
    texts = [
        tokenizer.decode([t for t, m in zip(s.input_ids, s.loss_mask, strict=True) if m])
        for s in (sequence, sequence.rejected)
    ]
    assert [text.removesuffix("<|end|>") for text in texts] == ["d", "hello"]
    assert (sequence.num_turns, sequence.rejected.num_turns) == (1, 1)
    chosen, rejected = sequence.row.answers
    assert sequence.num_tokens == len(chosen.input_ids) + len(rejected.input_ids) - start


def test_the_mask_report_is_of_both_answers(tokenizer: ChatTokenizer) -> None:
    """A pair of 12 and 16 tokens, of which 2 and 6 are trained, each with its stop token."""
    tokenized = tokenize([make_pair(id="a")], tokenizer, max_seq_len=500, on_too_long="refuse")
    report = mask_report(tokenized)
    assert (report.num_rows, report.num_sequences, report.num_tokens) == (1, 2, 28)
    assert (report.num_trained_tokens, report.num_turns, report.num_stopped_turns) == (8, 2, 2)
    assert report.pathologies == []
    assert report.example is not None
    shown = report.example["plain"].splitlines()
    assert [line[line.index("⟦") :] for line in shown] == ["⟦d<|end|>⟧", "⟦hello<|end|>⟧"]


def test_pairs_are_rendered_the_same_from_the_cache_and_in_processes(
    tokenizer: ChatTokenizer,
) -> None:
    records = [make_pair(id=f"{n}", rejected=[answer(f"other {n}")]) for n in range(40)]
    plain = tokenize(records, tokenizer, max_seq_len=500, on_too_long="refuse").sequences
    with_workers = RowRenderer(num_cpus=2, min_worker_chars=1)
    found = tokenize(
        records, tokenizer, max_seq_len=500, on_too_long="refuse", render=with_workers
    ).sequences
    assert found == plain


def test_a_pair_that_is_too_long_keeps_the_same_end_of_its_prompt(
    tokenizer: ChatTokenizer,
) -> None:
    record = make_pair(
        id="a", messages=[user("x" * 50), answer("d")], rejected=[answer("long one")]
    )
    whole = tokenize([record], tokenizer, max_seq_len=500, on_too_long="refuse").sequences[0]
    cut = tokenize([record], tokenizer, max_seq_len=30, on_too_long="keep_end").sequences[0]
    assert cut.rejected is not None and whole.rejected is not None
    num_cut = len(whole.rejected.input_ids) - 30
    assert cut.rejected.input_ids == whole.rejected.input_ids[num_cut:]
    assert cut.input_ids == whole.input_ids[num_cut:]
    gone = tokenize([record], tokenizer, max_seq_len=8, on_too_long="keep_end")
    assert gone.sequences == [] and gone.dropped[0].reason == "too_long"
