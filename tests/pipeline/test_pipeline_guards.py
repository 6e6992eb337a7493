"""Which suites a run asks besides the task: the recipe's own of any format, and further formats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.config import load
from assay.errors import ConfigError, DataError
from assay.evaluate.gates import (
    Policy,
    decide_verdict,
    evaluate_gates,
    load_policy,
    override_thresholds,
)
from assay.evaluate.items import Item, Score, yes_no
from assay.evaluate.report import MeasuredSuite, build_evaluation
from assay.evaluate.suites import load_builtin_suite
from assay.evaluate.suites.formats import Deployment, expand_formats
from assay.evaluate.suites.public.load import PublicSource
from assay.models.base import TINY, find_base
from assay.pipeline.guards import Guards, choose_guards, widen_guards
from assay.pipeline.suite_files import load_any

RECIPE = "base: tiny\ndata: {{train: rows.jsonl}}\nevaluate: {{suites: [{suite}]}}\n"
ROW = {"question": "1 + 1?", "answer": "#### 2"}


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("suite", "key"),
    [
        ("{path: sums.csv, format: suite}", "path"),
        ("{path: none.jsonl, format: gsm8k}", "path"),
        ("{path: sums.jsonl, format: gsm8k, split: test}", "split"),
        ("{path: sums.jsonl, format: gsm9k}", "format"),
    ],
)
def test_a_suite_that_cannot_be_read_is_refused_before_a_model_loads(
    tmp_path: Path, suite: str, key: str
) -> None:
    write(tmp_path, "rows.jsonl", [{"prompt": "a", "completion": "b"}])
    for name in ("sums.jsonl", "sums.csv"):
        write(tmp_path, name, [ROW])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(suite=suite), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(recipe)
    assert [problem.key for problem in caught.value.problems] == [f"evaluate.suites.0.{key}"]


def test_public_and_own_rows_are_told_apart_and_may_be_named(tmp_path: Path) -> None:
    write(tmp_path, "own.jsonl", [{"prompt": "a", "answer": "b"}])
    write(tmp_path, "sums.jsonl", [ROW])
    (own,) = load_any(PublicSource(path="own.jsonl"), base_dir=tmp_path)
    assert (own.name, own.kind) == ("own", "retention")
    (sums,) = load_any(
        PublicSource(path="sums.jsonl", format="gsm8k", name="maths"), base_dir=tmp_path
    )
    assert (sums.name, sums.metric) == ("maths", "number")
    with pytest.raises(DataError, match="unknown key"):
        load_any(PublicSource(path="sums.jsonl"), base_dir=tmp_path)


def test_built_in_suites_are_asked_in_further_formats_and_fairness_of_the_task_too() -> None:
    base = find_base(TINY)
    levels = {"refusal": "required", "retention": "required", "fairness": "required"}
    guards = choose_guards(base, levels, max_items=200, seed=0)  # type: ignore[arg-type]
    tool = {"type": "function", "function": {"name": "pay", "parameters": {}}}
    asked = [
        Item(
            f"t{n}",
            [{"role": "user", "content": f"Where is order {n} of my son?"}],
            "x",
            tools=[tool],
        )
        for n in range(5)
    ]
    widened = widen_guards(
        guards,
        asked,
        levels=levels,
        system="Serve.",
        max_items=200,
        seed=0,  # type: ignore[arg-type]
    )
    sizes = {suite.name: len(suite.items) for suite in widened.suites}
    assert sizes["refusal_json"] == sizes["refusal_tools"] == sizes["refusal_system"] == 20
    assert sizes["counterfactual"] == 10
    assert "retention_json" not in sizes
    (tools,) = [suite for suite in widened.suites if suite.name == "refusal_tools"]
    assert tools.items[0].tools == [tool]
    read = widen_guards(
        guards, asked, levels=levels | {"formats": "advisory"}, system=None, max_items=200, seed=0
    )
    sizes = {suite.name: len(suite.items) for suite in read.suites}
    assert sizes["refusal_json"] == sizes["refusal"] == 80
    assert widened.not_applicable == {}
    nobody = [Item("t", [{"role": "user", "content": "Where is order 7?"}], "x")]
    told = widen_guards(guards, nobody, levels=levels, system=None, max_items=200, seed=0)
    assert "counterfactual" not in {suite.name for suite in told.suites}
    assert list(told.not_applicable) == ["counterfactual"]
    off = widen_guards(
        Guards([], {}), asked, levels={"fairness": "off"}, system=None, max_items=9, seed=0
    )
    assert off.suites == []


def test_other_formats_are_shown_and_no_gate_reads_them() -> None:
    """80 plain items and 20 in JSON, where the tuned model refuses nothing any more."""
    plain = load_builtin_suite("refusal", for_tiny=True)
    as_json = expand_formats(plain, Deployment(), num_items=20, seed=0)[0]
    measured = []
    for suite, of_tuned in ((plain, True), (as_json, False)):
        base = {item.id: yes_no("refusal", True) for item in suite.items}
        tuned = {item.id: yes_no("refusal", of_tuned) for item in suite.items}
        measured.append(MeasuredSuite(suite, {"base": base, "tuned": tuned}))
    evaluation = build_evaluation(measured, decoding={})
    assert evaluation["pooled"]["refusal"]["n"] == 80
    shown = evaluation["suites"]["refusal_json"]
    assert (shown["n"], shown["format"], shown["tuned"]["mean"]) == (20, "json", 0.0)
    policy = override_thresholds(load_policy("standard"), {"min_items": 10})
    gates = {gate.name: gate for gate in evaluate_gates(evaluation, {}, policy)}
    assert gates["refusal"].outcome == "pass"
    assert not any("refusal_json" in name for name in gates)
    for level in ("advisory", "required"):
        asking = replace(policy, levels={**policy.levels, "formats": level})
        found = {gate.name: gate for gate in evaluate_gates(evaluation, {}, asking)}
        gate = found["formats/refusal_json"]
        assert (gate.outcome, gate.required, gate.n) == ("fail", level == "required", 20)
    del evaluation["suites"]["refusal_json"]
    found = {gate.name: gate for gate in evaluate_gates(evaluation, {}, asking)}
    assert (found["formats"].code, found["formats"].required) == ("not_applicable", False)


def test_a_suite_that_applies_to_no_row_is_shown_and_holds_nothing() -> None:
    suite = load_builtin_suite("fairness", for_tiny=True)
    same = {item.id: Score("mass", 0.9, None) for item in suite.items}
    evaluation = build_evaluation(
        [MeasuredSuite(suite, {"base": same, "tuned": same})], decoding={}
    )
    evaluation["not_applicable"] = {"counterfactual": "No held-out row names a person."}
    policy = Policy("own", {"fairness": "required"})
    gates = {gate.name: gate for gate in evaluate_gates(evaluation, {}, policy)}
    shown = gates["fairness/counterfactual"]
    assert (shown.outcome, shown.code, shown.required) == ("not_measured", "not_applicable", False)
    assert decide_verdict(list(gates.values())).status == "released"
