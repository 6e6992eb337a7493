"""The evaluation of a run: a user's metric that fails, every prompt on both splits, one asking."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assay.cli.outcome import render_outcome
from assay.errors import ConfigError
from assay.evaluate.log import read_item_line
from assay.generate.local import LocalEngine
from assay.pipeline import resume_run, run_recipe
from assay.runs import RunFolder, compare_runs, list_runs

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
POLICY = "extends: minimal\ngates: {refusal: off, over_refusal: off, overfit: off}\n"
SHORT = ["gates=short.yaml", "gates.thresholds.min_gain=-1", "train.max_steps=2"]
METRIC = """
from pathlib import Path

def late(output, reference, item):
    if list((Path(__file__).parent / "runs").glob("*/adapter/adapter_config.json")):
        raise RuntimeError("spoiled\\nby tuning")
    return output == reference

def early(output, reference, item):
    raise KeyError(item["id"])
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates that no built-in suite is asked for, metrics that fail, and a place for keys."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    (tmp_path / "short.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "metric.py").write_text(METRIC, encoding="utf-8")


def test_a_metric_that_fails_after_training_holds_the_run_and_loses_nothing(recipe: Path) -> None:
    outcome = run_recipe(recipe, [*SHORT, "evaluate.metric=metric.py:late"])
    assert outcome.exit_code == 3
    gates = {gate["name"]: gate for gate in outcome.verdict["gates"]}
    gate = gates["task_gain"]
    assert (gate["outcome"], gate["code"]) == ("not_measured", "metric_failed")
    assert "metric.py late: got RuntimeError: spoiled by tuning for row" in gate["reason"]
    task = outcome.evaluation["suites"]["task"]
    assert task["base"]["num_unscored"] == 0
    assert (task["tuned"]["n"], task["tuned"]["num_unscored"]) == (0, task["n"])
    assert outcome.run.report.is_file() and outcome.run.card.is_file()
    assert all("output" in line["tuned"] for line in outcome.run.read_items())
    assert "tuned over" not in render_outcome(outcome)


def test_a_metric_that_fails_before_training_is_mended_and_the_run_resumed(recipe: Path) -> None:
    with pytest.raises(ConfigError, match=r"^metric.py early: got KeyError: .* of suite task, "):
        run_recipe(recipe, [*SHORT, "evaluate.metric=metric.py:early"])
    (summary,) = list_runs(recipe.parent / "runs")
    run = RunFolder(summary.path)
    assert not run.metrics.exists() and not run.adapter.exists()
    (recipe.parent / "metric.py").write_text("def early(*given): return True\n", "utf-8")
    assert resume_run(run).evaluation["suites"]["task"]["tuned"]["mean"] == 1.0
    with pytest.raises(ConfigError, match="define `def two"):
        (recipe.parent / "metric.py").write_text("def two(output, gold): return 1\n", "utf-8")
        run_recipe(recipe, [*SHORT, "evaluate.metric=metric.py:two"])


@pytest.fixture()
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """How often each prompt was generated from, by base (False) and tuned model (True)."""
    counts: Counter[Any] = Counter()
    generate = LocalEngine.generate

    def count(engine: LocalEngine, prompts: Any, *arguments: Any, **options: Any) -> Any:
        tuned = any("lora_" in name for name, _ in engine.model.named_parameters())
        counts.update((tuned, tuple(prompt)) for prompt in prompts)
        return generate(engine, prompts, *arguments, **options)

    monkeypatch.setattr(LocalEngine, "generate", count)
    return counts


def test_every_prompt_is_measured_on_both_splits_and_asked_once(
    recipe: Path, asked: Counter[Any]
) -> None:
    outcome = run_recipe(recipe, SHORT)
    assert set(asked.values()) == {1}
    task, items = outcome.evaluation["suites"]["task"], outcome.run.read_items()
    splits = {name: [i for i in items if i.get("split") == name] for name in ("test", "validation")}
    assert (len(splits["test"]), len(splits["validation"])) == (task["n"], task["validation"]["n"])
    # Every item, by the base with 0 and with 1 shots, and by the tuned model.
    assert len(asked) == 3 * (task["n"] + task["validation"]["n"])
    for name, report in (("test", task), ("validation", task["validation"])):
        for variant in ("base", "shots_1", "prompted", "tuned"):
            values = [line[variant]["score"]["value"] for line in splits[name]]
            assert report[variant]["n"] == len(values)
            assert report[variant]["mean"] == pytest.approx(sum(values) / len(values))
    assert "prompted" in read_item_line(items[0])[1] and "shots_1" in read_item_line(items[0])[1]
    shown = render_outcome(outcome)
    assert "  base, zero-shot" in shown and "  base, 1 shot" in shown and "  tuned " in shown
    assert shown.count("(chosen on validation)") == 1
    assert compare_runs(outcome.run, outcome.run).same_items is True


def test_a_resumed_run_asks_nothing_anew(recipe: Path, asked: Counter[Any]) -> None:
    outcome = run_recipe(recipe, SHORT)
    lines = outcome.run.items.read_bytes()
    for path in (outcome.run.verdict, outcome.run.report, outcome.run.card, outcome.run.release):
        path.unlink(missing_ok=True)
    asked.clear()
    again = resume_run(outcome.run)
    assert not asked
    assert again.evaluation == outcome.evaluation
    assert outcome.run.items.read_bytes() == lines


def test_a_prompt_of_the_recipes_own_is_another_model_than_the_base(recipe: Path) -> None:
    outcome = run_recipe(recipe, [*SHORT, "evaluate.prompt=Say the colour.", "evaluate.shots=[0]"])
    task = outcome.evaluation["suites"]["task"]
    assert (task["shots_0"]["n"], task["prompted"]["shots"]) == (task["n"], 0)
    assert "base, evaluate.prompt (chosen on validation)" in render_outcome(outcome)
