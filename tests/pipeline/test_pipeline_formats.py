"""Layouts compared by loss: what is scored, what is left out, and which is said to be best."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.cli import main
from assay.config import SourceConfig
from assay.data import read_sources
from assay.errors import EXIT_OK, DataError
from assay.generate import SequenceScore
from assay.models.base import find_base
from assay.pipeline.formats import FormatsReport, compare_formats, encode_row
from assay.pipeline.layouts import build_layouts
from assay.pipeline.subject import load_subject

Sequences = Sequence[tuple[Sequence[int], Sequence[float]]]


class FakeEngine:
    """A model for which each scored token costs what `cost` says of the whole text."""

    def __init__(self, tokenizer: ChatTokenizer, cost: Callable[[str], float]) -> None:
        self.tokenizer = tokenizer
        self.cost = cost

    def score(self, sequences: Sequences) -> list[SequenceScore]:
        texts = [self.tokenizer.decode(ids, skip_special=False) for ids, _ in sequences]
        weights = [sum(mask) for _, mask in sequences]
        return [
            SequenceScore(-self.cost(text) * weight, weight)
            for text, weight in zip(texts, weights, strict=True)
        ]


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_chat_tokenizer(find_base("tiny").folder)


def write(folder: Path, rows: Sequence[Any]) -> SourceConfig:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SourceConfig(path=str(path))


def ask(number: int, system: str = "") -> dict[str, Any]:
    messages = [
        {"role": "user", "content": f"How many days have {number} weeks?"},
        {"role": "assistant", "content": f"They have {7 * number} days."},
    ]
    return {"messages": [{"role": "system", "content": system}, *messages] if system else messages}


def compare(
    tokenizer: ChatTokenizer, source: SourceConfig, cost: Callable[[str], float], **options: Any
) -> FormatsReport:
    engine: Any = FakeEngine(tokenizer, cost)
    given = {"base": "tiny", "context_len": 2048, **options}
    return compare_formats(engine, tokenizer, [source], **given)


@pytest.mark.parametrize("system", ["", "Count well."])
def test_the_answer_alone_is_scored_in_every_layout(
    tmp_path: Path, tokenizer: ChatTokenizer, system: str
) -> None:
    (record,) = read_sources([write(tmp_path, [ask(3, system)])], base_dir=Path()).records
    for name, layout in build_layouts(tokenizer, has_system=bool(system)).items():
        ids, mask = encode_row(tokenizer, record, layout)
        scored = [one for one, weight in zip(ids, mask, strict=True) if weight]
        assert tokenizer.decode(scored).strip() == "They have 21 days.", name
        text = tokenizer.decode(ids, skip_special=False)
        assert "How many days have 3 weeks?" in text, name
        assert (system in text) == (name != "chat_without_system") or not system, name


def test_the_cheapest_of_equal_layouts_and_the_best_of_unequal_ones(
    tmp_path: Path, tokenizer: ChatTokenizer
) -> None:
    source = write(tmp_path, [ask(number) for number in range(1, 40)])
    level = compare(tokenizer, source, lambda text: math.log(2))
    assert {one.name for one in level.layouts} == {
        "chat",
        "chat_with_system",
        "alpaca",
        "question_answer",
        "headings",
        "tags",
        "plain",
    }
    own = [one for one in level.layouts if one.name != "question_answer"]
    assert all(one.is_level and one.loss == pytest.approx(math.log(2)) for one in own)
    assert level.cheapest == "plain" == min(level.layouts, key=lambda one: one.tokens).name
    liked = compare(tokenizer, source, lambda text: 1.0 if "### Response" in text else 2.0)
    assert (liked.best, liked.cheapest, liked.n) == ("alpaca", "alpaca", 39)
    chat = next(one for one in liked.layouts if one.name == "chat")
    assert not chat.is_level and chat.difference.difference == pytest.approx(1.0)
    assert liked.layouts[0].example.count("### Response:\nThey have") == 1


def test_rows_are_drawn_by_seed_and_those_left_out_are_counted(
    tmp_path: Path, tokenizer: ChatTokenizer
) -> None:
    long = ask(2)
    long["messages"][0]["content"] += " really" * 3000
    tool = {"type": "function", "function": {"name": "count", "parameters": {}}}
    broken = {"messages": [{"role": "user", "content": "hi"}]}
    rows = [*(ask(number) for number in range(30)), long, {**ask(1), "tools": [tool]}, broken]
    source = write(tmp_path, rows)
    report = compare(tokenizer, source, len, max_rows=64)
    assert (report.n, report.left_out) == (30, {"unusable": 1, "with tools": 1, "too long": 1})
    few = [compare(tokenizer, source, len, max_rows=8, seed=seed) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    with pytest.raises(DataError, match="2 rows of a question"):
        compare(tokenizer, write(tmp_path, [ask(1), ask(2)]), len)


def test_losses_are_those_of_the_model_itself(
    tmp_path: Path, small_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = load_subject(str(small_base))
    tokenizer = subject.base.tokenizer
    source = write(tmp_path, [ask(number) for number in range(1, 9)])
    told = ["data", "formats", source.path, "--base", str(small_base), "--json"]
    assert main(told) == EXIT_OK
    report = json.loads(capsys.readouterr().out)
    losses = {one["name"]: one["loss"] for one in report["layouts"]}
    assert report["n"] == 8 and list(losses.values()) == sorted(losses.values())
    layouts = build_layouts(tokenizer, has_system=False)
    for name in ("chat", "tags"):
        expected = [
            compute_loss(subject.model, tokenizer, *encode_row(tokenizer, record, layouts[name]))
            for record in read_sources([source], base_dir=Path()).records
        ]
        assert losses[name] == pytest.approx(sum(expected) / 8, rel=1e-5)
    assert main(told[:-1]) == EXIT_OK
    assert "fewest tokens" in capsys.readouterr().out


def compute_loss(model: Any, tokenizer: ChatTokenizer, ids: list[int], mask: list[float]) -> float:
    """Mean loss of an answer, from the logits of the whole sequence."""
    with torch.inference_mode():
        logprobs = model.eval()(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    scored = [at for at, weight in enumerate(mask) if weight]
    total = -sum(float(logprobs[at - 1, ids[at]]) for at in scored)
    answer = tokenizer.decode([ids[at] for at in scored]).strip()
    return total / len(tokenizer.encode(answer))
