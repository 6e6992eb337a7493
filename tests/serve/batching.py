"""A server whose chat is answered by a script instead of a model, and batches of it.

As a program (`python batching.py STORE`) it serves a store until it is killed: each answer takes a
moment, and is noted in `asked.txt` of the store.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

import openai
from fastapi import APIRouter, Depends, Request

from assay.runs.store import open_store
from assay.runs.store.batches import RUNNING
from assay.serve.app import build_app
from assay.serve.auth import Principal, limit_reached, require
from assay.serve.batches import routes as batches
from assay.serve.batches.run import Pace, build_service
from assay.serve.errors import ApiError, refuse

QUICK = Pace(poll_s=0.02, lease_s=5.0, lines=4)
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
User = Annotated[Principal, Depends(require("infer"))]


@dataclass
class Script:
    """Answers by what is asked: "bad" is refused, "busy" waits, "hang" hangs."""

    asked: Counter[str] = field(default_factory=Counter)
    num_hanging: int = 0
    num_let_go: int = 0
    most_at_once: int = 0
    is_released: bool = False
    pause_s: float = 0.0
    note: Any = None
    _now: int = 0

    async def answer(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        text = body["messages"][0]["content"]
        self.asked[text] += 1
        if self.note is not None:
            self.note.write(text + "\n")
            self.note.flush()
        if text.startswith("bad"):
            raise refuse("Not like this.", param="messages")
        if text.startswith("busy") and self.asked[text] < 3:
            raise limit_reached("answers at once", 0.01)
        if text.startswith("broken"):
            raise ApiError(500, "It broke.", code="generation_failed")
        if text.startswith("hang"):
            await self._hang(request)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(self.pause_s)
        self._now -= 1
        shown = text.encode(errors="replace").decode()
        return {"id": f"chatcmpl-{shown}", "echo": shown, "usage": USAGE}

    async def _hang(self, request: Request) -> None:
        self.num_hanging += 1
        try:
            while not self.is_released:
                await asyncio.sleep(0.02)
        finally:
            self.num_let_go += 1

    def build_router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/chat/completions")
        async def create(request: Request, user: User) -> dict[str, Any]:
            return await self.answer(request, await request.json())

        return router


def build(store: Any, script: Script, pace: Pace = QUICK) -> Any:
    """The application with batches."""
    return build_app(
        store,
        routers=[script.build_router(), batches.build_router()],
        services=[build_service(pace)],
    )


def render_line(custom_id: str, text: str, **more: Any) -> dict[str, Any]:
    """One line of a batch's file."""
    body = {"model": "tiny", "messages": [{"role": "user", "content": text}]}
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
        **more,
    }


def upload(client: openai.OpenAI, lines: list[Any], purpose: Any = "batch") -> str:
    """A file of these lines; its id."""
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    return client.files.create(file=("b.jsonl", text.encode()), purpose=purpose).id


def begin(client: openai.OpenAI, lines: list[Any], **options: Any) -> Any:
    """A batch of these lines."""
    given = {"endpoint": "/v1/chat/completions", "completion_window": "24h", **options}
    return client.batches.create(input_file_id=upload(client, lines), **given)


def wait(client: openai.OpenAI, batch_id: str, within_s: float = 120.0) -> Any:
    """The batch, once it has ended."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        batch = client.batches.retrieve(batch_id)
        if batch.status not in RUNNING:
            return batch
        time.sleep(0.02)
    raise AssertionError(f"still {batch.status}: {batch.request_counts}")


def read(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """Lines of a file of results."""
    assert file_id is not None
    text = client.files.content(file_id).read().decode()
    return [json.loads(line) for line in text.splitlines()]


if __name__ == "__main__":
    from sockets import serving

    opened = open_store(sys.argv[1])
    asked = open(opened.folder / "asked.txt", "a")  # noqa: SIM115 - until it is killed
    with serving(build(opened, Script(pause_s=0.02, note=asked))) as url:
        print(url, flush=True)
        time.sleep(600)
