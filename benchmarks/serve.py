"""Tokens a second and time to the first of them, many streams at once over eight adapters.

    python -m benchmarks.serve --streams 1 8 32 128 --out serving.json
    python -m benchmarks.serve --requests 10000 --out memory.json

Beside `assay`'s server stand two others: the one that is written in an afternoon (FastAPI, PEFT and
`generate` with a streamer, one request at a time since adapters are switched in the model), and
`transformers serve`, which knows no adapters, so that each is merged into a model of its own. Each
is a process of its own on one thread, asked by another process; all answer greedily, the same
questions by the same random adapters over `tiny`.

Tokens a CPU-second of the server's own process are told beside those a second: they hold on a busy
machine, too. With `--requests` the memory of `assay`'s server is read while it answers so many
short ones.
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
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression, mean
from typing import Any

NUM_ADAPTERS = 8
STREAMS = (1, 8, 32, 128)
MAX_TOKENS = 64
SHORT_TOKENS, AT_ONCE, READINGS, NUM_BLOCKS = 4, 16, 200, 10
STUDENT_8 = 2.306
"""Student's 97.5 % point with eight degrees of freedom."""
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


def merge_adapters(root: Path) -> None:
    """Each adapter merged into a copy of the base, with its tokenizer."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from assay.models.base import tiny_folder

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    for number in range(NUM_ADAPTERS):
        base = AutoModelForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32)
        run = root / f"{name_adapter(number)}-00000000"
        merged = PeftModel.from_pretrained(base, run / "adapter").merge_and_unload()
        merged.save_pretrained(locate_merged(root, number))
        tokenizer.save_pretrained(locate_merged(root, number))


def locate_merged(root: Path, number: int) -> Path:
    return root / "merged" / name_adapter(number)


def serve_by_transformers(root: Path, port: int) -> None:
    """`transformers serve`, as it is; models load when they are first asked for."""
    from transformers.cli.serve import Serve

    Serve(host="127.0.0.1", port=port, device="cpu", dtype="float32", model_timeout=3600)


SERVERS = {
    "plain": serve_plainly,
    "transformers": serve_by_transformers,
    "assay": serve_assay,
}


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


async def ask(
    client: Any, number: int, *, model: str, max_tokens: int = MAX_TOKENS
) -> dict[str, Any]:
    """One stream: its tokens, and the seconds to its first text and to its end."""
    question = QUESTIONS[number % len(QUESTIONS)]
    text = f"{question} {THINGS[number % len(THINGS)]}, number {number}."
    body = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": max_tokens,
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


async def measure(url: str, num: int, names: list[str], *, warm: bool = True) -> dict[str, Any]:
    """`num` streams at once, over the models of these names; with `warm` each is asked before."""
    import httpx

    headers = {"authorization": f"Bearer {KEY}"}
    limits = httpx.Limits(max_connections=num)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=600, limits=limits
    ) as client:
        for number, name in enumerate(names if warm else ()):
            await ask(client, number, model=name)
        began = time.perf_counter()
        asked = [ask(client, 1000 + n, model=names[n % len(names)]) for n in range(num)]
        told = await asyncio.gather(*asked)
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


@contextmanager
def running(kind: str, root: Path) -> Iterator[tuple[str, Any]]:
    """A server in a process of its own: its URL, and the process."""
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
        yield url, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def name_models(kind: str, root: Path) -> list[str]:
    """What the adapters are called by a server: a model of its own has its folder's name."""
    numbers = range(NUM_ADAPTERS)
    if kind == "transformers":
        return [str(locate_merged(root, number)) for number in numbers]
    return [name_adapter(number) for number in numbers]


def run_server(kind: str, root: Path, streams: list[int]) -> dict[str, Any]:
    """All numbers of streams on one server, and its memory after them."""
    with running(kind, root) as (url, process):
        names, rows = name_models(kind, root), []
        for num in streams:
            # Models are loaded, and what is compiled once is, before the clock runs.
            asyncio.run(measure(url, 1, names))
            before = sum(process.cpu_times()[:2])
            row = asyncio.run(measure(url, num, names, warm=False))
            cpu_s = sum(process.cpu_times()[:2]) - before
            rows.append({**row, "tokens_per_cpu_s": round(row["tokens"] / cpu_s, 1)})
        memory, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
    return {"kind": kind, "rows": rows, "rss_mib": memory >> 20, "cpu_s": round(cpu, 1)}


