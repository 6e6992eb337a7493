"""`assay reward check` on the example with planted faults, in a small form; and on a sound one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.sandbox.client import find_fences

RECIPE = Path(__file__).parents[2] / "examples" / "broken-reward" / "recipe.yaml"

pytestmark = pytest.mark.skipif(
    not find_fences().is_closed, reason="this system has neither namespaces nor seccomp for us"
)


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["reward", "check", str(RECIPE), *arguments])
    return code, capsys.readouterr().out


def test_every_planted_fault_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = check(capsys, "--json", "--prompts", "9", "objective.max_new_tokens=8")
    told = json.loads(out)
    assert code == 3
    found = {(one["grader"], one["code"]): one["found"] for one in told["findings"]}
    assert "reward 0.5" in found["always", "constant"]
    assert "longer completions" in found["wordy", "length"]
    assert found["crashes", "python_grader_runtime_error"].startswith("2 of 72 completions")
    assert "no answer within 0.5 s" in found["loops", "unresponsive_reward_error"]
    assert "the network" in found["reaches", "out_of_reach"]
    assert sum(told["reward"]["histogram"]["counts"]) == 72
    assert len(told["best"]) == len(told["worst"]) == 3


def test_a_grader_of_the_answer_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    spec = "objective.grader={type: numeric, name: right, reference: '{{ item.answer }}'}"
    code, out = check(capsys, "--prompts", "4", "objective.max_new_tokens=8", spec)
    assert out.startswith("tiny: 4 prompts, 8 completions of each")
    assert "right (numeric): mean " in out
    assert "█" in out
    assert "best completions" in out
    assert (code == 3) == ("  error: " in out)


def test_a_description_that_is_wrong_is_located_in_the_recipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = "objective.grader={type: numeric, refrence: 1}"
    for verb in (["reward", "check"], ["run", "--dry-run"]):
        assert main([*verb, str(RECIPE), spec, "train.batch_size=no"]) == 2
        said = capsys.readouterr().err
        assert "override objective.grader" in said
        assert "refrence" in said
        assert "train.batch_size" in said


def test_a_recipe_without_a_grader_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    support = RECIPE.parents[1] / "support" / "recipe.yaml"
    assert main(["reward", "check", str(support)]) == 2
    assert "which has no grader" in capsys.readouterr().err


TOOLS = RECIPE.parents[1] / "grpo-tools" / "recipe.yaml"
FEW_EPISODES = ["objective.group_size=4", "objective.max_turns=2", "evaluate.batch_size=16"]


def test_episodes_are_played_and_their_ends_told(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--prompts", "2", "--json", *FEW_EPISODES]
    code = main(["reward", "check", str(TOOLS), *given])
    told = json.loads(capsys.readouterr().out)
    assert told["reward"]["type"] == "episode"
    assert sum(told["reward"]["histogram"]["counts"]) == 8
    # Each turn can lose 0.3 and the two right calls are worth 1 together.
    assert -0.6 <= told["reward"]["min"] <= told["reward"]["max"] <= 1
    assert told["best"][0]["reward"] >= told["worst"][0]["reward"]
    assert "lookup_order" in "".join(one["completion"] for one in told["best"])
    assert (code == 3) == any(one["severity"] == "error" for one in told["findings"])
