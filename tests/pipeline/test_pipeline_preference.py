"""Runs whose objective compares whole answers: from rows to a verdict, resumed, from an adapter."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay.cli import main
from assay.config import load
from assay.data.answers import AnswerRow
from assay.errors import ConfigError, DataError
from assay.models.as_base import adapters_off
from assay.models.forward import packed_mode
from assay.pipeline import run_recipe
from assay.pipeline.batches import build_rows
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.prepare import prepare
from assay.pipeline.progress import PlainProgress
from assay.pipeline.reference import with_reference
from assay.pipeline.run import begin_run, open_job
from assay.pipeline.tokens import Sequences, read_sequences, select_sequences, store_sequences
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import RunFolder, find_unfinished
from assay.train.answers import compute_answer_logprobs
from assay.train.preference import PAIR_METRICS
from assay.train.ranks import ALONE

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FEW = ["train.max_steps=4", "evaluate.max_items=8", "evaluate.shots=[0]"]


@pytest.fixture
def write(recipe: Path) -> Callable[..., Path]:
    """The recipe of the other tests with rows and an objective of its own."""

    def write(objective: str, rows: list[Any] | None = None) -> Path:
        given = rows or (make_rated() if objective.startswith("kto") else make_pairs())
        text = "".join(json.dumps(row) + "\n" for row in given)
        (recipe.parent / "colours.jsonl").write_text(text, encoding="utf-8")
        written = recipe.read_text("utf-8").split("objective:")[0]
        recipe.write_text(f"{written}objective: {objective}\n", encoding="utf-8")
        return recipe

    return write


def make_pairs(num: int = 60) -> list[dict[str, Any]]:
    return [
        {
            "prompt": [{"role": "user", "content": f"Item {n} is which of both?"}],
            "chosen": [{"role": "assistant", "content": f"It is the red one, {n}."}],
            "rejected": [{"role": "assistant", "content": "Who cares."}],
        }
        for n in range(num)
    ]


def make_rated(num: int = 60) -> list[dict[str, Any]]:
    return [
        {
            "prompt": pair["prompt"],
            "completion": pair["chosen" if n % 2 else "rejected"],
            "label": bool(n % 2),
        }
        for n, pair in enumerate(make_pairs(num))
    ]


def read_adapter(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.adapter / "adapter_model.safetensors")


def test_pairs_come_to_a_verdict(write: Any) -> None:
    outcome = run_recipe(load(write("dpo"), FEW))
    task = outcome.evaluation["suites"]["task"]
    assert (task["metric"], task["n"]) == ("choice_norm", 8)
    assert 0 <= task["base"]["mean"] <= 1
    assert outcome.evaluation["train"]["loss_validation_base"] == pytest.approx(math.log(2))
    names = [gate["name"] for gate in outcome.verdict["gates"]]
    assert {"task_gain", "overfit", "integrity/adapter_reloads"} <= set(names)
    records = outcome.run.read_metrics()
    assert {f"train/{name}" for name in PAIR_METRICS} <= records[0].keys()
    assert {f"eval/{name}" for name in PAIR_METRICS} <= records[-1].keys()
    assert records[0]["train/loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert records[-1]["train/loss"] < 0.69


def test_a_file_of_pairs_or_ratings_can_be_scored_by_any_model(
    small_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for name, rows in {"pairs": make_pairs(12), "rated": make_rated(12)}.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        capsys.readouterr()
        assert main(["eval", str(small_base), str(file), "--json"]) == 0
        found[name] = json.loads(capsys.readouterr().out)
        assert main(["eval", str(small_base), str(file), "--metric", "exact"]) == 2
    assert [one["metric"] for one in found.values()] == ["choice_norm", "ranked"]
    assert all(0 <= one["tuned"]["mean"] <= 1 and one["n"] == 12 for one in found.values())


@pytest.mark.parametrize("objective", ["{type: dpo, loss: aot_unpaired}", "{type: kto, loss: bco}"])
def test_losses_that_read_a_whole_step_first_tune(write: Any, objective: str) -> None:
    rows = make_rated() if "kto" in objective else make_pairs()
    training = run_tuning(load(write(objective, rows), FEW)).training
    assert training.loss_validation_base == pytest.approx(math.log(2), abs=1e-4)
    assert training.loss_validation < 0.69


def test_ratings_come_to_a_verdict(write: Any) -> None:
    outcome = run_recipe(load(write("kto"), FEW))
    task = outcome.evaluation["suites"]["task"]
    assert (task["metric"], task["n"]) == ("ranked", 8)
    assert outcome.evaluation["train"]["loss_validation_base"] == pytest.approx(0.5, abs=1e-6)
    records = outcome.run.read_metrics()
    assert records[0]["train/kl"] == pytest.approx(0, abs=1e-4)
    assert records[-1]["train/reward_wanted"] > records[-1]["train/reward_unwanted"]


@pytest.mark.parametrize("objective", ["dpo", pytest.param("kto", marks=pytest.mark.slow)])
def test_an_interrupted_tuning_goes_on_as_if_it_had_not_been(write: Any, objective: str) -> None:
    class Pressed(PlainProgress):
        def step(self, record: dict[str, Any], num_steps: int) -> None:
            if record["step"] == 2:
                raise KeyboardInterrupt

    recipe = write(objective)
    whole = run_tuning(load(recipe, FEW)).run
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(recipe, FEW), progress=Pressed())
    run = find_unfinished(whole.path.parent)
    assert run is not None
    resume_tuning(run)
    for name, value in read_adapter(whole).items():
        assert torch.equal(value, read_adapter(run)[name]), name
    plain = [{k: v for k, v in r.items() if k != "tokens_per_s"} for r in run.read_metrics()]
    assert plain == [
        {k: v for k, v in r.items() if k != "tokens_per_s"} for r in whole.read_metrics()
    ]


@pytest.mark.parametrize(
    "method",
    [
        "{type: qlora, rank: 4}",
        "full",
        pytest.param("{type: pissa, rank: 4}", marks=pytest.mark.slow),
    ],
)
def test_every_method_begins_where_its_reference_is(write: Any, method: str) -> None:
    if "qlora" in method:
        pytest.importorskip("bitsandbytes")
    settings = [*FEW, f"method={method}", "train.learning_rate=0.001"]
    training = run_tuning(load(write("dpo"), settings)).training
    assert training.loss_validation_base == pytest.approx(math.log(2), abs=1e-4)
    assert math.isfinite(training.loss_train)


def open_rows(recipe: Path, settings: list[str]) -> tuple[Job, Sequences]:
    loaded = load(recipe, settings)
    job = open_job(loaded, begin_run(loaded), PlainProgress())
    return job, select_sequences(prepare(job))


def sum_answers(model: Any, rows: list[AnswerRow]) -> list[float]:
    """Σ log p of each answer under `model` as it is, each row by itself."""
    from assay.data.portions import build_answer_batch

    found = []
    model.eval()
    with torch.no_grad(), packed_mode(model):
        for row in rows:
            logprobs = compute_answer_logprobs(model, build_answer_batch([row]))
            found += logprobs.sum(logprobs.logprobs_N).tolist()
    return found


def test_the_reference_of_a_tuning_from_an_adapter_is_that_adapter(
    write: Any, recipe: Path
) -> None:
    """SFT, then DPO: the model before the first step is what is compared with, not the base."""
    from assay.models.base import load_model

    chats = [{"messages": [*row["prompt"], *row["chosen"]]} for row in make_pairs()]
    answered = run_tuning(load(write("sft", chats), FEW)).run
    start = f"method={{type: lora, start_from: {answered.adapter}}}"
    job, sequences = open_rows(write("dpo"), [*FEW, start])
    model = add_method(job, load_model(job.base)).get_base_model()
    rows = build_rows(job, sequences)
    with packed_mode(model):
        told = with_reference(job, rows, model, ALONE)
        again = with_reference(job, rows, model, ALONE)
    assert [one.row for one in again.sequences] == [one.row for one in told.sequences]
    refs = [a.ref_logprob for one in told.sequences for a in one.row.answers]
    own = sum_answers(model, [one.row for one in sequences.train])
    assert refs == pytest.approx(own, abs=1e-3)
    with adapters_off(model):
        of_base = sum_answers(model, [one.row for one in sequences.train])
    assert max(abs(a - b) for a, b in zip(refs, of_base, strict=True)) > 1
    held_out = [a.ref_logprob for b in told.validation for row in b.rows for a in row.answers]
    assert all(value < 0 for value in held_out)
    training = run_tuning(load(recipe, [*FEW, start])).training
    assert training.loss_validation_base == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_rows_for_other_processes_come_back_equal(write: Any, objective: str) -> None:
    job, sequences = open_rows(write(objective), FEW)
    store_sequences(job.run, sequences)
    found = read_sequences(job.run)
    assert [one.row for one in found.train] == [one.row for one in sequences.train]
    assert [one.row for one in found.validation] == [one.row for one in sequences.validation]


def test_rows_for_another_objective_stop_the_run(write: Any) -> None:
    recipe = write("dpo", make_rated())
    with pytest.raises(DataError, match=r"rated data .*kto, which learns from thumbs up"):
        run_tuning(load(recipe, FEW))


@pytest.mark.parametrize(
    ("name", "settings"), [("ipo", "loss: ipo"), ("rpo", "sft_weight: 1"), ("slic", "loss: hinge")]
)
def test_what_others_call_an_objective_is_told_as_settings_of_dpo(
    write: Any, name: str, settings: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(name))
    (problem,) = caught.value.problems
    assert problem.do == f"write objective: {{type: dpo, {settings}}}"


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ("objective={type: dpo, loss: ipo, label_smoothing: 0.1}", "label smoothing with a loss"),
        ("objective={type: dpo, loss: robust}", "a loss for swapped pairs without their share"),
        (
            "objective={type: dpo, loss: ipo, length_desensitisation: 0.5}",
            "length desensitisation with means over tokens",
        ),
        ("defend={token_betas: [2, 2, 0.1]}", "replay, kl or token_betas with an objective of"),
        ("evaluate.metric=exact", "a metric of written answers"),
        ("train.techniques=[reuse_in_memory]", "reuse with answers whose prompts"),
        ("objective={type: dpo, neftune_alpha: 5}", "'neftune_alpha', a key of"),
    ],
)
def test_what_does_not_go_with_pairs_is_refused_by_name(
    write: Any, settings: str, got: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write("dpo"), [settings])
    assert any(problem.got.startswith(got) for problem in caught.value.problems), caught.value
