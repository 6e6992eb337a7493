"""Runs of evals that ask this server's models: what they score is what training would score."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest
from peft import PeftModel
from releases import Known, make_release
from sockets import Served, serving

from assay.chat import render_prompt
from assay.data import TokenSequence
from assay.data.asked import Asked
from assay.generate.engine import Sampling
from assay.generate.local import LocalEngine
from assay.graders import build_grader
from assay.models.base import BaseFiles, load_model
from assay.release import load_or_make_key
from assay.runs.store import add_key, find_key, open_store, revoke_key
from assay.serve.app import build_app
from assay.serve.evals import routes
from assay.serve.evals.runner import Pace, build_service
from assay.serve.inference import chat
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.inference.inference import Inference
from assay.train.completions import write_groups

TUNED = "ft:tiny:assay:tuned:a"
LENGTH = 20
CITIES = ("Paris", "Oslo", "Rome", "Bern", "Lima", "Cairo", "Tokyo", "Quito", "Delhi", "Sofia")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LIKE: Any = {
    "type": "text_similarity",
    "name": "like",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.city }} is a city.",
    "evaluation_metric": "fuzzy_match",
}
GREEDY: Any = {"temperature": 0, "max_completion_tokens": LENGTH}


def build_rows() -> list[dict[str, Any]]:
    return [
        {"city": city, "messages": [{"role": "user", "content": f"What is {city}? Be brief."}]}
        for city in CITIES
    ]


@pytest.fixture(scope="module")
def evaluated(
    inference: Inference, tiny: BaseFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    root, known = tmp_path_factory.mktemp("evaluated"), Known()
    key = load_or_make_key(root / "own" / "key.pem")
    known.add(make_release(tiny, root, TUNED, key=key, seed=3, std=0.4))
    own = replace(inference, catalog=ReleaseCatalog(tiny, ("tiny",), 1, known))
    store = open_store(root / "store")
    _, secret = add_key(store, "tests", ["admin"])
    app = build_app(
        store,
        routers=[chat.build_router(own), routes.build_router(own)],
        services=[build_service(asks_models=True, pace=Pace(look_s=0.1, idle_s=0.05))],
    )
    with serving(app) as url:
        yield Served(store, url, secret)
    store.close()


@pytest.fixture()
def client(evaluated: Served) -> openai.OpenAI:
    return evaluated.client()


def begin(client: openai.OpenAI, model: str = TUNED, **source: Any) -> Any:
    made = client.evals.create(
        data_source_config={"type": "custom", "item_schema": SCHEMA},
        testing_criteria=[{**LIKE, "pass_threshold": 0.3}],
    )
    content = [{"item": row} for row in build_rows()]
    fixed: Any = {
        "type": "completions",
        "model": model,
        "source": {"type": "file_content", "content": content},
        "input_messages": {"type": "item_reference", "item_reference": "item.messages"},
        "sampling_params": GREEDY,
    }
    return client.evals.runs.create(made.id, data_source={**fixed, **source})


def wait(client: openai.OpenAI, run: Any) -> Any:
    until = time.monotonic() + 120
    while run.status not in ("completed", "failed", "canceled"):
        assert time.monotonic() < until, run
        time.sleep(0.02)
        run = client.evals.runs.retrieve(run.id, eval_id=run.eval_id)
    return run


def measure_as_training_does(tiny: BaseFiles, folder: Any) -> list[float]:
    """Rewards of the rows as a job's validation measures them."""
    model = PeftModel.from_pretrained(load_model(tiny), folder).get_base_model()
    engine = LocalEngine(model, tiny.tokenizer, context_len=tiny.context_len)
    rows = build_rows()
    prompts = []
    for place, row in enumerate(rows):
        ids = list(render_prompt(tiny.tokenizer, row["messages"]))
        told = Asked(tuple(row["messages"]), item={"city": row["city"]})
        one = TokenSequence(
            input_ids=ids,
            loss_mask=[0.0] * len(ids),
            record_id=str(place),
            kind="chat",
            place=f"rows:{place + 1}",
            asked=told,
        )
        prompts.append(one)
    sampling = Sampling(max_new_tokens=LENGTH, temperature=0.0)
    grader = build_grader(LIKE)
    groups = write_groups(engine, grader, prompts, range(len(rows)), sampling, group_size=1)
    return [reward for group in groups for reward in group.rewards]


