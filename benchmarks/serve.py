"""Tokens a second and time to the first of them, many streams at once over eight adapters.

    python -m benchmarks.serve --streams 1 8 32 128 --out serving.json

Beside `assay`'s server stands the one that is written in an afternoon: FastAPI, PEFT and
`generate` with a streamer, one request at a time since adapters are switched in the model. Each is
a process of its own on one thread, asked by a third process; both answer greedily, the same
questions by the same random adapters over `tiny`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

NUM_ADAPTERS = 8
STREAMS = (1, 8, 32, 128)
MAX_TOKENS = 64
KEY = "sk-benchmark-of-serving-0123456789"
QUESTIONS = ("Tell me a story about", "Write a poem about", "Explain to me in detail")
THINGS = ("the sea", "a red fox", "winter", "a clock", "bread", "the moon", "a long train")


def name_adapter(number: int) -> str:
    return f"adapter-{number}"


def make_adapters(root: Path) -> None:
    """Random adapters of rank 8 on all linear layers, in the folders of runs without release.

    They are so far from nothing that answers seldom end by themselves.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    from assay.models.base import find_base, load_model
    from assay.pipeline.subject import describe_base
    from assay.runs import RunFolder, write_json

    base = find_base("tiny")
    for number in range(NUM_ADAPTERS):
        torch.manual_seed(number)
        config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(load_model(base), config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=3.0)
        run = RunFolder(root / f"{name_adapter(number)}-00000000")
        model.save_pretrained(run.adapter)
        write_json(run.manifest, describe_base(base))


def serve_assay(root: Path, port: int) -> None:
    """Our server, with the adapters as checkpoints of a run."""
    import uvicorn

    from assay.models.base import find_base
    from assay.runs.store import add_key, open_store
    from assay.serve.app import build_app
    from assay.serve.inference import chat
    from assay.serve.inference.catalog import ReleaseCatalog
    from assay.serve.inference.inference import build_inference
    from assay.serve.inference.records import NoRecords, TunedRecord

    class Records(NoRecords):
        def find(self, name: str) -> TunedRecord | None:
            run = root / f"{name}-00000000"
            return TunedRecord(name, 0, run / "adapter", run, False, True) if run.is_dir() else None

    base = find_base("tiny")
    inference = build_inference(base, ReleaseCatalog(base, ("tiny",), 0, Records()))
    store = open_store(root / "store")
    add_key(store, "benchmark", ["admin"], secret=KEY)
    app = build_app(store, routers=[chat.build_router(inference)])
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def serve_plainly(root: Path, port: int) -> None:
    """FastAPI, PEFT and `generate`."""
    import threading
    from contextlib import asynccontextmanager

    import anyio.to_thread
    import torch
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

    from assay.models.base import tiny_folder

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    base = AutoModelForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32)
    folders = [root / f"{name_adapter(n)}-00000000" / "adapter" for n in range(NUM_ADAPTERS)]
    model = PeftModel.from_pretrained(base, folders[0], adapter_name=name_adapter(0)).eval()
    for number, folder in enumerate(folders[1:], start=1):
        model.load_adapter(folder, adapter_name=name_adapter(number))
    lock = threading.Lock()

    @asynccontextmanager
    async def with_threads(app: FastAPI) -> AsyncIterator[None]:
        # Of the usual 40 threads all would wait for the lock, and none be left to go on.
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1000
        yield

    app = FastAPI(lifespan=with_threads)

    def write(body: dict[str, Any]) -> Any:
        prompt = tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with lock:
            model.set_adapter(body["model"])
            streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
            options = {"max_new_tokens": body["max_tokens"], "do_sample": False}
            found: list[Any] = []
            thread = threading.Thread(
                target=lambda: found.append(model.generate(**prompt, streamer=streamer, **options))
            )
            thread.start()
            for piece in streamer:
                yield _event({"choices": [{"delta": {"content": piece}}]})
            thread.join()
        num = found[0].shape[1] - prompt["input_ids"].shape[1]
        yield _event({"choices": [], "usage": {"completion_tokens": num}})
        yield "data: [DONE]\n\n"

    @app.post("/v1/chat/completions")
    def create(body: dict[str, Any]) -> StreamingResponse:
        return StreamingResponse(write(body), media_type="text/event-stream")

    @app.get("/health")
    def check() -> dict[str, str]:
        return {"status": "ok"}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


