"""POST /v1/chat/completions, whole or as a stream; it knows no model and no template."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from assay.runs.store.ids import new_id
from assay.serve.auth import Principal, require
from assay.serve.completions.keep import begin_keeping
from assay.serve.errors import refuse
from assay.serve.inference.answering import Answering, render_event
from assay.serve.inference.asked import Asked, prepare_chat
from assay.serve.inference.chat_body import ChatBody
from assay.serve.inference.choices import Choice, Delta, count_usage, describe_decisions
from assay.serve.inference.inference import Inference, ServedModel
from assay.serve.inference.listening import Heard, Spending, submit
from assay.serve.router.rules import AUTO


def build_router(inference: Inference) -> APIRouter:
    """The route, answered by `inference`."""
    router = APIRouter()

    @router.post("/chat/completions")
    async def create_chat_completion(
        body: ChatBody, request: Request, principal: Annotated[Principal, Depends(require("infer"))]
    ) -> Response:
        """Answer a conversation, whole or, with `stream`, as server-sent events."""
        keeping = begin_keeping(request, principal, body)
        model: ServedModel | None = None
        if inference.auto is not None and body.model == AUTO:
            routed = await inference.auto.route_chat(body, request, principal)
            model = routed.model
            if model is None:
                if keeping:
                    told = "An answer of a remote model is not kept here; leave `store` out."
                    raise refuse(told, param="store", code="unsupported_parameter")
                spending = Spending(request, principal)
                return await inference.auto.answer_remotely(
                    routed, "chat/completions", body, spending
                )
        asked = await run_in_threadpool(prepare_chat, inference, body, principal, model)
        heard = submit(inference.scheduler, request, key=principal.id, rows=asked.rows)
        answer = _Answer(inference, asked, body, Spending(request, principal))
        if not body.stream:
            whole = await answer.collect(heard)
            kept = await keeping.keep(whole) if keeping else whole
            return JSONResponse(kept, headers=asked.model.headers)
        events = answer.stream(heard)
        shown = keeping.watch(events) if keeping else events
        return StreamingResponse(shown, media_type="text/event-stream", headers=asked.model.headers)

    return router


class _Answer:
    """One request's answer in the making."""

    def __init__(
        self, inference: Inference, asked: Asked, body: ChatBody, spending: Spending
    ) -> None:
        tokenizer = inference.base.tokenizer
        self._choices = [Choice(row, tokenizer, asked.reading) for row in asked.rows]
        self._answering = Answering(self._choices, lambda: count_usage(self._choices), spending)
        self._with_logprobs = asked.reading.with_logprobs
        self._with_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._head = {
            "id": new_id("chatcmpl-"),
            "created": int(time.time()),
            "model": asked.model.id,
            "system_fingerprint": inference.fingerprint,
            **asked.model.fields,
        }

    async def collect(self, heard: Heard) -> dict[str, Any]:
        """The whole answer."""
        whole = await self._answering.collect(heard)
        choices = [self._describe(index, delta) for index, delta in enumerate(whole)]
        return {
            **self._head,
            "object": "chat.completion",
            "choices": choices,
            "usage": count_usage(self._choices),
        }

    def _describe(self, index: int, whole: Delta) -> dict[str, Any]:
        calls = [{k: v for k, v in c.items() if k != "index"} for c in whole.tool_calls]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if calls and not whole.content else whole.content,
            "refusal": whole.refusal or None,
        }
        message |= {"tool_calls": calls} if calls else {}
        message |= {"reasoning_content": whole.reasoning} if whole.reasoning else {}
        return {
            "index": index,
            "message": message,
            # What was denied may have been most of the answer: they would not fit what is left.
            "logprobs": None if whole.decisions else self._build_logprobs(whole),
            "finish_reason": whole.finish_reason,
            **describe_decisions(whole),
        }

    async def stream(self, heard: Heard) -> AsyncGenerator[bytes, None]:
        """The answer as server-sent events; a failure is the last of them."""
        for index in range(len(self._choices)):
            first = {"role": "assistant", "content": "", "refusal": None}
            yield render_event(self._chunk(index, first, logprobs=None))
        last = self._describe_usage if self._with_usage else None
        events = self._answering.stream(heard, self._describe_delta, last=last)
        async with aclosing(events):  # what was used is counted when the client leaves, not later
            async for event in events:
                yield event

    def _describe_usage(self) -> dict[str, Any]:
        return {**self._chunk_head, "choices": [], "usage": count_usage(self._choices)}

    def _describe_delta(self, place: int, delta: Delta) -> list[dict[str, Any]]:
        told: dict[str, Any] = {}
        if delta.reasoning:
            told["reasoning_content"] = delta.reasoning
        if delta.content or delta.logprobs:
            told["content"] = delta.content
        if delta.tool_calls:
            told["tool_calls"] = delta.tool_calls
        if delta.refusal:
            told["refusal"] = delta.refusal
        chunks = []
        if told:
            chunks.append(self._chunk(place, told, logprobs=self._build_logprobs(delta)))
        if delta.finish_reason is not None:
            chunks.append(self._chunk(place, {}, logprobs=None, reason=delta.finish_reason))
            chunks[-1]["choices"][0] |= describe_decisions(delta)
        return chunks

    def _build_logprobs(self, delta: Delta) -> dict[str, Any] | None:
        return {"content": delta.logprobs, "refusal": None} if self._with_logprobs else None

    @property
    def _chunk_head(self) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk"}

    def _chunk(
        self, index: int, delta: dict[str, Any], *, logprobs: Any, reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        usage = {"usage": None} if self._with_usage else {}
        return {**self._chunk_head, "choices": [choice], **usage}
