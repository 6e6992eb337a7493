"""Which layout of rows suits a base: the loss of the same answers in each, nothing trained.

Every answer is scored in every layout, so layouts are compared in pairs. The loss is that of the
answer's own text, without stop tokens, in nats for each token that the answer has by itself; so
what is compared does not depend on how a layout cuts the answer into tokens.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.chat import ChatTokenizer
from assay.config import SourceConfig
from assay.data import Record, read_sources
from assay.errors import DataError, Problem
from assay.evaluate.stats import Interval, paired_bootstrap
from assay.generate import Engine
from assay.pipeline.layouts import Layout, build_layouts

MIN_ROWS = 8
Sequences = list[tuple[list[int], list[float]]]


@dataclass(frozen=True)
class LayoutScore:
    """One layout over all rows.

    Attributes:
        loss: mean nats for each token of an answer.
        tokens: mean tokens of prompt and answer.
        difference: loss of this layout minus that of the best one, with its interval.
        is_level: no worse than the best one, as far as the interval tells.
        example: the first row as the model reads it, its answer included.
    """

    name: str
    loss: float
    tokens: float
    difference: Interval
    is_level: bool
    example: str


@dataclass(frozen=True)
class FormatsReport:
    """`best` has the lowest loss, `cheapest` the fewest tokens of those that are level with it.

    `left_out` counts the rows that not every layout can hold, by reason.
    """

    base: str
    n: int
    left_out: dict[str, int]
    best: str
    cheapest: str
    layouts: list[LayoutScore]

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        return asdict(self)


def compare_formats(
    engine: Engine,
    tokenizer: ChatTokenizer,
    sources: Sequence[SourceConfig],
    *,
    base: str,
    context_len: int,
    max_rows: int = 64,
    seed: int = 0,
    base_dir: Path | None = None,
) -> FormatsReport:
    """Score each layout on at most `max_rows` rows, drawn by `seed`.

    Raises:
        DataError: a file that cannot be read, or fewer than 8 rows that every layout can hold.
    """
    read = read_sources(list(sources), base_dir=base_dir or Path())
    if read.refusals or not read.records:
        raise DataError([*read.refusals, *read.problems])
    left_out: dict[str, int] = {"unusable": read.num_bad_rows} if read.num_bad_rows else {}
    usable = _choose(read.records, left_out)
    layouts = build_layouts(tokenizer, has_system=_has_system(usable))
    drawn = random.Random(seed).sample(usable, len(usable))
    rows = _encode_rows(drawn, layouts, tokenizer, context_len, max_rows, left_out)
    if len(rows) < MIN_ROWS:
        raise DataError(_too_few(len(rows), left_out))
    losses, tokens = _score(engine, rows, tokenizer, list(layouts))
    return _report(base, rows, layouts, losses, tokens, left_out)


def _choose(records: Sequence[Record], left_out: dict[str, int]) -> list[Record]:
    """Records of questions and answers in words; the reasons of the others are counted."""
    chosen = []
    for record in records:
        reason = ""
        if record.kind == "text":
            reason = "of plain text"
        elif record.tools or any(
            message.get("tool_calls") or message["role"] == "tool" for message in record.messages
        ):
            reason = "with tools"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            chosen.append(record)
    return chosen


def _has_system(records: Sequence[Record]) -> bool:
    return any(one["role"] in ("system", "developer") for row in records for one in row.messages)


def _encode_rows(
    records: Sequence[Record],
    layouts: Mapping[str, Layout],
    tokenizer: ChatTokenizer,
    context_len: int,
    max_rows: int,
    left_out: dict[str, int],
) -> list[tuple[Record, dict[str, Any]]]:
    """The first `max_rows` records that fit into the context in every layout, encoded in each."""
    rows: list[tuple[Record, dict[str, Any]]] = []
    for record in records:
        if len(rows) == max_rows:
            break
        try:
            encoded = {name: encode_row(tokenizer, record, one) for name, one in layouts.items()}
        except DataError:
            left_out["refused by the template"] = left_out.get("refused by the template", 0) + 1
            continue
        if max(len(ids) for ids, _ in encoded.values()) > context_len:
            left_out["too long"] = left_out.get("too long", 0) + 1
            continue
        rows.append((record, encoded))
    return rows


def encode_row(
    tokenizer: ChatTokenizer, record: Record, layout: Layout
) -> tuple[list[int], list[float]]:
    """Token ids of prompt and answer, and a mask that is 1 on the answer's tokens alone.

    Where a token would lie across the border the answer is encoded by itself, as at inference.
    """
    *before, last = record.messages
    laid = layout(before)
    prefix = [] if laid.is_templated else list(tokenizer.prefix_ids)
    prompt, answer = tokenizer.encode(laid.prompt), f"{laid.lead}{last['content']}"
    whole = tokenizer.encode(laid.prompt + answer)
    is_prefix = whole[: len(prompt)] == prompt
    answered = whole[len(prompt) :] if is_prefix else tokenizer.encode(answer)
    ids = [*prefix, *prompt, *answered]
    return ids, [0.0] * (len(ids) - len(answered)) + [1.0] * len(answered)


def _score(
    engine: Engine, rows: Sequence[tuple[Record, Any]], tokenizer: ChatTokenizer, names: list[str]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    lengths = [max(1, len(tokenizer.encode(one.messages[-1]["content"]))) for one, _ in rows]
    losses: dict[str, list[float]] = {}
    tokens: dict[str, float] = {}
    for name in names:
        sequences: Sequences = [encoded[name] for _, encoded in rows]
        scores = engine.score(sequences)
        losses[name] = [
            -score.sum_logprob / length for score, length in zip(scores, lengths, strict=True)
        ]
        tokens[name] = sum(len(ids) for ids, _ in sequences) / len(sequences)
    return losses, tokens


def _report(
    base: str,
    rows: Sequence[tuple[Record, Any]],
    layouts: Mapping[str, Layout],
    losses: Mapping[str, list[float]],
    tokens: Mapping[str, float],
    left_out: dict[str, int],
) -> FormatsReport:
    means = {name: sum(values) / len(values) for name, values in losses.items()}
    order = sorted(means, key=lambda name: (means[name], tokens[name]))
    best = order[0]
    *before, last = rows[0][0].messages
    scores = []
    for name in order:
        difference = paired_bootstrap(losses[name], losses[best])
        laid = layouts[name](before)
        example = f"{laid.prompt}{laid.lead}{last['content']}"
        is_level = name == best or difference.low <= 0
        scores.append(LayoutScore(name, means[name], tokens[name], difference, is_level, example))
    cheapest = min((one for one in scores if one.is_level), key=lambda one: one.tokens)
    return FormatsReport(base, len(rows), left_out, best, cheapest.name, scores)


def _too_few(num_rows: int, left_out: Mapping[str, int]) -> Problem:
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    return Problem(
        f"{num_rows} rows of a question and an answer (left out: {reasons or 'none'})",
        f"at least {MIN_ROWS}, or the intervals say nothing",
        "name a file with more of them",
    )
