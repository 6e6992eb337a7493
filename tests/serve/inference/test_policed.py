"""Tool calls of served models are checked before a client sees them, whole and streamed."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from asking import WEATHER, ask
from releases import Known, make_release
from sockets import Served, serving

from assay.chat import render_text
from assay.models.base import BaseFiles
from assay.pipeline.feedback.candidates import gather_candidates
from assay.release import SigningKey, load_or_make_key
from assay.runs.store import DEFAULT_PROJECT, add_key, open_store, read_tallies
from assay.runs.store.completions import find_completion
from assay.serve.app import build_app
from assay.serve.inference import chat, completions
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.inference.inference import Inference
from assay.serve.responses import routes as responses
from assay.tools.policy import Policy, ToolRule

QUESTION = "What is the weather in Oslo?"
CALL_PARTS = ("get_weather", "Oslo", "city", "tool_call", "<tool", "arguments")
RULE = ToolRule(
    parameters=WEATHER["function"]["parameters"],  # type: ignore[index]
    max_per_turn=1,
    max_per_conversation=1,
)
ALLOWS = Policy(tools={"get_weather": RULE}, max_per_turn=1, max_per_conversation=1)
OPEN, SHUT, OLD = "ft:tiny:assay:open:a", "ft:tiny:assay:shut:b", "ft:tiny:assay:old:c"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_make_key(tmp_path_factory.mktemp("key") / "own" / "key.pem")


@pytest.fixture(scope="module")
def known(tiny: BaseFiles, key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Models that all say what the base says: of one policy, of one that denies, of none."""
    root, found = tmp_path_factory.mktemp("releases"), Known()
    for name, policy in ((OPEN, ALLOWS), (SHUT, Policy()), (OLD, None)):
        found.add(make_release(tiny, root, name, key=key, std=0.0, policy=policy))
    return found


