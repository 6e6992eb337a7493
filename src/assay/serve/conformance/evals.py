"""Checks 34 and 35: evals and their runs."""

from __future__ import annotations

from typing import Any

import openai

from assay.serve.conformance.check import Skipped, check, expect, expect_equal, expect_refused
from assay.serve.conformance.rows import GRADER, ask_colour, build_prompt, build_reinforcement
from assay.serve.conformance.session import Session

_TOLERANCE = 0.05
"""Between the reward that a job measured and that of an eval run over the same rows."""
_ENDED = ("completed", "failed", "canceled")


def _create(session: Session, name: str, *, with_sample: bool = False, **criterion: Any) -> Any:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    made = session.client().evals.create(
        name=name,
        metadata={"mark": name},
        data_source_config={
            "type": "custom",
            "item_schema": schema,
            "include_sample_schema": with_sample,
        },
        testing_criteria=[{**GRADER, **criterion}],
    )
    session.left.undo.append(lambda: session.lenient.evals.delete(made.id))
    return made


@check(34, "evals are made, listed, changed, run and deleted; counts add up")
def check_evals(session: Session) -> None:
    client, mark = session.client(), session.mark()
    made = _create(session, mark, input="{{ item.said }}")
    expect_equal((made.object, made.name), ("eval", mark), "The eval")
    expect(made.id in [one.id for one in client.evals.list(limit=1)], "The list lacks it.")
    expect_equal(client.evals.retrieve(made.id).metadata, {"mark": mark}, "The metadata")
    changed = client.evals.update(made.id, name=f"{mark}-b")
    expect_equal(changed.name, f"{mark}-b", "The changed name")
    if not session.is_strict:  # the client's own types demand an error of a run without one
        _check_runs(session, made.id)
    gone = client.evals.delete(made.id)
    expect_equal((gone.deleted, gone.eval_id), (True, made.id), "The deletion")
    expect_refused(lambda: client.evals.retrieve(made.id), openai.NotFoundError, "A deleted eval")


def _check_runs(session: Session, eval_id: str) -> None:
    rows = [{"item": {"said": said, "answer": "yes"}} for said in ("yes", "no", "yes", "maybe")]
    file = session.upload(rows, "evals", filename="rows.jsonl")
    for source in ({"type": "file_content", "content": rows}, {"type": "file_id", "id": file.id}):
        runs = session.client().evals.runs
        run = runs.create(eval_id, name="r", data_source={"type": "jsonl", "source": source})
        expect_equal(run.object, "eval.run", "The object of a run")
        run = _wait(session, eval_id, run.id)
        counts = run.result_counts
        found = (counts.total, counts.passed, counts.failed, counts.errored)
        expect_equal(found, (4, 2, 2, 0), "The counts")
        failed = list(runs.output_items.list(run.id, eval_id=eval_id, status="fail"))
        expect_equal(len(failed), 2, "The number of failed items")
        items = list(runs.output_items.list(run.id, eval_id=eval_id, limit=1))
        expect_equal(len({one.id for one in items}), 4, "The number of items")
        gone = runs.delete(run.id, eval_id=eval_id)
        expect_equal(gone.deleted, True, "The deletion of a run")


def _wait(session: Session, eval_id: str, run_id: str) -> Any:
    return session.wait_until(
        lambda: session.lenient.evals.runs.retrieve(run_id, eval_id=eval_id),
        lambda run: run.status == "completed",
        lambda run: f"the run is {run.status}, not completed",
        lambda run: run.status in _ENDED,
    )


@check(
    35,
    "an eval run over a tuned model gives the reward that its job measured",
    trains=True,
    is_strict=False,
)
def check_rewards(session: Session) -> None:
    job = _train_by_reward(session)
    measured = _read_reward(session, job)
    if measured is None:
        raise Skipped("The job's metrics have no validation reward (valid_mean_reward).")
    made = _create(session, session.mark(), with_sample=True)
    rows = [{"item": {"question": ask_colour(n), **build_prompt(n)}} for n in range(200, 232)]
    for row in rows:
        row["item"].pop("messages", None)
    source = {
        "type": "completions",
        "model": job.fine_tuned_model,
        "source": {"type": "file_content", "content": rows},
        "input_messages": {
            "type": "template",
            "template": [{"role": "user", "content": "{{ item.question }}"}],
        },
        "sampling_params": {"seed": 7, "temperature": 0, "max_completion_tokens": 256},
    }
    run = session.lenient.evals.runs.create(made.id, name="r", data_source=source)
    run = _wait(session, made.id, run.id)
    found = run.result_counts.passed / run.result_counts.total
    close = abs(found - measured) <= _TOLERANCE
    expect(close, f"The run gives {found:.3f}, and the job measured {measured:.3f}.")


def _train_by_reward(session: Session) -> Any:
    if "rewarded" in session.left.jobs:
        return session.train("rewarded")
    train = session.upload(map(build_prompt, range(100)))
    held = session.upload(map(build_prompt, range(200, 232)))
    return session.train(
        "rewarded", training_file=train.id, validation_file=held.id, method=build_reinforcement()
    )


def _read_reward(session: Session, job: Any) -> float | None:
    """The validation reward of the weights that were kept: the best that was measured."""
    events = session.lenient.fine_tuning.jobs.list_events(job.id, limit=100)
    data = [one.data for one in events if one.type == "metrics" and isinstance(one.data, dict)]
    rewards = [one["valid_mean_reward"] for one in data if one.get("valid_mean_reward") is not None]
    return max(rewards, default=None)
