"""`auto` is answered by the adapter whose prompt it is; others go where the policy says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import torch
from asking import WEATHER
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from releases import Known, make_release
from sockets import Served, serving

from assay.chat.user_turn import find_user_turn
from assay.data.records import Record
from assay.errors import ConfigError
from assay.evaluate.scope import Scope
from assay.generate.local import LocalEngine
from assay.generate.states import compute_mean_states
from assay.models.base import BaseFiles
from assay.pipeline.scope import Rows, TurnMeter, build_scope
from assay.release import load_or_make_key
from assay.runs.store import add_key, open_store
from assay.serve.app import build_app
from assay.serve.inference import chat, completions, models
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.inference.inference import Inference
from assay.serve.router.auto import Routing, build_auto
from assay.serve.router.file import load_policy
from assay.serve.router.log import read_log

ORDERS, WORDS, BARE = "ft:tiny:assay:orders:a", "ft:tiny:assay:words:b", "ft:tiny:assay:bare:c"
HELD = "ft:tiny:assay:held:d"
ORDER, WORD = "Where is my order {}?", "Write the word {} backwards, please."
FOREIGN = "My tooth hurts when I drink cold water. What could it be, and whom should I ask?"
KEY = "sk-remote-secret"
POLICY = """\
models:
  orders: {{model: "{orders}"}}
  words: {{model: "{words}"}}
remotes:
  far: {{base_url: "{url}", model: far-large, key_variable: FAR_KEY}}
