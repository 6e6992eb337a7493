"""What a job made answers under its name, beside the base, on the server that made it."""

from pathlib import Path

import httpx
import openai
import pytest
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_job_runs import create, run_next

from assay.runs.store import Store, add_key
from assay.serve.assemble import assembled
from assay.serve.bases import Bases

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]


def ask(client: openai.OpenAI, model: str) -> str:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Item 3 has the colour black. Say it."}],
        max_completion_tokens=4,
        temperature=0,
    )
    assert answer.model == model
    return str(answer.choices[0].message.content)


def test_a_released_model_and_its_checkpoint_answer_and_a_held_one_does_not(
    store: Store, small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    _, secret = add_key(store, "tests", ["admin"])
    bases = Bases({"gpt-4.1-mini": str(small_base)})
    with assembled(store, bases, served="gpt-4.1-mini") as app, serving(app) as url:
        client = Served(store, url, secret).client()
        job = create(client, train={"max_steps": 60, "learning_rate": 0.02})
        run_next(store)
        done = client.fine_tuning.jobs.retrieve(job.id)
        tuned = done.fine_tuned_model
        assert tuned, done.error
        listed = {one.id for one in client.models.list() if ":ckpt-step-" not in one.id}
        assert listed == {"gpt-4.1-mini", tuned}
        assert client.models.retrieve(tuned).id == tuned
        base = ask(client, "gpt-4.1-mini")
        assert ask(client, tuned) != base
        (point, *_) = client.fine_tuning.jobs.checkpoints.list(job.id).data
        assert ask(client, point.fine_tuned_model_checkpoint) != base
        _, infer = add_key(store, "i", ["infer"])
        with pytest.raises(openai.NotFoundError):
            ask(client.with_options(api_key=infer), point.fine_tuned_model_checkpoint)
        assert client.models.delete(tuned).deleted
        with pytest.raises(openai.NotFoundError) as caught:
            ask(client, tuned)
        assert caught.value.code == "model_not_found"
        with pytest.raises(openai.PermissionDeniedError):
            client.models.delete("gpt-4.1-mini")

        gates = {"policy": "minimal", "thresholds": {"min_gain": 1}}
        held = create(client, gates=gates)
        run_next(store)
        extra = client.fine_tuning.jobs.retrieve(held.id).model_extra["x_assay"]  # type: ignore[index]
        with pytest.raises(openai.PermissionDeniedError):
            ask(client, extra["held_model"])
        name = extra["held_model"]
        headers = {"authorization": f"Bearer {secret}"}
        body = {"model": name, "reason": "a test"}
        assert httpx.post(f"{url}/overrides", json=body, headers=headers).status_code == 200
        ask(client, name)  # which asserts whose answer it is
        shown = client.models.retrieve(name).model_extra
        assert shown == {"x_assay": {"state": "overridden", "override": "a test"}}
        assert httpx.delete(f"{url}/overrides/{name}", headers=headers).status_code == 200
        with pytest.raises(openai.PermissionDeniedError):
            ask(client, name)
