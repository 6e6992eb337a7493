"""Keeps an answer as its client saw it, where the request asked for that; nothing else is kept.

A stream is kept once it is whole, before its end is told; one that failed, or whose client left, is
not.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from assay.runs.store.completions import insert_completion
from assay.serve.auth import Principal
from assay.serve.completions.chunks import join_chunks
from assay.serve.errors import ApiError, describe_error, refuse
from assay.serve.inference.answering import render_event
from assay.serve.inference.chat_body import ChatBody

log = logging.getLogger("assay.serve")
_DATA = b"data: "
_END = b"data: [DONE]"


@dataclass(frozen=True)
class Keeping:
    """What is kept of one request, and for how long; build it by `begin_keeping`."""

    request: Request
    principal: Principal
    body: ChatBody
    retention_s: float

    async def keep(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, which is stored by now.

        Raises:
            ApiError: 500 where it could not be stored; it is not answered then.
        """
        metadata = self.body.metadata
        try:
            await run_in_threadpool(
                insert_completion,
                self.request.app.state.store,
                retention_s=self.retention_s,
                id=answer["id"],
                project=self.principal.project,
                key_id=self.principal.id,
                model=answer["model"],
                asked_model=self.body.model,
                metadata=metadata,
                request=self.body.model_dump(mode="json", exclude_unset=True, by_alias=True),
                response=answer,
            )
        except SQLAlchemyError as error:
            log.exception("an answer could not be stored")
            told = "The answer could not be stored, which `store` asks for."
            raise ApiError(500, told, code="store_failed") from error
        return {**answer, "metadata": metadata} if metadata else answer

    async def watch(self, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        """The same events; before the last of them the answer is stored."""
        chunks: list[dict[str, Any]] = []
        async with aclosing(events):
            async for event in events:
                if event.startswith(_END):
                    try:
                        await self.keep(join_chunks(chunks))
                    except ApiError as error:
                        yield render_event(describe_error(error))
                        return
                elif event.startswith(_DATA):
                    chunks.append(json.loads(event[len(_DATA) :]))
                yield event


def begin_keeping(request: Request, principal: Principal, body: ChatBody) -> Keeping | None:
    """What keeps the answer; None where it is not to be kept.

    Raises:
        ApiError: 400 where the server keeps none.
    """
    if not body.store:
        return None
    retention_s = request.app.state.limits.retention_s
    if retention_s <= 0:
        told = "This server stores no completions; leave store out."
        raise refuse(told, param="store", code="store_disabled")
    return Keeping(request, principal, body, retention_s)
