"""POST /v1/completions: text that goes on from a prompt as it is, without a chat template."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import Field

from assay.runs.store.ids import new_id
from assay.serve.auth import Principal, require
from assay.serve.errors import refuse
from assay.serve.inference.answering import Answering
from assay.serve.inference.chat_body import SamplingBody, check_streaming
from assay.serve.inference.choices import Choice, Delta, Reading, describe_decisions
from assay.serve.inference.embeddings import Inputs, check_ids
from assay.serve.inference.inference import Inference, ServedModel, read_sampling, read_shifts
from assay.serve.inference.listening import Heard, Spending, submit
from assay.serve.router.rules import AUTO

if TYPE_CHECKING:
    from assay.generate.live import LiveRow

_MOST_ROWS = 128
_USUAL_TOKENS = 16
"""OpenAI's default here; chat completions have none."""


class CompletionBody(SamplingBody):
    """POST /v1/completions."""

    prompt: Inputs
    best_of: Annotated[int, Field(ge=1)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    suffix: str | None = None


def build_router(inference: Inference) -> APIRouter:
    """The route, answered by `inference`."""
    router = APIRouter()

    @router.post("/completions")
    async def create_completion(
        body: CompletionBody,
        request: Request,
        principal: Annotated[Principal, Depends(require("infer"))],
    ) -> Response:
        """Complete one prompt or several, whole or, with `stream`, as server-sent events."""
        model: ServedModel | None = None
        if inference.auto is not None and body.model == AUTO:
            routed = await inference.auto.route_text(body, body.prompt, request, principal)
            model = routed.model
            if model is None:
                spending = Spending(request, principal)
                return await inference.auto.answer_remotely(routed, "completions", body, spending)
        asked = await run_in_threadpool(prepare, inference, body, principal, model)
        heard = submit(inference.scheduler, request, key=principal.id, rows=asked.rows)
        answer = _Answer(inference, asked, body, Spending(request, principal))
        if not body.stream:
            return JSONResponse(await answer.collect(heard), headers=asked.model.headers)
        return StreamingResponse(
            answer.stream(heard), media_type="text/event-stream", headers=asked.model.headers
        )

    return router


@dataclass(frozen=True)
class AskedText:
    """What is to be completed: rows that may be submitted, and how the answer of each is read."""

    model: ServedModel
    rows: list[LiveRow]
    readings: list[Reading]


def prepare(
    inference: Inference,
    body: CompletionBody,
    principal: Principal,
    routed: ServedModel | None = None,
) -> AskedText:
    """Check `body`, load its model, and begin `n` rows of each prompt.

    Raises:
        ApiError: what is wrong, by parameter.
    """
    check_streaming(body)
    num = body.n or 1
    for name, is_odd in (
        ("best_of", body.best_of not in (None, num)),
        ("echo", bool(body.echo)),
        ("suffix", bool(body.suffix)),
    ):
        if is_odd:
            raise refuse(f"{name} is not served here; leave it out.", param=name)
    model = routed or inference.catalog.open(body.model, principal)
    given: Any = body.prompt
    prompts = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    if len(prompts) * num > _MOST_ROWS:
        raise refuse(f"{len(prompts)} prompts of n {num}: at most {_MOST_ROWS}.", param="prompt")
    sampling = read_sampling(body, max_new_tokens=body.max_tokens or _USUAL_TOKENS)
    tokenizer = inference.base.tokenizer
    reading = Reading(is_plain=True, with_logprobs=body.logprobs is not None)
    asked, shifts = AskedText(model, [], []), read_shifts(inference, body)
    for prompt in prompts:
        ids = prompt
        if isinstance(prompt, str):
            ids = [*tokenizer.prefix_ids, *tokenizer.encode(prompt)]
        check_ids(inference, ids, param="prompt")
        asked.rows.extend(
            inference.begin_rows(
                model,
                ids,
                sampling,
                num=num,
                owner=principal.id,
                num_top=body.logprobs or 0,
                shifts=shifts,
                prompt_param="prompt",
            )
        )
        # No tool is on offer here: who said what of a prompt in one piece is not known.
        text = prompt if isinstance(prompt, str) else tokenizer.decode(ids)
        policing = model.police([{"role": "user", "content": text}], [])
        asked.readings.extend([replace(reading, policing=policing)] * num)
    return asked


class _Answer:
    """One request's completions in the making."""

    def __init__(
        self,
        inference: Inference,
        asked: AskedText,
        body: CompletionBody,
        spending: Spending,
    ) -> None:
        tokenizer = inference.base.tokenizer
        pairs = zip(asked.rows, asked.readings, strict=True)
        self._choices = [Choice(row, tokenizer, reading) for row, reading in pairs]
        self._answering = Answering(self._choices, self._count, spending)
        self._num = body.n or 1
        self._with_logprobs = body.logprobs is not None
        self._with_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._offsets = [0 for _ in asked.rows]
        self._head = {
            "id": new_id("cmpl-"),
            "object": "text_completion",
            "created": int(time.time()),
            "model": asked.model.id,
            "system_fingerprint": inference.fingerprint,
            **asked.model.fields,
        }

    async def collect(self, heard: Heard) -> dict[str, Any]:
        """All completions, those of the first prompt first."""
        whole = await self._answering.collect(heard)
        choices = [self._describe(place, delta) for place, delta in enumerate(whole)]
        return {**self._head, "choices": choices, "usage": self._count()}

    def stream(self, heard: Heard) -> AsyncIterator[bytes]:
        """The completions as server-sent events; a failure is the last of them."""
        last = self._describe_usage if self._with_usage else None
        return self._answering.stream(heard, self._describe_delta, last=last)

    def _describe_delta(self, place: int, delta: Delta) -> list[dict[str, Any]]:
        if delta.is_empty:
            return []
        usage = {"usage": None} if self._with_usage else {}
        return [{**self._head, "choices": [self._describe(place, delta)], **usage}]

    def _describe_usage(self) -> dict[str, Any]:
        return {**self._head, "choices": [], "usage": self._count()}

    def _count(self) -> dict[str, int]:
        prompts = self._choices[:: self._num]
        prompt = sum(len(choice.live.row.prompt) for choice in prompts)
        completion = sum(choice.num_tokens for choice in self._choices)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _describe(self, place: int, delta: Delta) -> dict[str, Any]:
        return {
            "index": place,
            "text": delta.content,
            "logprobs": self._build_logprobs(place, delta) if self._with_logprobs else None,
            "finish_reason": delta.finish_reason,
            **describe_decisions(delta),
        }

    def _build_logprobs(self, place: int, delta: Delta) -> dict[str, Any]:
        offsets = []
        for entry in delta.logprobs:
            offsets.append(self._offsets[place])
            self._offsets[place] += len(entry["token"])
        return {
            "tokens": [entry["token"] for entry in delta.logprobs],
            "token_logprobs": [entry["logprob"] for entry in delta.logprobs],
            "top_logprobs": [
                {top["token"]: top["logprob"] for top in entry["top_logprobs"]}
                for entry in delta.logprobs
            ],
            "text_offset": offsets,
        }
