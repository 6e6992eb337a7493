"""The vLLM engine against a server of our own that keeps vLLM's contract, over small models."""

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from byte_models import make_model, make_prompts

from assay.chat import ChatTokenizer
from assay.errors import GenerationError
from assay.generate import Generation, Sampling
from assay.generate.local import LocalEngine
from assay.generate.remote import Endpoint, RemoteModel
from assay.generate.vllm import NEUTRAL, VllmEngine

COMPLETION_FIELDS = {
    *("model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stop", "stop_token_ids"),
    *("ignore_eos", "logprobs", "prompt_logprobs", "return_token_ids", "structured_outputs"),
    *NEUTRAL,
}


class FakeVllm:
    """Serves a base, and adapters by name once they are loaded; keeps what was asked."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self.tokenizer = tokenizer
        self.engines = {"base": LocalEngine(make_model(sharpness=5.0), tokenizer)}
        self.adapted = LocalEngine(make_model("mistral with a window", sharpness=5.0), tokenizer)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.changes: dict[str, Any] = {}
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with fake._lock:
                    status, answer = fake.answer(self.path.removeprefix("/v1/"), asked)
                body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def connect(self, **options: Any) -> VllmEngine:
        url = f"http://127.0.0.1:{self.server.server_port}/v1"
        return VllmEngine(RemoteModel(Endpoint(url, "base")), self.tokenizer, **options)

    def answer(self, path: str, asked: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append((path, asked))
        if path == "load_lora_adapter":
            if not Path(asked["lora_path"]).is_dir():
                return 404, {"error": {"message": "no adapter found"}}
            self.engines[asked["lora_name"]] = self.adapted
            return 200, f"Success: LoRA adapter '{asked['lora_name']}' added successfully."
        if path == "unload_lora_adapter":
            del self.engines[asked["lora_name"]]
            return 200, "Success: LoRA adapter removed successfully."
        unknown = asked.keys() - COMPLETION_FIELDS
        if path != "completions" or unknown or asked["model"] not in self.engines:
            return 400, {"error": {"message": f"{path} {asked['model']} {sorted(unknown)}"}}
        choice = self.complete(self.engines[asked["model"]], asked) | self.changes
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
            choice["logprobs"] = {"token_logprobs": told, "tokens": [str(i) for i in ids]}
        if asked.get("prompt_logprobs") is not None:
            ids = asked["prompt"]
            (told,) = engine.logprobs([(ids, [1.0] * len(ids))])
            rows = [{str(i): {"logprob": v}} for i, v in zip(ids[1:], told, strict=True)]
            choice["prompt_logprobs"] = [None, *rows]
        return choice


@pytest.fixture
def fake(tokenizer: ChatTokenizer) -> Iterator[FakeVllm]:
    served = FakeVllm(tokenizer)
    thread = threading.Thread(target=served.server.serve_forever, daemon=True)
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def check_equal(found: list[Generation], expected: list[Generation], *, sampled: bool) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.token_ids, one.text) == (other.token_ids, other.text)
        assert one.finish_reason == other.finish_reason
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
        assert one.sampled_logprobs == (
            pytest.approx(other.sampled_logprobs, abs=1e-5) if sampled else []
        )
        if other.stop_token is None:
            assert one.stop_token is None
        else:
            assert one.stop_token is not None
            assert one.stop_token.token_id == other.stop_token.token_id
            assert one.stop_token.logprob == pytest.approx(other.stop_token.logprob, abs=1e-5)
            assert math.isnan(one.stop_token.sampled_logprob) != sampled


@pytest.mark.parametrize(
    ("sampling", "sampled"),
    [
        (Sampling(9, stop_ids=tuple(range(40))), True),
        (Sampling(9, temperature=1.0, seed=4, stop_ids=tuple(range(40))), True),
        (Sampling(9, temperature=0.7, top_p=0.9, seed=4, stop_ids=tuple(range(40))), False),
    ],
)
def test_completions_are_those_of_what_is_served(
    fake: FakeVllm, sampling: Sampling, sampled: bool
) -> None:
    prompts, told = make_prompts(), []
    found = fake.connect(max_requests=3).generate(
        prompts,
        sampling,
        lambda done, total: told.append((done, total)),
        places=[7, 1, 2, 3, 4, 5, 6],
    )
    expected = fake.engines["base"].generate(prompts, sampling, places=[7, 1, 2, 3, 4, 5, 6])
    check_equal(found, expected, sampled=sampled)
    assert {g.finish_reason for g in found} == {"stop", "length"}
    assert told == [(number, 7) for number in range(1, 8)]
    assert all(NEUTRAL.items() <= asked.items() for _, asked in fake.asked)


def test_stop_strings_and_schemas_are_asked_for(fake: FakeVllm) -> None:
    engine, prompts = fake.connect(), make_prompts(3)
    free = fake.engines["base"].generate(prompts, Sampling(12, stop_ids=(256,)))
    stop = tuple(sorted({g.text[4:6] for g in free if g.text.isascii()})) or ("e",)
    sampling = Sampling(12, stop=stop, stop_ids=(256,))
    check_equal(
        engine.generate(prompts, sampling),
        fake.engines["base"].generate(prompts, sampling),
        sampled=True,
    )
    assert (
        "".join(engine.stream(prompts[0], sampling)) == engine.generate(prompts, sampling)[0].text
    )
    pytest.importorskip("llguidance", reason="the extra schema is not installed")
    schema = {"enum": ["yes", "no"]}
    found = engine.generate(prompts, Sampling(12, json_schema=schema))
    assert {g.text for g in found} <= {'"yes"', '"no"'}
    assert fake.asked[-1][1]["structured_outputs"] == {"json": schema}


def test_scores_are_those_of_what_is_served(fake: FakeVllm) -> None:
    rows = [(ids, [float(i % 3) for i in range(len(ids))]) for ids in make_prompts()]
    for one, other in zip(
        fake.connect().score(rows), fake.engines["base"].score(rows), strict=True
    ):
        assert one.sum_logprob == pytest.approx(other.sum_logprob, abs=1e-4)
        assert one.weight == other.weight
    with pytest.raises(GenerationError, match="raw_logprobs"):
        fake.connect(logprobs_mode="processed_logprobs").score(rows)


def test_adapters_are_swapped_under_new_names(fake: FakeVllm, tmp_path: Path) -> None:
    engine, prompts = fake.connect(), make_prompts(3)
    sampling = Sampling(6, stop_ids=(256,))
    base = engine.generate(prompts, sampling)
    for number in (1, 2):
        engine.load_adapter(tmp_path)
        assert set(fake.engines) == {"base", f"assay-{number}"}
        tuned = engine.generate(prompts, sampling)
        check_equal(tuned, fake.adapted.generate(prompts, sampling), sampled=True)
    assert [g.token_ids for g in tuned] != [g.token_ids for g in base]
    with engine.adapters_off():
        check_equal(engine.generate(prompts, sampling), base, sampled=True)
    with pytest.raises(GenerationError, match=r"HTTP 404.*ALLOW_RUNTIME_LORA"):
        engine.load_adapter(tmp_path / "none")
    check_equal(engine.generate(prompts, sampling), tuned, sampled=True)


def test_a_server_that_tells_what_it_samples_from_tells_that_alone(fake: FakeVllm) -> None:
    engine = fake.connect(logprobs_mode="processed_logprobs")
    (found,) = engine.generate(make_prompts(1), Sampling(4, temperature=0.5, stop_ids=(256,)))
    assert (len(found.sampled_logprobs), found.logprobs) == (4, [])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token_ids": None}, "0.10.2"),
        ({"token_ids": [1]}, "a completion of 1 tokens"),
        ({"finish_reason": "abort"}, "'abort'"),
    ],
)
def test_other_answers_are_told(fake: FakeVllm, changes: dict[str, Any], told: str) -> None:
    fake.changes = changes
    with pytest.raises(GenerationError, match=told):
        fake.connect().generate(make_prompts(), Sampling(4, stop_ids=(256,)))


def test_what_needs_no_server_asks_none(fake: FakeVllm) -> None:
    engine = fake.connect(context_len=5)
    assert engine.generate([[1, 2]], Sampling(0)) == [Generation([], "", [], "length")]
    with pytest.raises(GenerationError, match="no room"):
        engine.generate([[1] * 5], Sampling(3))
    assert fake.asked == []
    engine.generate([[1, 2]], Sampling(30, stop_ids=(256,)))
    assert fake.asked[-1][1]["max_tokens"] == 3, "the room in the context"
