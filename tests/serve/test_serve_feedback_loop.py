"""The whole loop: capture, curate, tune from the adapter before, gate, promote, roll back."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_job_runs import COLOURS, QUICK, create, run_next

from assay.cli import main
from assay.runs.store import Store, add_key
from assay.serve.assemble import assembled
from assay.serve.bases import Bases

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]
NUM = 110
"""Enough for a test of 30 items, which the gate of the task asks for."""


def ask(client: openai.OpenAI, number: int, **options: Any) -> Any:
    text = f"Item {number} has the colour {COLOURS[number % 5]}. Say it."
    return client.chat.completions.create(
        model="colours@prod",
        messages=[{"role": "user", "content": text}],
        max_completion_tokens=4,
        temperature=0,
        **options,
    )


def test_what_users_say_becomes_a_release_that_can_be_taken_back(
    store: Store,
    small_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    _, secret = add_key(store, "tests", ["admin"])
    own = ["--store", str(store.folder)]

    def run(*command: str) -> Any:
        capsys.readouterr()
        assert main([*command, *own, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    bases = Bases({"gpt-4.1-mini": str(small_base)})
    with assembled(store, bases, served="gpt-4.1-mini") as app, serving(app) as url:
        client = Served(store, url, secret).client()
        job = create(client)
        run_next(store)
        first = client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
        assert first is not None
        run("promote", "colours@prod", first)

        for number in range(NUM):
            made = ask(client, number, store=True, user=f"user-{number % 3}")
            said = {"completion_id": made.id, "rating": -1, "correction": COLOURS[number % 5]}
            client.post("/feedback", cast_to=object, body=said)
        before = ask(client, 1).choices[0].message.content

        review, out = str(tmp_path / "review.jsonl"), str(tmp_path / "feedback")
        assert run("data", "from-feedback", "--review", review)["num_candidates"] == NUM
        # Rows of a form are near copies of one another, as they are meant here.
        rules = ["--rule", "near_duplicate=off", "--as-file"]
        found = run("data", "from-feedback", "--reviewed", review, "--out", out, *rules)
        rows = found["versions"]["answers"]
        assert rows["num_rows"] == NUM

        train = {"max_steps": 60, "learning_rate": 0.02}
        job = client.fine_tuning.jobs.create(
            model="colours@prod",
            training_file=rows["file"],
            suffix="better",
            extra_body={"x_assay": {**QUICK, "train": train}},
        )
        run_next(store)
        done = client.fine_tuning.jobs.retrieve(job.id)
        second = done.fine_tuned_model
        assert second is not None and second != first, done.error
        extra = (done.model_extra or {})["x_assay"]
        assert first in json.dumps(extra) and extra["verdict"]["status"] == "released"

        run("promote", "colours@prod", second)
        assert (answer := ask(client, 1)).model == second
        assert answer.choices[0].message.content != before
        run("rollback", "colours@prod")
        assert ask(client, 1).model == first
        assert ask(client, 1).choices[0].message.content == before