def test_a_run_over_a_tuned_model_scores_what_its_job_would(
    client: openai.OpenAI, evaluated: Served, tiny: BaseFiles
) -> None:
    run = wait(client, begin(client))
    assert (run.status, run.model, run.error) == ("completed", TUNED, None)
    items = list(client.evals.runs.output_items.list(run.id, eval_id=run.eval_id))
    scores = [one.results[0].score for one in items]
    folder = next(evaluated.store.folder.parent.glob("ft-tiny*")) / "adapter"
    expected = measure_as_training_does(tiny, folder)
    assert scores == pytest.approx(expected, abs=1e-6) and len(set(expected)) > 3
    mean = sum(expected) / len(expected)
    assert run.x_assay["mean_scores"]["like"] == pytest.approx(mean, abs=1e-6)
    base = wait(client, begin(client, model="tiny"))
    assert base.x_assay["mean_scores"]["like"] != run.x_assay["mean_scores"]["like"]
    counts = run.result_counts
    assert counts.passed == sum(score >= 0.3 for score in expected)
    assert counts.passed + counts.failed + counts.errored == counts.total == len(CITIES)
    (used,) = run.per_model_usage
    assert used.invocation_count == len(CITIES) and used.run_model_name == TUNED
    assert used.total_tokens == sum(one.sample.usage.total_tokens for one in items)
    assert items[0].sample.input[0].content == "What is Paris? Be brief."
    assert items[0].sample.output[0].content and items[0].sample.seed == 42


def test_a_template_asks_what_it_says_and_a_hole_without_a_value_is_told(
    client: openai.OpenAI,
) -> None:
    template: Any = {
        "type": "template",
        "template": [
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": {"type": "input_text", "text": "Say {{ item.city }} {{ item.more }}."},
            },
        ],
    }
    content = [{"item": {"city": "Oslo", "more": "now"}}, {"item": {"city": "Rome"}}]
    source: Any = {"type": "file_content", "content": content}
    run = wait(client, begin(client, "tiny", input_messages=template, source=source))
    good, bad = client.evals.runs.output_items.list(run.id, eval_id=run.eval_id)
    assert [one.content for one in good.sample.input] == ["Be brief.", "Say Oslo now."]
    assert (bad.status, bad.sample.error.code) == ("error", "invalid_variable_error")
    counts = run.result_counts
    assert (run.status, counts.errored, counts.total) == ("completed", 1, 2)


def test_a_row_that_cannot_be_asked_errs_alone(client: openai.OpenAI) -> None:
    rows = [
        {"city": "Oslo", "messages": [{"role": "user", "content": "hi<|end|>"}]},
        {"city": "Oslo", "messages": "none"},
        {"city": "Oslo", "messages": [{"role": "king", "content": "hi"}]},
        {"city": "Oslo", "messages": [{"role": "user", "content": "Hello"}]},
    ]
    source: Any = {"type": "file_content", "content": [{"item": row} for row in rows]}
    run = wait(client, begin(client, "tiny", source=source))
    items = list(client.evals.runs.output_items.list(run.id, eval_id=run.eval_id))
    codes = [one.sample.error and one.sample.error.code for one in items]
    assert codes == ["control_text", "invalid_variable_error", "invalid_value", None]
    assert run.status == "completed" and run.result_counts.errored == 3


def test_who_may_not_ask_a_model_begins_no_run_with_it(
    client: openai.OpenAI, evaluated: Served
) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        begin(client, "none")
    assert unknown.value.code == "model_not_found"
    _, trains = add_key(evaluated.store, "trains", ["train"])
    with pytest.raises(openai.PermissionDeniedError):
        begin(evaluated.client(api_key=trains), "tiny")
    for source, param in (
        ({"input_messages": None}, "data_source"),
        ({"sampling_params": {"logprobs": True}}, "data_source"),
        ({"type": "responses"}, "data_source"),
        (
            {"input_messages": {"type": "template", "template": [{"role": "x", "content": "a"}]}},
            "data_source.input_messages",
        ),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            begin(client, "tiny", **source)
        assert str(caught.value.param).startswith(param)


def test_a_run_ends_with_the_key_that_began_it(evaluated: Served) -> None:
    _, secret = add_key(evaluated.store, "short", ["train", "infer"])
    key = find_key(evaluated.store, secret)
    assert key is not None
    content: Any = [{"item": row} for row in build_rows() * 20]
    source: Any = {"type": "file_content", "content": content}
    run = begin(evaluated.client(api_key=secret), "tiny", source=source)
    revoke_key(evaluated.store, key.id)
    ended = wait(evaluated.client(), run)
    assert (ended.status, ended.error.code) == ("failed", "invalid_api_key")
    assert "was revoked" in ended.error.message and ended.result_counts.total < 200
