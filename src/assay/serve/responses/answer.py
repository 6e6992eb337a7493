"""One response in the making: whole, or as named events; kept before its end is told."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi.concurrency import run_in_threadpool

from assay.runs.store import Store
from assay.runs.store.completions import PERSON_KEYS
from assay.runs.store.ids import new_id
from assay.runs.store.responses import keep_response
from assay.serve.auth import Principal
from assay.serve.errors import ApiError
from assay.serve.inference.answering import KEEP_ALIVE, KEEP_ALIVE_S, Answering, render_event
from assay.serve.inference.asked import Asked
from assay.serve.inference.choices import Choice, count_usage, describe_decisions
from assay.serve.inference.inference import Inference
from assay.serve.inference.listening import Heard, Spending, gone
from assay.serve.responses.body import ResponseBody
from assay.serve.responses.output import Event, Output


class ResponseAnswer:
    """The answer to one request; `kept` are the items that it asks, `None` where it is not kept."""

    def __init__(
        self,
        inference: Inference,
        asked: Asked,
        body: ResponseBody,
        spending: Spending,
        *,
        kept: list[dict[str, Any]] | None,
    ) -> None:
        self._choices = [Choice(row, inference.base.tokenizer, asked.reading) for row in asked.rows]
        self._answering = Answering(self._choices, lambda: count_usage(self._choices), spending)
        self._spending, self._body, self._kept = spending, body, kept
        self._output = Output(with_logprobs=asked.reading.with_logprobs)
        self._reason: str | None = None
        self._policy: dict[str, Any] = {}
        self._number = 0
        self._head = {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": int(time.time()),
            **_echo(body, model=asked.model.id, is_kept=kept is not None),
            **asked.model.fields,
        }

    async def collect(self, heard: Heard) -> dict[str, Any]:
        """The whole response.

        Raises:
            ApiError: 500 where it failed; or the client has gone.
        """
        async with aclosing(self._iterate(heard)) as events:
            async for _ in events:
                pass
        if heard.is_gone:
            raise gone()
        return await self._finish()

    async def stream(self, heard: Heard) -> AsyncIterator[bytes]:
        """The response as events; a failure is the last of them."""
        for kind in ("response.created", "response.in_progress"):
            yield self._render({"type": kind, "response": self._build("in_progress")})
        try:
            async with aclosing(self._iterate(heard, idle_s=KEEP_ALIVE_S)) as events:
                async for event in events:
                    yield KEEP_ALIVE if event is None else self._render(event)
        except ApiError as error:
            failed = {**self._build("failed"), "error": _describe(error)}
            yield self._render({"type": "response.failed", "response": failed})
            return
        if not heard.is_gone:
            whole = await self._finish()
            yield self._render({"type": f"response.{whole['status']}", "response": whole})

    async def _iterate(
        self, heard: Heard, *, idle_s: float | None = None
    ) -> AsyncGenerator[Event | None, None]:
        """Events as they come; None where nothing came for a while."""
        async with aclosing(self._answering.iterate(heard, idle_s=idle_s)) as parts:
            async for part in parts:
                for _, delta in part:
                    for event in self._output.take(delta):
                        yield event
                    self._policy |= describe_decisions(delta)
                    self._reason = delta.finish_reason or self._reason
                if not part:
                    yield None
        if not heard.is_gone:
            for event in self._output.end(is_cut=self._reason == "length"):
                yield event

    async def _finish(self) -> dict[str, Any]:
        """The whole response, kept if that is asked for."""
        is_cut = self._reason == "length"
        if self._policy:
            # What was denied may have been most of the answer: they would not fit what is left.
            self._output.drop_logprobs()
        whole = self._build("incomplete" if is_cut else "completed")
        if self._kept is not None:
            principal: Principal = self._spending.principal
            store: Store = self._spending.request.app.state.store
            await run_in_threadpool(
                keep_response,
                store,
                retention_s=self._spending.request.app.state.limits.retention_s,
                people=_list_people(self._body),
                id=whole["id"],
                project=principal.project,
                key_id=principal.id,
                previous=self._body.previous_response_id,
                input=self._kept,
                response=whole,
            )
        return whole

    def _build(self, status: str) -> dict[str, Any]:
        is_done = status in ("completed", "incomplete")
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            **self._head,
            "status": status,
            "completed_at": int(time.time()) if status == "completed" else None,
            "error": None,
            "incomplete_details": cut,
            "output": [dict(item) for item in self._output.items]
            if status != "in_progress"
            else [],
            "usage": _count(self._choices) if is_done else None,
            **self._policy,
        }

    def _render(self, event: Event) -> bytes:
        numbered = {**event, "sequence_number": self._number}
        self._number += 1
        return render_event(numbered, name=event["type"])


def _count(choices: list[Choice]) -> dict[str, Any]:
    """What was used, by the names of this interface; nothing is written to a cache for a price."""
    usage = count_usage(choices)
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {
            "reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]
        },
        "total_tokens": usage["total_tokens"],
    }


def _describe(error: ApiError) -> dict[str, Any]:
    return {"code": "server_error", "message": error.message}


def _list_people(body: ResponseBody) -> list[str]:
    """Whom the request named, where stored completions look for them, too."""
    sources = (body.model_dump(include=set(PERSON_KEYS)), body.metadata or {})
    return [source[key] for source in sources for key in PERSON_KEYS if source.get(key)]


def _echo(body: ResponseBody, *, model: str, is_kept: bool) -> dict[str, Any]:
    """What was asked, with defaults in place of what was left out."""
    shown = body.model_dump(by_alias=True, exclude_none=True)
    text = {"format": {"type": "text"}, **shown.get("text", {})}
    return {
        "model": model,
        "background": False,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": None,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": body.prompt_cache_key,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": body.safety_identifier,
        "service_tier": "default",
        "store": is_kept,
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "text": text,
        "tool_choice": shown.get("tool_choice", "auto"),
        "tools": [
            {"description": None, "parameters": None, "strict": False, **tool}
            for tool in shown.get("tools", [])
        ],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": 1.0 if body.top_p is None else body.top_p,
        "truncation": "disabled",
        "user": body.user,
    }