@pytest.fixture(scope="module")
def policed(
    inference: Inference, tiny: BaseFiles, known: Known, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    catalog = ReleaseCatalog(tiny, ("tiny",), 1, known)
    own = replace(inference, catalog=catalog)
    store = open_store(tmp_path_factory.mktemp("store"))
    _, secret = add_key(store, "tests", ["train", "infer"])
    routers = [one.build_router(own) for one in (chat, completions, responses)]
    with serving(build_app(store, routers=routers)) as url:
        yield Served(store, url, secret)
    store.close()


def post(served: Served, path: str, body: dict[str, Any]) -> str:
    headers = {"authorization": f"Bearer {served.key}"}
    answer = httpx.post(f"{served.url}/{path}", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text


def build_body(model: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": QUESTION}]
    fixed = {"temperature": 0, "max_completion_tokens": 64, "tools": [WEATHER]}
    return {"model": model, "messages": messages, **fixed, **more}


def read_events(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def wait_for(served: Served, model: str, kind: str, least: int) -> dict[str, int]:
    for _ in range(100):
        found = read_tallies(served.store, model)
        if found.get(kind, 0) >= least:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{kind} stays at {found}")


@pytest.mark.parametrize("is_strict", [False, True])
def test_an_allowed_call_is_the_bases_own_whole_and_streamed(
    policed: Served, is_strict: bool
) -> None:
    client = policed.client(_strict_response_validation=is_strict)
    options: dict[str, Any] = {"tools": [WEATHER], "max_completion_tokens": 64, "logprobs": True}
    own, found = (ask(client, QUESTION, model=one, **options).choices[0] for one in ("tiny", OPEN))
    (call,), (same,) = own.message.tool_calls, found.message.tool_calls
    assert found.finish_reason == "tool_calls" and found.message.refusal is None
    assert call.function == same.function
    assert [e.token for e in found.logprobs.content] == [e.token for e in own.logprobs.content]
    chunks = list(ask(client, QUESTION, model=OPEN, stream=True, **options))
    parts = [c.choices[0] for c in chunks]
    (streamed,) = [one for p in parts for one in p.delta.tool_calls or ()]
    assert (streamed.index, streamed.function.arguments) == (0, call.function.arguments)
    told = [e.token for p in parts if p.logprobs for e in p.logprobs.content or ()]
    assert told == [e.token for e in own.logprobs.content]
    assert parts[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize("model", [SHUT, OLD])
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_no_part_of_a_denied_call_leaves_whole_or_streamed(
    policed: Served, model: str, choice: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = read_tallies(policed.store, model).get("call:block", 0)
    body = build_body(model, tool_choice=choice, logprobs=True, top_logprobs=3, n=2)
    with caplog.at_level(logging.WARNING, "assay.serve"):
        whole = json.loads(post(policed, "chat/completions", body))
        text = post(policed, "chat/completions", {**body, "stream": True})
    assert not any(part in json.dumps(whole) + text for part in CALL_PARTS)
    for one in whole["choices"]:
        assert one["finish_reason"] == "stop" and one["logprobs"] is None
        assert "tool_calls" not in one["message"]
        assert one["message"]["refusal"].startswith("The tool policy blocked 1 call")
        assert one["tool_policy"][0]["breaches"][0]["rule"] == "unknown_tool"
    ends = [c for e in read_events(text) for c in e["choices"] if c["finish_reason"]]
    assert [one["finish_reason"] for one in ends] == ["stop", "stop"]
    assert all(one["tool_policy"] == whole["choices"][0]["tool_policy"] for one in ends)
    found = wait_for(policed, model, "call:block", before + 4)
    assert found["call:block"] == found["breached"] == found["answers"]
    assert found["rule:unknown_tool"] == found["answers"]
    lines = [r for r in caplog.records if r.message == "tool call"]
    assert len(lines) == 4 and {r.model for r in lines} == {model}  # type: ignore[attr-defined]
    assert not any(part in str(vars(r)) for r in lines for part in CALL_PARTS)


def test_a_base_has_no_policy_and_no_counts(policed: Served) -> None:
    found = json.loads(post(policed, "chat/completions", build_body("tiny")))["choices"][0]
    assert found["message"]["tool_calls"] and "tool_policy" not in found
    assert read_tallies(policed.store, "tiny") == {}


def test_a_budget_counts_the_calls_of_the_conversation(policed: Served) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    earlier: list[Any] = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "Sunny."},
        {"role": "user", "content": QUESTION},
    ]
    body = build_body(OPEN, messages=earlier, tool_choice="required")
    found = json.loads(post(policed, "chat/completions", body))["choices"][0]
    assert found["tool_policy"][0]["breaches"][0]["rule"] == "budget"
    assert "tool_calls" not in found["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [OPEN, SHUT])
def test_a_call_spelled_in_a_plain_completion_does_not_leave(
    policed: Served, tiny: BaseFiles, model: str, stream: bool
) -> None:
    user = {"role": "user", "content": QUESTION}
    prompt = render_text(tiny.tokenizer, [user], tools=[WEATHER], add_generation_prompt=True)
    body = {"model": "tiny", "prompt": prompt, "max_tokens": 64, "temperature": 0, "logprobs": 2}
    assert "get_weather" in post(policed, "completions", body)
    text = post(policed, "completions", {**body, "model": model, "stream": stream})
    # A decision names a tool that the policy knows.
    assert not any(part in text for part in CALL_PARTS[model == OPEN :])
    assert ("not_offered" if model == OPEN else "unknown_tool") in text


def test_plain_text_is_the_bases_own_with_its_log_probabilities_as_it_comes(
    policed: Served,
) -> None:
    client = policed.client()
    options: dict[str, Any] = {"logprobs": True, "stream": True, "temperature": 1.1, "seed": 3}
    text = "What is the capital of France?"
    streams = [list(ask(client, text, model=m, **options)) for m in ("tiny", SHUT)]
    said = [
        [(c.choices[0].delta.content or "", c.choices[0].logprobs) for c in one] for one in streams
    ]
    texts = ["".join(part for part, _ in one) for one in said]
    assert texts[0] == texts[1] and len(streams[1]) > 4
    tokens = [[e.token for _, told in one if told for e in told.content or ()] for one in said]
    assert tokens[0] == tokens[1]


def test_a_checkpoint_stands_under_the_policy_that_its_run_would_freeze(
    policed: Served, tiny: BaseFiles, known: Known, key: SigningKey, tmp_path: Path
) -> None:
    """Its training rows call nothing, so nothing may be called; an edited file would be taken."""
    name = f"{OLD}:ckpt-step-1"
    made = make_release(tiny, tmp_path, name, key=key, std=0.0)
    known.add(replace(made, is_checkpoint=True, is_released=False))
    found = json.loads(post(policed, "chat/completions", build_body(name)))["choices"][0]
    assert found["finish_reason"] == "stop" and "tool_calls" not in found["message"]
    assert not (made.run / "tool-policy.yaml").exists()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_response_has_no_part_of_a_denied_call(policed: Served, streamed: bool) -> None:
    tool = {"type": "function", **WEATHER["function"]}
    body = {"input": QUESTION, "tools": [tool], "temperature": 0, "max_output_tokens": 64}
    told = {}
    for model in (OPEN, SHUT):
        asked = {**body, "model": model, "stream": streamed, "store": False}
        told[model] = post(policed, "responses", asked)
    assert "Oslo" in told[OPEN]
    # The answer echoes the tools that were offered.
    left = told[SHUT].replace(json.dumps(tool["parameters"], separators=(",", ":")), "")
    assert not any(part in left for part in ("Oslo", "tool_call_id", "<tool", "call_id"))
    last = told[SHUT].strip().rpartition("data: ")[2]
    whole = json.loads(last)["response"] if streamed else json.loads(last)
    assert [item["type"] for item in whole["output"]] == ["message"]
    assert whole["output"][-1]["content"][0]["type"] == "refusal"
    assert whole["tool_policy"][0]["outcome"] == "block"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_no_part_of_a_denied_call_is_stored(policed: Served, stream: bool) -> None:
    body = build_body(SHUT, tool_choice="required", store=True, stream=stream)
    shown = post(policed, "chat/completions", body)
    identity = read_events(shown)[0]["id"] if stream else json.loads(shown)["id"]
    row = find_completion(policed.store, identity, DEFAULT_PROJECT)
    assert row is not None
    (choice,) = row.response["choices"]
    assert choice["message"]["refusal"] and choice["tool_policy"]
    kept = json.dumps({**choice, "tool_policy": None})
    assert not [part for part in CALL_PARTS if part in kept]
    said = SimpleNamespace(choice=0, score=1.0, correction=None, comment=None)
    gathered = gather_candidates([(row, [said])])
    assert gathered.left_out == {"rated well, though calls of it were denied": 1}
