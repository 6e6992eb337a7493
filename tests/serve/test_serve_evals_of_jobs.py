"""An eval of what a reinforcement job made: its mean score is the job's own validation reward."""

import json
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_job_runs import QUICK, run_next

from assay.runs.store import Store, add_key
from assay.serve.assemble import assembled
from assay.serve.bases import Bases

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]
LENGTH = 8
# Any text of a random base scores something else, so that no two rewards are equal by chance.
LIKE: Any = {
    "type": "text_similarity",
    "name": "like",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "evaluation_metric": "fuzzy_match",
}


def build_row(number: int) -> dict[str, Any]:
    text = f"Say the number {number}, then the word it stands for."
    return {"messages": [{"role": "user", "content": text}], "answer": f"number {number}"}


def upload(client: openai.OpenAI, rows: list[Any], purpose: Any) -> str:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return client.files.create(file=("rows.jsonl", content), purpose=purpose).id


def test_a_run_over_a_tuned_model_equals_its_jobs_validation_reward(
    store: Store, small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    _, secret = add_key(store, "tests", ["admin"])
    bases = Bases({"gpt-4.1-mini": str(small_base)})
    held_out = [build_row(number) for number in range(100, 116)]
    with assembled(store, bases, served="gpt-4.1-mini") as app, serving(app) as url:
        client = Served(store, url, secret).client()
        job = client.fine_tuning.jobs.create(
            model="gpt-4.1-mini",
            training_file=upload(client, [build_row(n) for n in range(200, 320)], "fine-tune"),
            validation_file=upload(client, held_out, "fine-tune"),
            seed=5,
            method={
                "type": "reinforcement",
                "reinforcement": {
                    "grader": LIKE,
                    "hyperparameters": {"eval_interval": 2, "batch_size": 4},
                },
            },
            extra_body={
                "x_assay": {
                    **QUICK,
                    "data": {"test_ratio": 0.3},
                    "objective": {"max_new_tokens": LENGTH, "group_size": 4},
                    "train": {"max_steps": 4, "learning_rate": 0.02},
                }
            },
        )
        run_next(store)
        done = client.fine_tuning.jobs.retrieve(job.id)
        assert done.fine_tuned_model, done.error
        events = client.fine_tuning.jobs.list_events(job.id, limit=100)
        told: list[Any] = [event.data for event in events if event.type == "metrics"]
        rewards = [one["valid_mean_reward"] for one in told if "valid_mean_reward" in one]
        schema = {"type": "object", "required": ["answer", "messages"]}
        made = client.evals.create(
            data_source_config={"type": "custom", "item_schema": schema},
            testing_criteria=[{**LIKE, "pass_threshold": 0.5}],
        )
        file_id = upload(client, [{"item": row} for row in held_out], "evals")
        run = client.evals.runs.create(
            made.id,
            data_source={
                "type": "completions",
                "model": done.fine_tuned_model,
                "source": {"type": "file_id", "id": file_id},
                "input_messages": {"type": "item_reference", "item_reference": "item.messages"},
                "sampling_params": {"temperature": 0, "max_completion_tokens": LENGTH},
            },
        )
        while run.status in ("queued", "in_progress"):
            time.sleep(0.1)
            run = client.evals.runs.retrieve(run.id, eval_id=made.id)
    assert (run.status, run.result_counts.total, run.result_counts.errored) == ("completed", 16, 0)
    extra: Any = run.model_extra
    # The released weights are those of the best held-out reward.
    assert extra["x_assay"]["mean_scores"]["like"] == pytest.approx(max(rewards), abs=1e-6)
