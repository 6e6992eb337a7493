"""Every objective with LoRA, QLoRA and all weights, resumed bit for bit, and on two processes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay.config import load
from assay.config.sections.objective import OBJECTIVES
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import RunFolder, find_unfinished

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]
FEW = ["train.max_steps=4", "method.dropout=0", "train.learning_rate=0.002"]
GRADER = "grader: {type: length, unit: characters, max: 4, falloff: 60}"
SAMPLED = f"group_size: 4, max_new_tokens: 6, {GRADER}"
SETTINGS = {
    "sft": "sft",
    **{name: name for name in ("dpo", "orpo", "simpo", "cpo", "kto", "reward", "process_reward")},
    "distil": "{type: distil, teacher_prompt: Say a colour.}",
    "rejection": f"{{type: rejection, min_reward: 0, {SAMPLED}}}",
    **{
        name: f"{{type: {name}, beta: 0.1, updates: 2, {SAMPLED}}}"
        for name in ("grpo", "rloo", "reinforce", "ppo")
    },
}
METHODS = {
    "lora": "{type: lora, rank: 4}",
    "qlora": "{type: qlora, rank: 4}",
    "full": "full",
}


def make_row(kind: str, n: int) -> dict[str, Any]:
    """The row of an objective that learns from rows of this kind."""
    asked = [{"role": "user", "content": f"Item {n}, of which colour?"}]
    said = {"role": "assistant", "content": ["red", "green", "blue"][n % 3]}
    if kind == "answers":
        return {"messages": [*asked, said]}
    if kind == "prompts":
        return {"messages": asked}
    if kind == "rated":
        return {"prompt": asked, "completion": [said], "label": bool(n % 2)}
    if kind == "stepwise":
        steps = ["It has one.", f"It is {said['content']}.", "So we know."]
        return {"prompt": asked, "completions": steps, "labels": [True, n % 3 == 0, bool(n % 2)]}
    rejected = [{"role": "assistant", "content": f"Ask another, {n}."}]
    return {"prompt": asked, "chosen": [said], "rejected": rejected}


@pytest.fixture
def write(recipe: Path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        rows = (make_row(OBJECTIVES[name].learns_from, n) for n in range(60))  # type: ignore[attr-defined]
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (recipe.parent / "colours.jsonl").write_text(text, encoding="utf-8")
        lines = recipe.read_text("utf-8").replace("shots: [0, 1]", "shots: [0]").splitlines()
        recipe.write_text("\n".join([*lines, f"objective: {SETTINGS[name]}", ""]), "utf-8")
        return recipe

    return write


class Pressed(PlainProgress):
    """Ctrl-C after the third step, in the middle of a rollout of two updates."""

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        if record["step"] == 3:
            raise KeyboardInterrupt


def read_weights(run: RunFolder) -> dict[str, torch.Tensor]:
    folder = run.model if run.model.is_dir() else run.adapter
    return {
        name: value
        for path in sorted(folder.glob("*.safetensors"))
        for name, value in load_file(path).items()
    }


def test_every_objective_is_asked_here() -> None:
    assert SETTINGS.keys() == OBJECTIVES.keys()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SETTINGS)
def test_an_interrupted_tuning_ends_with_the_same_weights(
    write: Callable[[str], Path], name: str, method: str
) -> None:
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
    few = FEW if method != "full" else [one for one in FEW if "dropout" not in one]
    given = [f"method={METHODS[method]}", *few]
    recipe = write(name)
    whole = run_tuning(load(recipe, given)).run
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(recipe, given), progress=Pressed())
    run = find_unfinished(whole.path.parent)
    assert run is not None
    resume_tuning(run)
    expected, found = read_weights(whole), read_weights(run)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    assert max(one["train/grad_norm"] for one in whole.read_metrics()) > 0


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_end_with_the_weights_of_one(write: Callable[[str], Path], name: str) -> None:
    given = [f"method={METHODS['lora']}", *FEW]
    recipe = write(name)
    alone = run_tuning(load(recipe, given)).run
    both = run_tuning(load(recipe, [*given, "launch.processes=2"])).run
    ours, theirs = both.read_metrics(), alone.read_metrics()
    for one, other in zip(ours, theirs, strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], abs=1e-4)
        assert one["train/grad_norm"] == pytest.approx(other["train/grad_norm"], abs=1e-3)
    weights = read_weights(both)
    assert all(torch.allclose(weights[n], v, atol=1e-4) for n, v in read_weights(alone).items())
