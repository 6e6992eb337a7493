"""A server of our own that keeps vLLM's HTTP contract, over models of this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from assay.generate import Sampling
from assay.generate.local import LocalEngine
from assay.generate.vllm import NEUTRAL

COMPLETION_FIELDS = {
    *("model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stop", "stop_token_ids"),
    *("ignore_eos", "logprobs", "prompt_logprobs", "return_token_ids", "structured_outputs"),
    *("stream", "return_tokens_as_token_ids", "logit_bias"),
    *NEUTRAL,
}


class FakeVllm:
    """Serves a base, and adapters by name once they are loaded; keeps what was asked."""

    def __init__(self, base: LocalEngine, load: Callable[[Path], LocalEngine]) -> None:
        self.engines = {"base": base}
        self.load = load
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.changes: dict[str, Any] = {}
        self.mode = "raw_logprobs"
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with fake._lock:
                    status, answer = fake.answer(self.path.removeprefix("/v1/"), asked)
                self.tell(status, answer)

            def do_GET(self) -> None:
                self.tell(200, fake.list_models())

            def tell(self, status: int, answer: Any) -> None:
                body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def list_models(self) -> dict[str, Any]:
        """The base, and adapters with it as their parent."""
        parents = [None, *("base" for _ in list(self.engines)[1:])]
        pairs = zip(self.engines, parents, strict=True)
        return {
            "object": "list",
            "data": [{"id": name, "parent": parent} for name, parent in pairs],
        }

    def answer(self, path: str, asked: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append((path, asked))
        if path == "load_lora_adapter":
            if not Path(asked["lora_path"]).is_dir():
                return 404, {"error": {"message": "no adapter found"}}
            if asked["lora_name"] in self.engines:
                return 400, {"error": {"message": "that name has been loaded"}}
            self.engines[asked["lora_name"]] = self.load(Path(asked["lora_path"]))
            return 200, f"Success: LoRA adapter '{asked['lora_name']}' added successfully."
        if path == "unload_lora_adapter":
            del self.engines[asked["lora_name"]]
            return 200, "Success: LoRA adapter removed successfully."
        if path == "/tokenize":
            ids = self.engines["base"].tokenizer.encode(asked["prompt"])
            return 200, {"tokens": ids, "count": len(ids)}
        unknown = asked.keys() - COMPLETION_FIELDS
        if path != "completions" or unknown or asked["model"] not in self.engines:
            return 400, {"error": {"message": f"{path} {asked['model']} {sorted(unknown)}"}}
        choice = self.complete(self.engines[asked["model"]], asked) | self.changes
        if asked.get("stream"):
            return 200, "".join(map(_render_event, _part(choice))) + "data: [DONE]\n\n"
        return 200, {"object": "text_completion", "choices": [choice]}

    def complete(self, engine: LocalEngine, asked: dict[str, Any]) -> dict[str, Any]:
        seed, place = divmod(asked.get("seed", 0), 1_000_003)
        sampling = Sampling(
            asked["max_tokens"],
            asked["temperature"],
            asked.get("top_p", 1.0),
            seed,
            tuple(asked.get("stop_token_ids", ())) or (256,),
            tuple(asked.get("stop", ())),
            asked.get("structured_outputs", {}).get("json"),
        )
        found = engine.generate([asked["prompt"]], sampling, places=[place])[0]
        last = [found.stop_token] if found.stop_token else []
        ids = found.token_ids + [one.token_id for one in last]
        choice: dict[str, Any] = {
            "index": 0,
            "text": found.text,
            "finish_reason": found.finish_reason,
            "stop_reason": last[0].token_id if last else None,
        }
        if asked.get("return_token_ids"):
            choice |= {"token_ids": ids, "prompt_token_ids": asked["prompt"]}
        if asked.get("logprobs") is not None:
            told = found.logprobs + [one.logprob for one in last]
            if self.mode == "processed_logprobs":
                told = found.sampled_logprobs + [one.sampled_logprob for one in last]
            choice["logprobs"] = {"token_logprobs": told, "tokens": [str(i) for i in ids]}
        if asked.get("prompt_logprobs") is not None:
            ids = asked["prompt"]
            (told,) = engine.logprobs([(ids, [1.0] * len(ids))])
            rows = [{str(i): {"logprob": v}} for i, v in zip(ids[1:], told, strict=True)]
            choice["prompt_logprobs"] = [None, *rows]
        return choice


def _part(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A choice token by token; the last part says how it ended."""
    ids, told = choice["token_ids"], choice["logprobs"]["token_logprobs"]
    for number, (token_id, logprob) in enumerate(zip(ids, told, strict=True), start=1):
        name = f"token_id:{token_id}"
        logprobs = {
            "token_logprobs": [logprob],
            "tokens": [name],
            "top_logprobs": [{name: logprob}],
        }
        reason = choice["finish_reason"] if number == len(ids) else None
        yield {"index": 0, "text": "", "token_ids": [token_id], "logprobs": logprobs} | {
            "finish_reason": reason
        }


def _render_event(choice: dict[str, Any]) -> str:
    return f"data: {json.dumps({'object': 'text_completion', 'choices': [choice]})}\n\n"


@contextmanager
def serving(base: LocalEngine, load: Callable[[Path], LocalEngine]) -> Iterator[FakeVllm]:
    """The server, for a while; `load` makes an engine of an adapter's folder."""
    served = FakeVllm(base, load)
    thread = threading.Thread(target=served.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.server.shutdown()
        served.server.server_close()
        thread.join()
