"""POST /v1/chat/completions, whole or as a stream; it knows no model and no template."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from assay.runs.store.ids import new_id
from assay.serve.auth import Principal, require
from assay.serve.errors import ApiError, describe_error
from assay.serve.inference.asked import Asked, prepare_chat
from assay.serve.inference.chat_body import ChatBody
from assay.serve.inference.choices import Choice, Delta, count_usage, join_deltas
from assay.serve.inference.inference import Inference
from assay.serve.inference.listening import Heard, Spending, gone, submit

if TYPE_CHECKING:
    from assay.generate.live import Extended

KEEP_ALIVE_S = 15.0
_DONE = b"data: [DONE]\n\n"


def build_router(inference: Inference) -> APIRouter:
    """The route, answered by `inference`."""
    router = APIRouter()

    @router.post("/chat/completions")
    async def create_chat_completion(
        body: ChatBody, request: Request, principal: Annotated[Principal, Depends(require("infer"))]
    ) -> Response:
        """Answer a conversation, whole or, with `stream`, as server-sent events."""
        asked = await run_in_threadpool(prepare_chat, inference, body, principal)
        heard = submit(inference.scheduler, request, key=principal.id, rows=asked.rows)
        answer = _Answer(inference, asked, body, Spending(request, principal))
        if not body.stream:
            return JSONResponse(await answer.collect(heard))
        return StreamingResponse(answer.stream(heard), media_type="text/event-stream")

    return router


class _Answer:
    """One request's answer in the making."""

    def __init__(
        self, inference: Inference, asked: Asked, body: ChatBody, spending: Spending
    ) -> None:
        self._spending = spending
        tokenizer = inference.base.tokenizer
        self._choices = [Choice(row, tokenizer, asked.reading) for row in asked.rows]
        self._places = {id(row): place for place, row in enumerate(asked.rows)}
        self._with_logprobs = asked.reading.with_logprobs
        self._with_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._head = {
            "id": new_id("chatcmpl-"),
            "created": int(time.time()),
            "model": asked.model.id,
            "system_fingerprint": inference.fingerprint,
        }

    def _take(self, told: Sequence[Extended]) -> list[tuple[int, Delta]]:
        """What came to each choice.

        Raises:
            ApiError: 500 where one of them failed.
        """
        parts: dict[int, list[Extended]] = {}
        for one in told:
            if one.error:
                raise ApiError(500, f"The answer failed: {one.error}.", code="generation_failed")
            parts.setdefault(self._places[id(one.live)], []).append(one)
        return [(place, self._choices[place].take(own)) for place, own in sorted(parts.items())]

    async def collect(self, heard: Heard) -> dict[str, Any]:
        """The whole answer."""
        deltas: list[list[Delta]] = [[] for _ in self._choices]
        try:
            async for told in heard.iterate():
                for place, delta in self._take(told):
                    deltas[place].append(delta)
        finally:
            self._spending.count(count_usage(self._choices))
        if heard.is_gone:
            raise gone()
        choices = [self._describe(i, join_deltas(own)) for i, own in enumerate(deltas)]
        usage = count_usage(self._choices)
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage}

    def _describe(self, index: int, whole: Delta) -> dict[str, Any]:
        calls = [{k: v for k, v in c.items() if k != "index"} for c in whole.tool_calls]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if calls and not whole.content else whole.content,
            "refusal": None,
        }
        message |= {"tool_calls": calls} if calls else {}
        message |= {"reasoning_content": whole.reasoning} if whole.reasoning else {}
        return {
            "index": index,
            "message": message,
            "logprobs": self._build_logprobs(whole),
            "finish_reason": whole.finish_reason,
        }

    async def stream(self, heard: Heard) -> AsyncIterator[bytes]:
        """The answer as server-sent events; a failure is the last of them."""
        for index in range(len(self._choices)):
            first = {"role": "assistant", "content": "", "refusal": None}
            yield self._chunk(index, first, logprobs=None)
        try:
            async for told in heard.iterate(idle_s=KEEP_ALIVE_S):
                for place, delta in self._take(told):
                    for chunk in self._describe_delta(place, delta):
                        yield chunk
                if not told:
                    yield b": still waiting\n\n"
        except ApiError as error:
            yield _event(describe_error(error))
            return
        finally:
            self._spending.count(count_usage(self._choices))
        if heard.is_gone:
            return
        if self._with_usage:
            yield _event({**self._chunk_head, "choices": [], "usage": count_usage(self._choices)})
        yield _DONE

    def _describe_delta(self, place: int, delta: Delta) -> list[bytes]:
        told: dict[str, Any] = {}
        if delta.reasoning:
            told["reasoning_content"] = delta.reasoning
        if delta.content or delta.logprobs:
            told["content"] = delta.content
        if delta.tool_calls:
            told["tool_calls"] = delta.tool_calls
        chunks = []
        if told:
            chunks.append(self._chunk(place, told, logprobs=self._build_logprobs(delta)))
        if delta.finish_reason is not None:
            chunks.append(self._chunk(place, {}, logprobs=None, reason=delta.finish_reason))
        return chunks

    def _build_logprobs(self, delta: Delta) -> dict[str, Any] | None:
        return {"content": delta.logprobs, "refusal": None} if self._with_logprobs else None

    @property
    def _chunk_head(self) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk"}

    def _chunk(
        self, index: int, delta: dict[str, Any], *, logprobs: Any, reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        usage = {"usage": None} if self._with_usage else {}
        return _event({**self._chunk_head, "choices": [choice], **usage})


def _event(value: dict[str, Any]) -> bytes:
    return (
        b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )
