"""Runs of process reward models: to a verdict, resumed, on two processes, as a grader."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay.config import load
from assay.errors import ConfigError
from assay.graders import Sample
from assay.graders.build import build_grader
from assay.models.reward_model import load_reward_model
from assay.pipeline import run_recipe
from assay.pipeline.graders import build_models
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import find_unfinished
from assay.train.process_reward import STEP_METRICS

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FEW = ["train.max_steps=4", "evaluate.max_items=8", "evaluate.shots=[0]", "method.dropout=0"]


def make_row(number: int) -> dict[str, Any]:
    """Steps that say "good" are right, those that say "bad" wrong; the first is always right."""
    words = ["good", *("good" if (number >> n) % 2 else "bad" for n in range(2))]
    return {
        "instruction": f"Item {number}?",
        "completions": [f"{word} step {n}" for n, word in enumerate(words)],
        "labels": [word == "good" for word in words],
    }


@pytest.fixture
def steps(recipe: Path) -> Path:
    rows = [make_row(number) for number in range(60)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (recipe.parent / "colours.jsonl").write_text(text, encoding="utf-8")
    with recipe.open("a", encoding="utf-8") as file:
        file.write("objective: process_reward\n")
    return recipe


def test_steps_come_to_a_verdict_and_what_is_saved_grades(steps: Path) -> None:
    outcome = run_recipe(load(steps, [*FEW, "train.max_steps=32", "train.epochs=null"]))
    task = outcome.evaluation["suites"]["task"]
    assert (task["metric"], task["n"]) == ("step_accuracy", 8)
    # The base tells nothing, and takes each step for right: so many are.
    items = [json.loads(line) for line in outcome.run.items.read_text("utf-8").splitlines()]
    asked = {one["messages"][0]["content"] for one in items if one["split"] == "test"}
    rows = [row for row in map(make_row, range(60)) if row["instruction"] in asked]
    share = sum(sum(row["labels"]) / 3 for row in rows) / len(rows)
    assert task["base"]["mean"] == pytest.approx(share)
    assert task["tuned"]["mean"] > 0.9
    gates = {gate["name"]: gate["outcome"] for gate in outcome.verdict["gates"]}
    assert gates["integrity/adapter_reloads"] == "pass"
    records = outcome.run.read_metrics()
    assert {f"train/{name}" for name in STEP_METRICS} <= records[0].keys()
    assert records[-1]["eval/step_accuracy"] > 0.9
    check_grades(outcome.run.path)


def check_grades(run: Path) -> None:
    ask, text = {"role": "user", "content": "Item 7?"}, "good step 0\n\nbad step 1\n\ngood step 2"
    model = load_reward_model(run)
    ends = [text[:11], text[:23], text]
    scores = model.score([[ask, {"role": "assistant", "content": one}] for one in ends])
    odds = [1 / (1 + 2.718281828459045**-score) for score in scores]
    expected = {"min": min(odds), "product": odds[0] * odds[1] * odds[2], "last": odds[2]}
    samples = [Sample(text, messages=(ask,)), Sample("", messages=(ask,))]
    for steps, value in expected.items():
        spec = {"type": "reward_model", "model": str(run), "steps": steps}
        told = build_grader(spec, models=build_models(run)).grade(samples, [{}, {}])
        assert [one.reward for one in told] == pytest.approx([value, 0.0], abs=1e-6)
    assert expected["min"] < 0.5 < odds[0]
    with pytest.raises(ConfigError, match=r"grader\.steps"):
        build_grader({"type": "reward_model", "model": str(run), "steps": "mean"})


def test_an_interrupted_tuning_goes_on_as_if_it_had_not_been(steps: Path) -> None:
    class Pressed(PlainProgress):
        def step(self, record: dict[str, Any], num_steps: int) -> None:
            if record["step"] == 2:
                raise KeyboardInterrupt

    whole = run_tuning(load(steps, FEW)).run
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(steps, FEW), progress=Pressed())
    run = find_unfinished(whole.path.parent)
    assert run is not None
    resume_tuning(run)
    expected, found = (load_file(one.adapter / "adapter_model.safetensors") for one in (whole, run))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["{type: lora, rank: 4}", "full"])
def test_two_processes_learn_what_one_does(steps: Path, method: str) -> None:
    settings = [*FEW, f"method={method}"]
    alone, both = (
        run_tuning(load(steps, [*settings, *more])).run for more in ([], ["launch.processes=2"])
    )
    for one, other in zip(alone.read_metrics(), both.read_metrics(), strict=True):
        for name in ("train/loss", "train/step_accuracy", "train/grad_norm"):
            assert one[name] == pytest.approx(other[name], abs=1e-4)


@pytest.mark.slow
def test_tiny_learns_which_sums_are_right(tmp_path: Path) -> None:
    """Answers of three sums, two fifths of them wrong; held-out answers are of other sums each."""
    rng = random.Random(0)

    def make() -> dict[str, Any]:
        pairs = [(rng.randint(1, 9), rng.randint(1, 9)) for _ in range(3)]
        labels = [rng.random() < 0.6 for _ in pairs]
        off = [0 if right else rng.choice((-2, -1, 1, 2)) for right in labels]
        told = [f"{a} + {b} = {a + b + d}" for (a, b), d in zip(pairs, off, strict=True)]
        asked = ", ".join(f"{a} + {b}" for a, b in pairs)
        return {"instruction": f"Work out {asked}.", "completions": told, "labels": labels}

    rows = "".join(json.dumps(make()) + "\n" for _ in range(1600))
    (tmp_path / "sums.jsonl").write_text(rows, encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "base: tiny\ndata: {train: sums.jsonl, test_ratio: 0.1}\nobjective: process_reward\n"
        f"train: {{epochs: 4, batch_size: 32}}\noutput: {tmp_path / 'runs'}\n",
        encoding="utf-8",
    )
    task = run_recipe(load(path)).evaluation["suites"]["task"]
    assert task["base"]["mean"] < 0.65
    assert task["tuned"]["mean"] > task["base"]["mean"] + 0.2, task
