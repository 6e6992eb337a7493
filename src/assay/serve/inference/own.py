"""Chat completions that the server asks itself: nobody waits for them, and nobody goes away."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from assay.serve.auth import Principal
from assay.serve.errors import ApiError
from assay.serve.inference.asked import prepare_chat
from assay.serve.inference.chat import ChatAnswer
from assay.serve.inference.chat_body import ChatBody
from assay.serve.inference.inference import Inference
from assay.serve.inference.listening import Spending, submit

_BUSY, _WAIT_S = 429, 1.0


async def complete_chat(
    app: FastAPI, inference: Inference, body: ChatBody, principal: Principal
) -> dict[str, Any]:
    """The answer that a client of `principal` would get; where there is no room, it waits for it.

    What is used is counted for the key. Cancelling the task frees the rows.

    Raises:
        ApiError: what is wrong with the request, or that the answer failed.
    """
    request = _build_request(app)
    while True:
        asked = await run_in_threadpool(prepare_chat, inference, body, principal)
        try:
            heard = submit(inference.scheduler, request, key=principal.id, rows=asked.rows)
        except ApiError as error:
            if error.status_code != _BUSY:
                raise
            await asyncio.sleep(_WAIT_S)
            continue
        answer = ChatAnswer(inference, asked, body, Spending(request, principal))
        return await answer.collect(heard)


def _build_request(app: FastAPI) -> Request:
    """A request that no client sent: it has the application, and nobody behind it leaves."""

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("nothing ever comes")

    scope = {"type": "http", "method": "POST", "path": "", "headers": [], "state": {}, "app": app}
    return Request(scope, receive)
