"""Runs whose model writes what it learns from: to a verdict, resumed, on two processes, refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay.config import load
from assay.errors import ConfigError, DataError
from assay.pipeline import run_recipe
from assay.pipeline.check import load_checked
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import RunFolder, find_unfinished
from assay.runs.metrics import read_lines

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FEW = ["train.max_steps=4", "evaluate.max_items=8"]
GRPO = """{type: grpo, group_size: 4, max_new_tokens: 6, updates: 2,
  grader: {type: string_check, operation: ilike, input: '{{ sample.output_text }}',
    reference: '{{ item.letter }}'}}"""

PPO = GRPO.replace("grpo,", "ppo, beta: 0.1, kl_target: 0.5, kl_horizon: 100,")


@pytest.fixture
def write(recipe: Path) -> Callable[..., Path]:
    """The recipe of the other tests with prompts, which ask for a text that holds a letter."""

    def write(objective: str) -> Path:
        rows = [
            {"messages": [{"role": "user", "content": f"Item {n}?"}], "letter": "aeiou"[n % 5]}
            for n in range(60)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (recipe.parent / "colours.jsonl").write_text(text, encoding="utf-8")
        lines = recipe.read_text("utf-8").split("objective:")[0].splitlines()
        kept = [line.replace("shots: [0, 1], ", "") for line in lines]
        recipe.write_text("\n".join([*kept, f"objective: {objective}", ""]), encoding="utf-8")
        return recipe

    return write


def read_adapter(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.adapter / "adapter_model.safetensors")


def test_prompts_come_to_a_verdict_by_the_reward_of_their_grader(write: Any) -> None:
    outcome = run_recipe(load(write(GRPO), FEW))
    task = outcome.evaluation["suites"]["task"]
    assert task["metric"] == "reward"
    assert outcome.verdict["status"] in ("released", "held")
    records = read_lines(outcome.run.metrics)
    assert len(records) == 4
    assert {"train/reward", "train/entropy", "train/zero_variance"} <= records[0].keys()
    assert records[-1]["eval/reward"] == pytest.approx(1 - records[-1]["eval/loss"])
    items = read_lines(outcome.run.items)
    assert {line["metric"] for line in items if line["suite"] == "task"} == {"reward"}
    best_of = outcome.evaluation["best_of"]
    assert best_of["n"] == 4
    assert best_of["best"]["mean"] >= best_of["sampled"]["mean"]
    assert best_of["base"]["mean"] == task["base"]["mean"], "of 8 items all are sampled"
    assert "Best of 4 samples of the base" in (outcome.run.path / "report.html").read_text("utf-8")


def test_a_grader_of_its_own_judges_what_is_held_out(write: Any) -> None:
    """What is trained on wants no words, what is held out anything at all."""
    held = "held_out_grader: {type: regex, pattern: '(?s).*'}"
    grader = f"grader: {{type: length, max: 0}}, {held}"
    text = f"{{type: grpo, group_size: 4, max_new_tokens: 6, {grader}}}"
    outcome = run_recipe(load(write(text), ["train.max_steps=2", "evaluate.max_items=8"]))
    records = read_lines(outcome.run.metrics)
    assert records[-1]["eval/reward"] == 1 and records[-1]["train/reward"] < 1
    assert outcome.evaluation["suites"]["task"]["tuned"]["mean"] == 1


def test_every_grader_of_a_recipe_is_read_before_anything_is_loaded(write: Any) -> None:
    held = "held_out_grader: {type: numeric, refrence: 1}"
    path = write(f"{{type: grpo, grader: {{type: length, mox: 3}}, {held}}}")
    with pytest.raises(ConfigError) as caught:
        run_recipe(load_checked(path))
    keys = {one.key for one in caught.value.problems}
    assert {"objective.grader.mox", "objective.held_out_grader.refrence"} <= keys


def test_an_interrupted_run_goes_on_in_the_middle_of_a_rollout(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_tuning(load(write(GRPO), FEW)).run
    from assay.train import fit

    plain = fit.train_step
    calls: list[int] = []

    def interrupt(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(*args, **kwargs)

    monkeypatch.setattr(fit, "train_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(write(GRPO), FEW))
    monkeypatch.undo()
    unfinished = find_unfinished(whole.path.parent)
    assert unfinished is not None
    assert len(read_lines(unfinished.metrics)) == 3
    resume_tuning(unfinished)
    run = unfinished
    ours, theirs = read_adapter(run), read_adapter(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("objective", "more"),
    [
        ("rejection, min_reward: 0", []),
        ("rloo, beta: 0.1", ["method={type: qlora, rank: 4}"]),
        ("ppo, beta: 0.1", ["method={type: qlora, rank: 4}"]),
        ("reinforce, kl_in: loss, kl_estimator: k2, beta: 0.1", ["method=full"]),
        ("grpo, variant: gspo, dynamic_sampling: 1, overlong_margin: 2", []),
    ],
)
def test_every_objective_tunes(write: Any, objective: str, more: list[str]) -> None:
    if any("qlora" in one for one in more):
        pytest.importorskip("bitsandbytes")
    grader = "grader: {type: length, max: 3}"
    text = f"{{type: {objective}, group_size: 4, max_new_tokens: 6, {grader}}}"
    run = run_tuning(load(write(text), ["train.max_steps=2", *more])).run
    records = read_lines(run.metrics)
    assert len(records) == 2 and records[-1]["train/grad_norm"] > 0
    if "beta" in objective:
        assert records[0]["train/kl"] == pytest.approx(0, abs=1e-5) and "train/kl" in records[1]


@pytest.mark.parametrize("method", ["{type: lora, rank: 4}", "full"])
def test_a_value_head_is_kept_in_checkpoints_and_is_no_part_of_what_is_saved(
    write: Any, method: str
) -> None:
    run = run_tuning(load(write(PPO), [*FEW, f"method={method}"])).run
    saved = run.model if method == "full" else run.adapter
    names = {name for path in saved.glob("*.safetensors") for name in load_file(path)}
    assert names and not any("value_head" in name for name in names)
    kept = load_file(run.checkpoints / "step-4" / "weights.safetensors")
    assert float(kept["value_head.weight"].abs().max()) > 0
    records = read_lines(run.metrics)
    assert {"train/value", "train/value_loss", "train/beta", "train/kl"} <= records[0].keys()
    assert records[0]["train/value"] == 0 and records[-1]["train/value"] != 0
    betas = [records[0]["train/beta"], records[2]["train/beta"]]
    assert betas[0] == pytest.approx(0.1) and betas[1] < betas[0]


@pytest.mark.parametrize("objective", [GRPO, pytest.param(PPO, marks=pytest.mark.slow)])
def test_two_processes_sample_and_learn_what_one_does(write: Any, objective: str) -> None:
    alone = run_tuning(load(write(objective), [*FEW, "method.dropout=0"])).run
    both = run_tuning(load(write(objective), [*FEW, "method.dropout=0", "launch.processes=2"])).run
    ours, theirs = read_lines(both.metrics), read_lines(alone.metrics)
    assert [one["train/reward"] for one in ours] == [one["train/reward"] for one in theirs]
    for name in ("train/loss", "train/grad_norm", "train/entropy", "eval/loss"):
        for one, other in zip(ours, theirs, strict=True):
            if name in other:
                assert one[name] == pytest.approx(other[name], abs=1e-4)
    weights = read_adapter(both)
    assert all(torch.allclose(weights[n], v, atol=1e-5) for n, v in read_adapter(alone).items())


def test_a_grader_that_cannot_be_built_is_refused_before_anything_is_loaded(write: Any) -> None:
    text = "{type: grpo, grader: {type: string_chek}}"
    with pytest.raises(ConfigError) as caught:
        run_recipe(load(write(text), FEW))
    (problem,) = caught.value.problems
    assert problem.key == "objective.grader.type" and problem.line


def test_completions_must_leave_room_for_a_prompt(write: Any) -> None:
    with pytest.raises(DataError) as caught:
        run_tuning(load(write(GRPO), [*FEW, "objective.max_new_tokens=100000"]))
    assert "objective.max_new_tokens" in {one.key for one in caught.value.problems}
