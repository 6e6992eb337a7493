"""A sweep: every adapter is the one trained alone, one is chosen on validation, all resume."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay.errors import ConfigError, TrainingError
from assay.pipeline import resume_run, run_recipe, run_sweep
from assay.pipeline.job import Job
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune import tune_steps
from assay.pipeline.worker import Call, prepare_run
from assay.runs import RunFolder, find_run, read_json

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

SWEPT = ["sweep.learning_rate=[0.002, 0.02]", "sweep.method.rank=[2, 4]"]
ALONE = ["train.learning_rate=0.02", "method.rank=2"]
MORE = ["objective.neftune_alpha=5", "train.eval_every_steps=3", "evaluate.max_items=8"]


def read_metrics(run: RunFolder) -> list[dict[str, Any]]:
    return [{k: v for k, v in m.items() if k != "tokens_per_s"} for m in run.read_metrics()]


def read_candidate(run: RunFolder, name: str) -> RunFolder:
    return RunFolder(run.path / "sweep" / name)


def assert_same_adapter(a: Path, b: Path) -> None:
    first, second = (load_file(path / "adapter_model.safetensors") for path in (a, b))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_every_candidate_is_the_run_of_its_own(recipe: Path) -> None:
    """With dropout and NEFTune, whose random numbers must not be shared between candidates."""
    swept = run_sweep(recipe, [*SWEPT, *MORE])
    alone = run_recipe(recipe, [*ALONE, *MORE])
    third = read_candidate(swept.run, "c3")
    assert_same_adapter(third.adapter, alone.run.adapter)
    assert read_metrics(third) == read_metrics(alone.run)
    found = read_json(swept.run.manifest)["sweep"]
    settings = [one["setting"] for one in found["candidates"]]
    assert settings == [
        {"learning_rate": rate, "method.rank": rank} for rate in (0.002, 0.02) for rank in (2, 4)
    ]
    assert found["candidates"][2]["training"] == read_json(alone.run.manifest)["training"]
    losses = [one["training"]["loss_validation_best"] for one in found["candidates"]]
    chosen = read_candidate(swept.run, found["chosen"])
    assert found["chosen"] == f"c{1 + losses.index(min(losses))}"
    assert_same_adapter(swept.run.adapter, chosen.adapter)
    assert read_metrics(swept.run) == read_metrics(chosen)
    choice = swept.evaluation["train"]["sweep"]
    assert (choice["num_candidates"], choice["num_validation"]) == (4, 12)
    assert swept.evaluation["train"]["loss_validation_best"] == min(losses)


@pytest.mark.parametrize(
    "more",
    [
        ["method=lora_plus", "method.flavours=[dora]", "train.optimizer=muon"],
        ["method={type: peft, config: {peft_type: IA3}}", "train.optimizer=schedule_free"],
        [
            "method={type: lora, target_modules: [layers.1.mlp.up_proj]}",
            "train.techniques=[reuse_in_memory, checkpoint_layers]",
        ],
        pytest.param(
            ["method=qlora"],
            marks=pytest.mark.skipif(not find_spec("bitsandbytes"), reason="no bitsandbytes"),
        ),
    ],
)
def test_candidates_of_every_kind_of_adapter_are_alone_on_the_base(
    recipe: Path, more: list[str]
) -> None:
    more = [*more, "train.max_steps=3", "evaluate.max_items=4", "train.eval_every_steps=2"]
    swept = run_sweep(recipe, ["sweep.train.learning_rate=[0.02, 0.001]", *more])
    alone = run_recipe(recipe, ["train.learning_rate=0.001", *more])
    second = read_candidate(swept.run, "c2")
    assert_same_adapter(second.adapter, alone.run.adapter)
    assert read_metrics(second) == read_metrics(alone.run)


@pytest.mark.parametrize(
    "method",
    [
        "{type: pissa, rank: 4}",
        "{type: peft, config: {peft_type: PREFIX_TUNING, num_virtual_tokens: 4}}",
    ],
)
def test_starts_and_tokens_beside_the_base_leave_it_to_the_others(
    recipe: Path, method: str
) -> None:
    text = recipe.read_text("utf-8").replace("{type: lora, rank: 4, dropout: 0.1}", method)
    recipe.write_text(text, encoding="utf-8")
    few = ["train.max_steps=4", "evaluate.max_items=4", "evaluate.shots=[0]"]
    swept = run_sweep(recipe, ["sweep.learning_rate=[0.002, 0.02]", *few])
    alone = run_recipe(recipe, ["train.learning_rate=0.02", *few])
    second = read_candidate(swept.run, "c2")
    assert_same_adapter(second.adapter, alone.run.adapter)
    assert read_metrics(second) == read_metrics(alone.run)


def test_a_candidate_that_diverges_is_named_and_not_chosen(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(job: Job, *given: Any, **named: Any) -> Iterator[dict[str, Any]]:
        steps = tune_steps(job, *given, **named)
        if job.recipe.train.learning_rate == 0.02:
            yield next(steps)
            raise TrainingError("loss nan and gradient norm 3.0 are not both finite")
        return (yield from steps)

    monkeypatch.setattr("assay.pipeline.sweep.tune_steps", diverge)
    swept = run_sweep(recipe, ["sweep.learning_rate=[0.02, 0.002]", "train.max_steps=2"])
    found = read_json(swept.run.manifest)["sweep"]
    failed, chosen = found["candidates"]
    assert failed["training"] is None
    assert "not both finite" in failed["failed"]
    assert chosen["name"] == found["chosen"] == "c2"
    assert_same_adapter(swept.run.adapter, read_candidate(swept.run, "c2").adapter)


KILLED = """
import os, sys
from assay.pipeline import run_sweep
import assay.train.checkpoint as checkpoint
save = checkpoint.Checkpoints.save
count = 0
def save_and_die(self, *given):
    global count
    path = save(self, *given)
    count += 1
    if count == 11:
        os.kill(os.getpid(), 9)
    return path
checkpoint.Checkpoints.save = save_and_die
run_sweep(sys.argv[1], sys.argv[2:])
"""


def test_kill_9_resumes_every_candidate_to_the_same_bits(recipe: Path) -> None:
    """Killed in the eleventh checkpoint: one candidate is two steps on, the others behind."""
    given = ["sweep.learning_rate=[0.002, 0.02, 0.01]", *MORE]
    dead = subprocess.run(
        [sys.executable, "-c", KILLED, str(recipe), *given, "name=killed"],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    killed = find_run(recipe.parent / "runs", "killed")
    whole = run_sweep(recipe, given)
    resumed = resume_run(killed)
    for name in ("c1", "c2", "c3"):
        a, b = read_candidate(whole.run, name), read_candidate(resumed.run, name)
        assert_same_adapter(a.adapter, b.adapter)
        assert read_metrics(a) == read_metrics(b)
    manifests = [read_json(outcome.run.manifest)["sweep"] for outcome in (whole, resumed)]
    assert manifests[0] == manifests[1]


def test_ctrl_c_saves_every_candidate_and_says_how_to_go_on(recipe: Path) -> None:
    class Pressing:
        def __init__(self) -> None:
            self.notes: list[str] = []
            self.steps: list[tuple[str, int]] = []

        def stage(self, name: str, title: str) -> None: ...

        def count(self, what: str, done: int, total: int) -> None: ...

        def note(self, text: str) -> None:
            self.notes.append(text)

        def step(self, record: dict[str, Any], num_steps: int) -> None:
            self.steps.append((record["candidate"], record["step"]))
            if len(self.steps) == 3:
                os.kill(os.getpid(), signal.SIGINT)

    watching = Pressing()
    given = ["sweep.learning_rate=[0.002, 0.02]", "train.checkpoints.every_s=1000", *MORE]
    with pytest.raises(KeyboardInterrupt):
        run_sweep(recipe, given, progress=watching)
    run = find_run(recipe.parent / "runs", recipe.parent.name)
    assert watching.steps == [("c1", 1), ("c2", 1), ("c1", 2)]
    assert watching.notes[-1] == f"interrupted; go on with: assay sweep --resume {run.path}"
    saved = {name: read_candidate(run, name).checkpoints for name in ("c1", "c2")}
    assert [path.name for name in saved for path in saved[name].iterdir()] == ["step-2", "step-1"]


def test_a_sweep_is_asked_for_by_its_own_verb(recipe: Path) -> None:
    with pytest.raises(ConfigError, match="assay sweep"):
        run_recipe(recipe, SWEPT)
    call = Call(str(recipe), SWEPT, weights=None, relayed=False)
    with pytest.raises(ConfigError, match="assay sweep"), ExitStack() as held:
        prepare_run(call, PlainProgress(), held)
    with pytest.raises(ConfigError, match=r"sweep.learning_rate=\[1e-4"):
        run_sweep(recipe)
