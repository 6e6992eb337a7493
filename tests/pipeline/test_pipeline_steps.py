"""Runs of process reward models: to a verdict, and as a grader."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from assay.config import load
from assay.errors import ConfigError
from assay.graders import Sample
from assay.graders.build import build_grader
from assay.models.reward_model import load_reward_model
from assay.pipeline import run_recipe
from assay.pipeline.graders import build_models
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


@pytest.mark.slow
def test_tiny_learns_which_steps_agree_with_what_it_was_told(tmp_path: Path) -> None:
    """Who has what of three, in two fifths of the steps another colour than the question says."""
    rng = random.Random(0)
    names, colours = ["Ann", "Ben", "Cleo", "Dan", "Eve"], ["red", "green", "blue", "black"]

    def make() -> dict[str, Any]:
        who, has = rng.sample(names, 3), rng.sample(colours, 3)
        labels = [rng.random() < 0.6 for _ in who]
        told = [
            own if right else rng.choice([one for one in colours if one != own])
            for own, right in zip(has, labels, strict=True)
        ]
        facts = " ".join(f"{one} has {own}." for one, own in zip(who, has, strict=True))
        steps = [f"{one} has {own}." for one, own in zip(who, told, strict=True)]
        return {"instruction": f"{facts} Who has what?", "completions": steps, "labels": labels}

    rows = "".join(json.dumps(make()) + "\n" for _ in range(1200))
    (tmp_path / "facts.jsonl").write_text(rows, encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "base: tiny\ndata: {train: facts.jsonl, test_ratio: 0.1}\nobjective: process_reward\n"
        f"train: {{max_steps: 60, batch_size: 16}}\noutput: {tmp_path / 'runs'}\n",
        encoding="utf-8",
    )
    task = run_recipe(load(path)).evaluation["suites"]["task"]
    assert task["base"]["mean"] < 0.7
    assert task["tuned"]["mean"] > 0.95, task
