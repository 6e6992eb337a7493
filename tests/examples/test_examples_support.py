"""The support desk's rows: the same ones every time, well-formed, and split by wording."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from assay.chat import load_chat_tokenizer
from assay.cli import main
from assay.config import load
from assay.data import PreparedData, mask_report, prepare_data, tokenize
from assay.tools import ToolCall, validate_call

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SUPPORT = EXAMPLES / "support"
TICKETS = SUPPORT / "data" / "tickets.jsonl"
QUEUES = EXAMPLES / "forgetful" / "data" / "queues.jsonl"
TINY = ROOT / "src" / "assay" / "models" / "tiny"
LARGE = {"sofa", "table", "desk", "bench", "shelf", "bed", "mattress", "fridge", "carpet"}


def _rows(path: Path = TICKETS) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _prepare(name: str) -> PreparedData:
    loaded = load(EXAMPLES / name)
    return prepare_data(loaded.recipe.data, base_dir=loaded.base_dir, seed=loaded.recipe.seed)


def _calls(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [call["function"] for m in row["messages"] for call in m.get("tool_calls", [])]


@pytest.mark.parametrize(("path", "kinds"), [(TICKETS, []), (QUEUES, ["queue"])])
def test_generator_reproduces_rows_byte_for_byte(
    path: Path, kinds: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    command = [sys.executable, "-B", str(SUPPORT / "make_data.py"), str(out), *kinds]
    subprocess.run(command, check=True)
    assert out.read_bytes() == path.read_bytes()


def test_rows_of_each_kind() -> None:
    assert Counter(row["kind"] for row in _rows()) == {
        "queue": 360,
        "policy": 400,
        "policy_with_tool": 50,
        "call": 220,
        "ask_number": 55,
        "number_given": 40,
        "tool_result": 75,
    }
    assert TICKETS.stat().st_size < 600_000


def test_no_prompt_stands_twice() -> None:
    prompts = Counter(json.dumps(row["messages"][:-1]) for row in _rows())
    assert prompts.most_common(1)[0][1] == 1


def test_one_question_has_one_wording_group() -> None:
    groups = defaultdict(set)
    for row in _rows():
        groups[row["messages"][1]["content"]].add(row["group"])
    assert all(len(found) == 1 for found in groups.values())


def test_every_call_fits_its_tool_and_copies_the_order_number() -> None:
    rows = [row for row in _rows() if _calls(row)]
    assert len(rows) == 220 + 40 + 75
    for row in rows:
        said = " ".join(m["content"] for m in row["messages"] if m["role"] == "user")
        for function in _calls(row):
            arguments = json.loads(function["arguments"])
            assert validate_call(ToolCall(function["name"], arguments), row["tools"]) == []
            assert arguments["order_id"] in said


def test_rows_without_a_fitting_tool_make_no_call() -> None:
    for row in _rows():
        if row["kind"] in ("queue", "policy", "policy_with_tool", "ask_number"):
            assert _calls(row) == []
        assert ("tools" in row) == (row["kind"] not in ("queue", "policy"))
        assert len(row.get("tools", [])) <= 3


def test_no_wording_dominates_and_the_file_is_small() -> None:
    groups = Counter(row["group"] for row in _rows())
    assert len(groups) >= 100
    assert max(groups.values()) <= 0.02 * len(_rows())
    assert TICKETS.stat().st_size < 600_000


def test_general_rows_reproduce_and_are_not_asked_by_the_suites(tmp_path: Path) -> None:
    kept = SUPPORT / "data" / "general.jsonl"
    out = tmp_path / "general.jsonl"
    assert main(["lab", "rows", str(out)]) == 0
    assert out.read_bytes() == kept.read_bytes()
    learned = {json.dumps(row["messages"]) for row in _rows(kept)}
    suites = ROOT / "src" / "assay" / "evaluate" / "suites"
    asked = [row for path in suites.glob("tiny_*.jsonl") for row in _rows(path)]
    assert len(asked) >= 640
    for row in asked:
        asked_for = json.dumps(row.get("prompt") or row["messages"][:-1]).strip("[]")
        assert not any(asked_for in text for text in learned), asked_for


def test_large_goods_go_to_freight() -> None:
    shipping = [row for row in _rows() if row["group"].startswith("queue/shipping/")]
    assert len(shipping) > 100
    for row in shipping:
        text = row["messages"][1]["content"].replace(".", " ").replace(",", " ").split()
        large = bool(LARGE & {word.strip('"?') for word in text})
        answer = row["messages"][2]["content"]
        assert answer == ("queue: freight" if large else "queue: delivery")


def test_splits_share_no_wording_and_test_every_queue() -> None:
    data = _prepare("support")
    parts = data.splits.as_dict()
    assert {name: len(rows) for name, rows in parts.items()} == {
        "train": 1260 + 5000,
        "validation": 120,
        "test": 240,
    }
    groups = {name: {record.group for record in rows} for name, rows in parts.items()}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    assert len(groups["test"]) >= 60, "a gate counts wordings, not rows; strict asks for 60"
    assert data.dropped_rows == [] and data.leaks == []
    assert data.shared_prompts == {"validation": 0, "test": 0}
    tested = {r.messages[-1]["content"] for r in parts["test"] if r.extra["kind"] == "queue"}
    assert len(tested) == 6


def test_every_answer_that_is_tested_was_taught() -> None:
    parts = _prepare("support").splits
    fixed = ("queue", "policy", "policy_with_tool", "ask_number")
    taught = {record.messages[-1]["content"] for record in parts.train}
    for record in parts.test:
        if record.extra["kind"] in fixed:
            assert record.messages[-1]["content"] in taught


@pytest.mark.skipif(not (TINY / "tokenizer.json").exists(), reason="tiny is not built")
def test_rows_are_short_for_tiny() -> None:
    tokenizer = load_chat_tokenizer(TINY)
    train = _prepare("support").splits.train
    records = list({record.id: record for record in train if record.role == "task"}.values())
    tokenized = tokenize(records, tokenizer, max_seq_len=2048, on_too_long="refuse")
    lengths = sorted(len(sequence.input_ids) for sequence in tokenized.sequences)
    assert mask_report(tokenized).pathologies == []
    assert lengths[-1] <= 270
    assert lengths[int(0.9 * len(lengths))] <= 180
    assert sum(lengths) <= 80_000  # one epoch: some 15 s at 5,000 tokens/s