async def ask(client: Any, number: int) -> dict[str, Any]:
    """One stream: its tokens, and the seconds to its first text and to its end."""
    question = QUESTIONS[number % len(QUESTIONS)]
    text = f"{question} {THINGS[number % len(THINGS)]}, number {number}."
    body = {
        "model": name_adapter(number % NUM_ADAPTERS),
        "messages": [{"role": "user", "content": text}],
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, first, tokens, answer = time.perf_counter(), 0.0, 0, ""
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            value = json.loads(line[6:])
            if value.get("usage"):
                tokens = value["usage"]["completion_tokens"]
            for choice in value["choices"]:
                answer += choice["delta"].get("content") or ""
                first = first or (time.perf_counter() - began if answer else 0.0)
    return {"tokens": tokens, "first_s": first or time.perf_counter() - began, "answer": answer}


async def measure(url: str, num: int) -> dict[str, Any]:
    """`num` streams at once."""
    import httpx

    headers = {"authorization": f"Bearer {KEY}"}
    limits = httpx.Limits(max_connections=num)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=600, limits=limits
    ) as client:
        for number in range(NUM_ADAPTERS):
            await ask(client, number)
        began = time.perf_counter()
        told = await asyncio.gather(*[ask(client, 1000 + n) for n in range(num)])
        seconds = time.perf_counter() - began
    firsts = sorted(one["first_s"] for one in told)
    tokens = sum(one["tokens"] for one in told)
    return {
        "streams": num,
        "tokens": tokens,
        "tokens_per_s": round(tokens / seconds, 1),
        "requests_per_s": round(num / seconds, 2),
        "first_token_s": {f"p{p}": round(_percentile(firsts, p), 3) for p in (50, 95, 99)},
        "answers": [one["answer"] for one in told],
    }


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def run_server(kind: str, root: Path, streams: list[int]) -> dict[str, Any]:
    """All numbers of streams on one server, and its memory after them."""
    import psutil

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.serve", "--serve", kind]
    command += ["--root", str(root), "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        rows = [asyncio.run(measure(url, num)) for num in streams]
        memory = psutil.Process(process.pid).memory_info().rss
        cpu = sum(psutil.Process(process.pid).cpu_times()[:2])
    finally:
        process.kill()
        process.wait()
    return {"kind": kind, "rows": rows, "rss_mib": memory >> 20, "cpu_s": round(cpu, 1)}


def _wait(url: str, process: Any) -> None:
    import httpx

    while process.poll() is None:
        try:
            httpx.get(f"{url}/health", timeout=5).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"the server ended with {process.returncode}")


def compare(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Our tokens a second by the plain server's, and how many answers are the same text."""
    rows = []
    for own, plain in zip(found["assay"]["rows"], found["plain"]["rows"], strict=True):
        pairs = zip(own.pop("answers"), plain.pop("answers"), strict=True)
        same = sum(one == other for one, other in pairs)
        ratio = own["tokens_per_s"] / plain["tokens_per_s"]
        rows.append({"streams": own["streams"], "ratio": round(ratio, 2), "same_answers": same})
    return rows


def main() -> None:
    """Parse, serve or measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--streams", type=int, nargs="+", default=list(STREAMS))
    parser.add_argument("--serve", choices=("assay", "plain"))
    parser.add_argument("--root", type=Path)
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    if given.serve:
        (serve_assay if given.serve == "assay" else serve_plainly)(given.root, given.port)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_adapters(Path(folder))
        found = {kind: run_server(kind, Path(folder), given.streams) for kind in ("plain", "assay")}
    result = {
        "machine": {"processor": platform.processor(), "cpus": os.cpu_count()},
        "load": os.getloadavg(),
        "max_tokens": MAX_TOKENS,
        "adapters": NUM_ADAPTERS,
        "compared": compare(found),
        **found,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