async def ask_many(url: str, num: int, names: list[str], process: Any) -> list[tuple[int, int]]:
    """`num` short answers, some at once; after how many the server had how many bytes."""
    import httpx

    left, done, seen = iter(range(num)), 0, list[tuple[int, int]]()

    async def ask_on(client: Any) -> None:
        nonlocal done
        for number in left:
            model = names[number % len(names)]
            await ask(client, number, model=model, max_tokens=SHORT_TOKENS)
            done += 1
            if done % (num // READINGS) == 0:
                seen.append((done, process.memory_info().rss))

    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600) as client:
        await asyncio.gather(*[ask_on(client) for _ in range(AT_ONCE)])
    return seen


def measure_memory(root: Path, num: int) -> dict[str, Any]:
    """The server's memory over `num` requests, and whether it grows."""
    with running("assay", root) as (url, process):
        began = time.perf_counter()
        seen = asyncio.run(ask_many(url, num, name_models("assay", root), process))
        seconds = time.perf_counter() - began
    return {
        "requests": num,
        "at_once": AT_ONCE,
        "max_tokens": SHORT_TOKENS,
        "requests_per_s": round(num / seconds, 1),
        **judge_memory(seen),
        "rss_mib": [[count, round(size / 2**20, 2)] for count, size in seen],
    }


def judge_memory(seen: list[tuple[int, int]]) -> dict[str, Any]:
    """The growth for 10,000 requests in MiB, with its 95 % interval, and the verdict.

    The first three fifths are left out: so long the cache of prompts takes to fill (of 10,000 short
    requests the first 6,000). Readings beside each other are not independent, so the line goes
    through the means of ten blocks; its interval is Student's with eight degrees of freedom. Flat
    is what grows by less than a twentieth of the memory, by the upper end.
    """
    settled = seen[3 * len(seen) // 5 :]
    size = max(1, len(settled) // NUM_BLOCKS)
    blocks = [settled[n * size : (n + 1) * size] for n in range(NUM_BLOCKS)]
    counts = [mean(count for count, _ in block) for block in blocks]
    sizes = [mean(memory for _, memory in block) / 2**20 for block in blocks]
    line = linear_regression(counts, sizes)
    misses = [y - line.slope * x - line.intercept for x, y in zip(counts, sizes, strict=True)]
    spread = sum((x - mean(counts)) ** 2 for x in counts)
    error = (sum(miss**2 for miss in misses) / (NUM_BLOCKS - 2) / spread) ** 0.5
    growth, half = 10_000 * line.slope, 10_000 * STUDENT_8 * error
    bound = mean(sizes) / 20
    verdict = "flat" if growth + half < bound else "grows" if growth - half > 0 else "not told"
    return {
        "growth_mib": round(growth, 2),
        "interval_mib": [round(growth - half, 2), round(growth + half, 2)],
        "bound_mib": round(bound, 2),
        "verdict": verdict,
    }


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
    """Our tokens a second by each other server's, and how many answers are the same text."""
    rows = []
    for number, own in enumerate(found["assay"]["rows"]):
        row = {"streams": own["streams"]}
        for kind in (one for one in found if one != "assay"):
            other = found[kind]["rows"][number]
            pairs = zip(own["answers"], other["answers"], strict=True)
            row[f"same_as_{kind}"] = sum(one == its for one, its in pairs)
            row[f"by_{kind}"] = round(own["tokens_per_s"] / other["tokens_per_s"], 2)
            by_cpu = own["tokens_per_cpu_s"] / other["tokens_per_cpu_s"]
            row[f"by_cpu_of_{kind}"] = round(by_cpu, 2)
        rows.append(row)
    for one in found.values():
        for row in one["rows"]:
            del row["answers"]
    return rows


def main() -> None:
    """Parse, serve or measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--streams", type=int, nargs="+", default=list(STREAMS))
    parser.add_argument("--requests", type=int, help="read the memory over so many, alone")
    parser.add_argument("--serve", choices=SERVERS)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    if given.serve:
        SERVERS[given.serve](given.root, given.port)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_adapters(root)
        result: dict[str, Any] = {
            "machine": {"processor": platform.processor(), "cpus": os.cpu_count()},
            "load": os.getloadavg(),
            "adapters": NUM_ADAPTERS,
        }
        if given.requests:
            result |= measure_memory(root, given.requests)
        else:
            merge_adapters(root)
            found = {kind: run_server(kind, root, given.streams) for kind in SERVERS}
            result |= {"max_tokens": MAX_TOKENS, "compared": compare(found), **found}
    text = json.dumps(result, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
