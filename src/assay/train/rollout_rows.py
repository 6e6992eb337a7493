"""Graded groups as rows of a loss, and such rows on disk: what a step learns from.

The completions of one prompt form a row, or several rows where they would not fit one micro-batch;
each row computes its prompt once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from assay.data import TokenSequence
from assay.data.answers import Answer, AnswerRow, Sampled
from assay.data.pack import PackedBatch, pack_lengths
from assay.data.portions import build_answer_batch
from assay.errors import CheckpointError
from assay.losses.averages import Average, weigh_completion
from assay.runs import write_bytes
from assay.train.completions import Completion, Group


def build_answer(prompt: TokenSequence, completion: Completion) -> Answer:
    """Prompt and completion as one sequence whose loss is on what the model wrote alone."""
    before = completion.prompt_ids or prompt.input_ids
    return Answer(
        [*before, *completion.token_ids],
        [0.0] * len(before) + completion.mask,
        sampled=Sampled([], completion.sampled_logprobs, [], []),
    )


def build_rows(groups: Iterable[Group], *, token_budget: int) -> list[AnswerRow]:
    """The groups' completions as rows, each within `token_budget` tokens where one answer is."""
    rows = []
    for group in groups:
        answers = [build_answer(group.prompt, one) for one in group.completions]
        rows += divide(answers, num_prompt=len(group.prompt.input_ids), token_budget=token_budget)
    return rows


def divide(answers: Sequence[Answer], *, num_prompt: int, token_budget: int) -> list[AnswerRow]:
    """Answers to one prompt as rows of as many as fit `token_budget` with it."""
    parts: list[list[Answer]] = []
    room = 0
    for answer in answers:
        own = len(answer.input_ids) - num_prompt
        if not parts or own > room:
            parts.append([])
            room = token_budget - num_prompt
        parts[-1].append(answer)
        room -= own
    return [AnswerRow(tuple(part), weight=0.0) for part in parts]


def weigh_rows(
    rows: Sequence[AnswerRow],
    advantages: Sequence[list[float]],
    kept: Sequence[bool],
    *,
    average: Average,
    max_new_tokens: int,
) -> list[AnswerRow]:
    """The rows with their answers' advantages and weights; answers that are not kept are left out.

    `advantages` and `kept` are of all answers in order.
    """
    told = zip(advantages, kept, strict=True)
    weighed = []
    for row in rows:
        own: list[Answer] = []
        weight = 0.0
        for answer, (values, is_kept) in zip(row.answers, told, strict=False):
            if not is_kept:
                continue
            assert answer.sampled is not None
            token, divisor = weigh_completion(
                len(values), average=average, max_new_tokens=max_new_tokens
            )
            mask = [token * flag for flag in answer.loss_mask]
            sampled = replace(answer.sampled, advantages=values)
            own.append(replace(answer, loss_mask=mask, sampled=sampled))
            weight += divisor
        if own:
            weighed.append(AnswerRow(tuple(own), weight=weight))
    return weighed


def pack_rows(rows: Sequence[AnswerRow], *, token_budget: int) -> list[PackedBatch]:
    """Rows as micro-batches of at most `token_budget` tokens, or of one row."""
    bins = pack_lengths([row.num_tokens for row in rows], token_budget=token_budget)
    return [build_answer_batch([rows[index] for index in own]) for own in bins]


def build_stand_in(
    prompt_ids: Sequence[int], *, num_answers: int, num_tokens: int, token_budget: int
) -> PackedBatch:
    """A micro-batch as large as any of a rollout: whole completions of the longest prompt."""
    sampled = Sampled([1.0] * num_tokens, [0.0] * num_tokens, [], [])
    mask = [0.0] * len(prompt_ids) + [1.0] * num_tokens
    room = max(1, (token_budget - len(prompt_ids)) // max(num_tokens, 1))
    # Neighbours differ from their first token on: what they had in common would be computed once.
    answers = [
        Answer([*prompt_ids, *[n % 2] * num_tokens], mask, sampled=sampled)
        for n in range(min(num_answers, room))
    ]
    return build_answer_batch([AnswerRow(tuple(answers), weight=float(len(answers)))])


def write_rows(path: Path, rows: Sequence[AnswerRow]) -> None:
    """Rows as JSON lines, every number as it is; atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"answers": [asdict(a) for a in r.answers], "weight": r.weight}) for r in rows
    ]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def read_rows(paths: Sequence[Path]) -> list[AnswerRow]:
    """The rows of all files, in order.

    Raises:
        CheckpointError: a file is not as `write_rows` wrote it.
    """
    rows = []
    for path in paths:
        try:
            lines = path.read_text("utf-8").splitlines()
            rows += [_read_row(json.loads(line)) for line in lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path}: not the rollout that this run wrote ({error}); resume from an earlier"
                " checkpoint, or start anew"
            ) from error
    return rows


def _read_row(told: dict[str, Any]) -> AnswerRow:
    answers = tuple(
        Answer(
            one["input_ids"],
            one["loss_mask"],
            one["ref_logprob"],
            sampled=Sampled(**one["sampled"]),
        )
        for one in told["answers"]
    )
    return AnswerRow(answers, weight=told["weight"])
