"""Tasks of lm-evaluation-harness in a recipe: base and tuned are paired document by document."""

import json

import pytest

from assay.errors import ConfigError, EvaluationError, UsageError
from assay.evaluate.gates import load_policy
from assay.evaluate.items import Item, Score
from assay.evaluate.suites.harness import METRIC, HarnessTask
from assay.pipeline import export, harness_suites, run_recipe
from assay.pipeline.regate import regate
from assay.runs import read_json

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
POLICY = "extends: minimal\ngates: {refusal: off, over_refusal: off, overfit: off}\n"
SHORT = ["gates=short.yaml", "train.max_steps=12"]


@pytest.fixture()
def package(monkeypatch, tmp_path):
    """In place of the package: a group of two tasks that ask the engine for log-probabilities."""
    (tmp_path / "short.yaml").write_text(POLICY, "utf-8")
    asked = []

    def run_tasks(engine, tokenizer, names, *, context_len, max_items, seed, include=None):
        asked.append((tuple(names), max_items, include))
        return [_ask(engine, tokenizer, f"{names[0]}_{part}", max_items) for part in ("a", "b")]

    def find_tasks(names, *, include=None):
        if "nothing" in names:
            raise ConfigError("no task 'nothing'")

    monkeypatch.setattr(harness_suites, "run_tasks", run_tasks)
    monkeypatch.setattr(harness_suites, "find_tasks", find_tasks)
    monkeypatch.setattr(harness_suites, "version", lambda name: "0")
    return asked


def _ask(engine, tokenizer, name, max_items):
    words = ["red", "green", "blue", "black"][:max_items]
    items = [
        Item(f"{name}-{n}", [], reference=w, metric=METRIC, suite=name) for n, w in enumerate(words)
    ]
    prompt = tokenizer.encode("Say it.")
    found = engine.score_continuations([prompt], [[tokenizer.encode(word) for word in words]])[0]
    scores = {
        item.id: Score(METRIC, max(0.0, 1 + one.sum_logprob / 100), None, {})
        for item, one in zip(items, found, strict=True)
    }
    return HarnessTask(name, "acc", items, scores, {item.id: "" for item in items})


def test_a_task_of_a_recipe_is_asked_of_both_models_and_judged_pair_by_pair(recipe, package):
    outcome = run_recipe(
        recipe, [*SHORT, "evaluate.suites=lm_eval:colours", "evaluate.max_items=36"]
    )
    assert package == [(("colours",), 36, None)] * 2
    for name in ("colours_a", "colours_b"):
        suite = outcome.evaluation["suites"][name]
        assert (suite["kind"], suite["metric"], suite["n"]) == ("retention", METRIC, 4)
        assert suite["base"]["mean"] != suite["tuned"]["mean"]
        assert suite["comparisons"]["tuned_vs_base"]["n"] == 4
        assert suite["metric_reason"] == "acc, as lm-evaluation-harness scores it"
    gates = {gate["name"]: gate for gate in outcome.verdict["gates"]}
    assert gates["retention"]["n"] == 8
    lines = [line for line in outcome.run.read_items() if line["suite"] == "colours_a"]
    assert [set(line) >= {"base", "tuned"} for line in lines] == [True] * 4
    again = regate(outcome.run, load_policy(str(recipe.parent / "short.yaml")))
    assert again.to_dict()["gates"] == outcome.verdict["gates"]


def test_the_base_is_asked_a_task_once_and_an_export_is_asked_it_again(recipe, package, tmp_path):
    for _ in range(2):
        outcome = run_recipe(recipe, [*SHORT, "evaluate.suites=lm_eval:words"])
    assert len(package) == 3, "the second run's base was remembered"
    exported = export.export_run(str(outcome.run.path), form="merged", out=str(tmp_path / "out"))
    assert len(package) == 4
    suites = exported.judged.evaluation["suites"]
    before = outcome.evaluation["suites"]["words_a"]
    assert suites["words_a"]["tuned"]["mean"] == pytest.approx(before["tuned"]["mean"], abs=1e-5)
    assert suites["words_a"]["base"] == before["base"]
    stored = read_json(outcome.run.evaluation)["suites"]["words_a"]["harness"]
    assert stored["task"] == "words"


def test_other_documents_than_the_bases_are_an_error_and_unknown_tasks_a_slip(
    recipe, package, monkeypatch
):
    with pytest.raises(UsageError, match="no task 'nothing'"):
        run_recipe(recipe, [*SHORT, "evaluate.suites=lm_eval:nothing"])
    ask = harness_suites.run_tasks

    def fewer(*given, **options):
        return ask(*given, **{**options, "max_items": 4 - len(package)})

    monkeypatch.setattr(harness_suites, "run_tasks", fewer)
    with pytest.raises(EvaluationError, match="asked other documents"):
        run_recipe(recipe, [*SHORT, "evaluate.suites=lm_eval:other"])


def test_a_task_file_of_ones_own_is_run_by_the_package(recipe, tmp_path, monkeypatch):
    """With the package itself, where it is installed; nothing is downloaded."""
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed (extra `eval`)")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "short.yaml").write_text(POLICY, "utf-8")
    rows = [
        {"q": f"Item {n}: colour?", "choices": ["red", "blue"], "answer": n % 2} for n in range(6)
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    task = {
        "task": "own_choice",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "Q: {{q}}\nA:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc", "aggregation": "mean"}],
    }
    (tmp_path / "own.yaml").write_text(json.dumps(task), "utf-8")
    outcome = run_recipe(recipe, [*SHORT, "evaluate.suites=lm_eval:own.yaml"])
    suite = outcome.evaluation["suites"]["own_choice"]
    assert (suite["n"], suite["comparisons"]["tuned_vs_base"]["n"]) == (6, 6)
