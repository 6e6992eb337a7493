"""Another model says how good a completion is: behind an endpoint, or in this process.

A model behind an endpoint writes JSON of a given schema; a model in this process is asked how
likely it finds each score or label as its answer, so that it always has one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from assay.errors import GenerationError
from assay.generate.remote import RemoteModel
from assay.graders.chat import ChatTemplate
from assay.graders.grade import Grade, GradeFailure, Item, Sample, fail
from assay.graders.models import Chooser

NUM_AT_ONCE = 8
"""Requests to one endpoint."""
MAX_FAILURES = 3
"""Of an endpoint in one batch, after which it is not asked further in that batch."""

Read = Callable[[Any], float]


@dataclass(frozen=True)
class RemoteJudge:
    """Asks an endpoint, several requests at once; what it answers is read by `read`."""

    name: str
    chat: ChatTemplate
    model: RemoteModel
    fields: Mapping[str, Any]
    read: Read

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        failures: list[str] = []
        with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
            ask = pool.map(
                lambda *pair: self._grade_one(pair[0], pair[1], failures), samples, items
            )
            return list(ask)

    def _grade_one(self, sample: Sample, item: Item, failures: list[str]) -> Grade:
        try:
            messages = self.chat.render(sample, item)
        except GradeFailure as failure:
            return fail(failure.error, failure.detail)
        if len(failures) >= MAX_FAILURES:
            return fail("model_grader_server_error", f"not asked after: {failures[0]}")
        try:
            answer = self.model.complete(
                messages, max_tokens=None, temperature=None, fields=self.fields
            )
        except GenerationError as error:
            failures.append(str(error))
            return fail("model_grader_server_error", str(error))
        usage = {self.model.endpoint.model: answer.num_tokens} if answer.num_tokens else {}
        if answer.refusal:
            errors = frozenset({"model_grader_refusal_error"})
            return Grade(0.0, errors=errors, detail=answer.refusal, token_usage=usage)
        try:
            return Grade(self.read(read_result(answer.text)), token_usage=usage)
        except ValueError as error:
            errors = frozenset({"model_grader_parse_error"})
            return Grade(0.0, errors=errors, detail=str(error), token_usage=usage)


@dataclass(frozen=True)
class LocalJudge:
    """Asks a model in this process; `answers` are what it may say and what each is worth.

    The reward is the mean of their worth by the probability of each as the whole answer: the
    probability that a passing label is chosen, or the expected score. With `likeliest` it is the
    worth of the likeliest answer.
    """

    name: str
    chat: ChatTemplate
    model: Chooser
    answers: Mapping[str, float]
    likeliest: bool

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        grades: list[Grade | None] = []
        chats = []
        for sample, item in zip(samples, items, strict=True):
            try:
                chats.append(self.chat.render(sample, item))
                grades.append(None)
            except GradeFailure as failure:
                grades.append(fail(failure.error, failure.detail))
        try:
            rows = iter(self.model.choose(chats, list(self.answers)))
        except GenerationError as error:
            failed = fail("model_grader_server_error", str(error))
            return [grade or failed for grade in grades]
        return [grade or Grade(self._weigh(next(rows))) for grade in grades]

    def _weigh(self, logprobs: Sequence[float]) -> float:
        worths = list(self.answers.values())
        if self.likeliest:
            return worths[max(range(len(worths)), key=lambda place: logprobs[place])]
        top = max(logprobs)
        weights = [math.exp(value - top) for value in logprobs]
        return math.fsum(w * x for w, x in zip(weights, worths, strict=True)) / math.fsum(weights)


def read_result(text: str) -> Any:
    """The `result` of the JSON object in a judge's answer. Raises ValueError where it has none."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and "result" in value:
            return value["result"]
        start = text.find("{", start + 1)
    raise ValueError(f"no JSON object with a result in {text[:100]!r}")