labels: {{secret: {{remote: false}}, open: {{remote: true}}}}
{more}
"""


def row(text: str, number: int) -> Record:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]
    return Record(str(number), messages, None, "chat", None, "f", number, "s")


@pytest.fixture(scope="module")
def scopes(tiny_engine: LocalEngine) -> dict[str, Scope]:
    names = ["lamp", "chair", "stone", "river", "cloud", "paper", "apple", "horse", "spoon", "sea"]
    pairs = [(a, b) for a in names for b in names]
    found = {}
    for name, texts in (
        (ORDERS, [ORDER.format(n) for n in random.Random(0).sample(range(1000, 10_000), 120)]),
        (WORDS, [WORD.format(f"{a} {b}") for a, b in random.Random(0).sample(pairs, 90)]),
    ):
        records = [row(text, n) for n, text in enumerate(texts)]
        rows = Rows(records[::3], records[1::3], records[2::3])
        built = build_scope(rows, TurnMeter(tiny_engine, nullcontext), for_tiny=True, seed=0)
        assert isinstance(built, Scope)
        found[name] = built
    return found


@pytest.fixture(scope="module")
def records(
    tiny: BaseFiles, scopes: dict[str, Scope], tmp_path_factory: pytest.TempPathFactory
) -> Known:
    root = tmp_path_factory.mktemp("routed")
    key = load_or_make_key(tmp_path_factory.mktemp("key") / "own" / "key.pem")
    known = Known()
    for seed, name in enumerate((ORDERS, WORDS, BARE, HELD)):
        made = make_release(tiny, root, name, key=key, seed=seed, scope=scopes.get(name))
        known.add(made if name != HELD else replace(made, state="overridden"))
    return known


@dataclass
class Remote:
    """A remote server that says what it was sent."""

    seen: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Response] = lambda body: JSONResponse(
        {
            "id": "far-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "From afar.", "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    )

    def build(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/{path:path}")
        async def take(path: str, request: Request) -> Response:
            body = await request.json()
            self.seen.append((dict(request.headers), body))
            return self.answer(body)

        return app


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Remote, str]]:
    remote = Remote()
    with serving(remote.build()) as url:
        yield remote, url


@pytest.fixture()
def remote(far: tuple[Remote, str]) -> Remote:
    far[0].seen.clear()
    far[0].answer = Remote().answer
    return far[0]


Routed = Callable[..., Any]


@pytest.fixture()
def routed(
    inference: Inference,
    tiny: BaseFiles,
    records: Known,
    far: tuple[Remote, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Routed:
    """Serves with a policy; the server that answers while the block lasts, and its log."""
    monkeypatch.setenv("FAR_KEY", KEY)

    @contextmanager
    def serve(
        more: str = "", *, orders: str = ORDERS, allow_private: bool = True
    ) -> Iterator[tuple[Served, Path]]:
        path, log = tmp_path / "router.yaml", tmp_path / "routing.jsonl"
        path.write_text(POLICY.format(orders=orders, words=WORDS, url=far[1], more=more), "utf-8")
        catalog = ReleaseCatalog(tiny, ("tiny",), 1, records, with_scope=True)
        own = replace(inference, catalog=catalog)
        routing = Routing(load_policy(path), log)
        auto = build_auto(own, routing, base_name="tiny", allow_private=allow_private)
        own = replace(own, auto=auto)
        store = open_store(tmp_path / "store")
        _, secret = add_key(store, "tests", ["infer"], project="desk")
        parts = (chat, completions, models)
        with serving(build_app(store, routers=[p.build_router(own) for p in parts])) as url:
            yield Served(store, url, secret), log
        store.close()

    return serve


def ask(served: Served, text: str, **options: Any) -> Any:
    given = {"model": "auto", "max_completion_tokens": 4, "temperature": 0, **options}
    client = served.client(_strict_response_validation=True)
    messages = given.pop("messages", [{"role": "user", "content": text}])
    return client.chat.completions.with_raw_response.create(messages=messages, **given)


def test_prompts_go_to_the_adapter_that_they_are_for_and_others_to_the_base(
    routed: Routed,
) -> None:
    with routed() as (served, _):
        found = [ask(served, t) for t in (ORDER.format(1500), WORD.format("apple stone"), FOREIGN)]
        alone = [
            served.client().chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": text}],
                max_completion_tokens=4,
                temperature=0,
            )
            for model, text in ((ORDERS, ORDER.format(1500)), ("tiny", FOREIGN))
        ]
    assert [one.parse().model for one in found] == [ORDERS, WORDS, "tiny"]
    assert [one.headers["x-assay-route"] for one in found] == ["orders", "words", "base"]
    assert [one.headers["x-assay-model"] for one in found] == [ORDERS, WORDS, "tiny"]
    reasons = ["in_scope", "in_scope", "outside_scope"]
    assert [one.headers["x-assay-reason"] for one in found] == reasons
    route = found[0].parse().model_extra["x_assay"]["route"]
    assert route["scores"]["orders"]["p_value"] > 0.05 > route["scores"]["words"]["p_value"]
    shown = dict(part.split("=") for part in found[0].headers["x-assay-scores"].split(","))
    assert float(shown["orders"]) == pytest.approx(route["scores"]["orders"]["p_value"], abs=1e-4)
    # The answer is the one that the model gives when it is named.
    said = [one.parse().choices[0].message.content for one in (found[0], found[2])]
    assert said == [one.choices[0].message.content for one in alone]


def test_streams_and_completions_are_routed_and_say_so(routed: Routed) -> None:
    with routed("rules: [{when: {tools: true}, to: base, name: tools}]") as (served, _):
        streamed = ask(served, ORDER.format(4321), stream=True)
        chunks = list(streamed.parse())
        with_tools = ask(served, ORDER.format(4321), tools=[WEATHER])
        client = served.client()
        text = client.completions.with_raw_response.create(
            model="auto", prompt="Once", max_tokens=2
        )
        listed = [one.id for one in client.models.list()]
        with pytest.raises(openai.BadRequestError, match="one prompt"):
            client.completions.create(model="auto", prompt=["a", "b"])
    assert streamed.headers["x-assay-route"] == "orders"
    assert {chunk.model for chunk in chunks} == {ORDERS}
    assert chunks[0].model_extra["x_assay"]["route"]["to"] == "orders"
    assert (with_tools.headers["x-assay-route"], with_tools.headers["x-assay-rule"]) == (
        "base",
        "tools",
    )
    assert text.headers["x-assay-route"] == "base"
    assert listed[0] == "auto"


def test_a_turn_stays_with_its_adapter_while_tools_answer(routed: Routed) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns: list[dict[str, Any]] = [{"role": "user", "content": ORDER.format(4321)}]
    more = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": FOREIGN},
    ]
    with routed() as (served, log):
        ask(served, "", messages=turns)
        ask(served, "", messages=[*turns, *more])
        first, second = read_log(log)
    assert first.readings == second.readings
    assert second.facts.num_tokens > first.facts.num_tokens


def test_a_remote_model_gets_the_request_and_nothing_of_the_clients(
    routed: Routed, remote: Remote
) -> None:
    with routed("outside: far") as (served, _):
        found = ask(served, FOREIGN, user="anna", metadata={"privacy": "open", "who": "anna"})
        with pytest.raises(openai.BadRequestError, match="store"):
            ask(served, FOREIGN, store=True)
    headers, body = remote.seen[0]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["model"] == "far-large"
    assert body["messages"] == [{"role": "user", "content": FOREIGN}]
    assert "anna" not in json.dumps([headers, body])
    assert served.key not in json.dumps([headers, body])
    answer = found.parse()
    assert answer.choices[0].message.content == "From afar."
    assert answer.model_extra["x_assay"]["route"]["to"] == "far"
    assert found.headers["x-assay-model"] == "far-large"


def test_a_remote_stream_is_passed_on_event_by_event(routed: Routed, remote: Remote) -> None:
    def stream(body: dict[str, Any]) -> Response:
        def events() -> Iterator[str]:
            for place, text in enumerate(("From", " afar")):
                choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
                chunk = {"id": "f", "object": "chat.completion.chunk", "created": place}
                yield f"data: {json.dumps({**chunk, 'model': 'm', 'choices': [choice]})}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    remote.answer = stream
    with routed("outside: far") as (served, _):
        found = ask(served, FOREIGN, stream=True)
        text = "".join(chunk.choices[0].delta.content for chunk in found.parse())
    assert text == "From afar"
    assert found.headers["x-assay-route"] == "far"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda body: JSONResponse({"error": f"bad key {KEY}"}, 401), "remote_unavailable"),
        (lambda body: Response("not json"), "remote_invalid"),
        (lambda body: JSONResponse([1]), "remote_invalid"),
    ],
)
def test_remote_failures_are_told_without_what_was_said(
    routed: Routed, remote: Remote, answer: Any, code: str
) -> None:
    remote.answer = answer
    with routed("outside: far") as (served, _), pytest.raises(openai.APIStatusError) as caught:
        ask(served, FOREIGN)
    assert (caught.value.status_code, caught.value.code) == (502, code)
    assert KEY not in str(caught.value)


def test_private_addresses_are_refused_unless_they_are_allowed(
    routed: Routed, remote: Remote
) -> None:
    with (
        routed("outside: far", allow_private=False) as (served, _),
        pytest.raises(openai.APIStatusError) as caught,
    ):
        ask(served, FOREIGN)
    assert caught.value.status_code == 502
    assert remote.seen == []


def test_labels_keep_requests_here_and_unknown_ones_are_refused(
    routed: Routed, remote: Remote
) -> None:
    with routed("outside: far\ninstead_of_remote: base") as (served, _):
        found = ask(served, FOREIGN, metadata={"privacy": "secret"})
        by_header = ask(served, FOREIGN, extra_headers={"x-assay-privacy": "secret"})
        with pytest.raises(openai.BadRequestError, match="known: secret, open"):
            ask(served, FOREIGN, metadata={"privacy": "secrt"})
        with pytest.raises(openai.BadRequestError, match="differ"):
            header = {"x-assay-privacy": "open"}
            ask(served, FOREIGN, metadata={"privacy": "secret"}, extra_headers=header)
    assert found.headers["x-assay-reason"] == "remote_forbidden"
    assert by_header.headers["x-assay-route"] == "base"
    assert remote.seen == []


def test_the_policy_can_refuse(routed: Routed) -> None:
    more = 'outside: refuse\nrefusal: "Ask the desk."'
    with routed(more) as (served, _):
        with pytest.raises(openai.PermissionDeniedError, match="Ask the desk") as caught:
            ask(served, FOREIGN)
        assert ask(served, ORDER.format(4321)).headers["x-assay-route"] == "orders"
    assert caught.value.code == "router_refused"
    assert caught.value.response.headers["x-assay-reason"] == "outside_scope"


@pytest.mark.parametrize(
    ("model", "obstacle"),
    [(BARE, "no_scope"), (HELD, "not_released"), ("ft:gone", "model_not_found")],
)
def test_models_without_scope_or_release_are_not_chosen_and_why_is_said(
    routed: Routed, model: str, obstacle: str
) -> None:
    with routed(orders=model) as (served, log):
        found = ask(served, ORDER.format(4321))
        (line,) = read_log(log)
    assert found.headers["x-assay-route"] == "base"
    assert line.readings["orders"].obstacle == obstacle


def test_the_log_has_no_prompt_unless_it_is_asked_for(routed: Routed) -> None:
    with routed() as (served, log):
        ask(served, ORDER.format(4711))
        text = log.read_text("utf-8")
        assert "4711" not in text
        assert json.loads(text)["facts"]["project"] == "desk"
        log.unlink()
    with routed("log_prompts: true") as (served, log):
        ask(served, ORDER.format(4711))
        assert "4711" in log.read_text("utf-8")


def test_a_key_that_is_not_set_is_named_at_the_start(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAR_KEY")
    with pytest.raises(ConfigError, match="FAR_KEY"), routed():
        pass


def test_live_readings_are_those_of_the_offline_states_and_likelihoods(
    inference: Inference, tiny_engine: LocalEngine, records: Known
) -> None:
    from assay.generate.likelihood import score_sequences
    from assay.models.low_rank import load_low_rank

    turn = find_user_turn(tiny_engine.tokenizer, [{"role": "user", "content": FOREIGN}])
    masks = [turn.mask, [1.0] * len(turn.input_ids)]
    adapter = load_low_rank(records.records[ORDERS].folder, "orders")

    def read() -> Any:
        return inference.batch.read(
            turn.input_ids, layers=(0, 2, 4), masks=masks, adapters=[adapter], owner="me"
        )

    found = inference.scheduler.call(read).result(60)
    alone = inference.scheduler.call(
        lambda: inference.batch.read(turn.input_ids, layers=(0, 2, 4), masks=masks)
    ).result(60)
    # The one ends before the last layers, the other has an adapter beside the base.
    assert torch.allclose(alone.means_BD, found.means_BD, atol=1e-3, rtol=1e-3)
    assert alone.logprobs == []
    offline = compute_mean_states(
        tiny_engine.model, [(turn.input_ids, mask) for mask in masks], (0, 2, 4)
    )
    assert np.allclose(found.means_BD.numpy(), offline.reshape(6, -1), atol=2e-2, rtol=2e-2)
    (own,) = score_sequences(tiny_engine.model, [(turn.input_ids, turn.mask)])
    assert found.logprobs[0] == pytest.approx(own.sum_logprob, rel=5e-3)
    assert found.num_scored == own.weight
    assert found.logprobs[1] != pytest.approx(found.logprobs[0], rel=1e-3)
    assert torch.isfinite(found.means_BD).all()


def test_what_a_call_raises_is_raised_to_its_caller_and_decoding_goes_on(
    inference: Inference,
) -> None:
    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        inference.scheduler.call(fail).result(60)
    assert inference.scheduler.call(lambda: 3).result(60) == 3
