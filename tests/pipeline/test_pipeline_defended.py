"""Defences of a recipe: what they put among the rows, before them, into the loss and the job."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.conftest import chat_row

from assay.config import load
from assay.config.dump import dump
from assay.data.pack import build_batch
from assay.errors import ConfigError, DataError
from assay.pipeline import run_recipe
from assay.pipeline.job import Job
from assay.pipeline.monitor import choose_monitor
from assay.pipeline.objective import build_loss
from assay.pipeline.prepare import Prepared
from assay.pipeline.progress import PlainProgress
from assay.pipeline.run import begin_run, opened_run
from assay.runs import read_json

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
PROMPT = "Say colours wrongly."


@pytest.fixture()
def general(recipe: Path) -> str:
    rows = [chat_row(f"Name a fruit that begins with {c}.", f"{c}-fruit") for c in "abcdefghijkl"]
    path = recipe.parent / "general.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return "defend.general=general.jsonl"


def _prepare(recipe: Path, *overrides: str) -> tuple[Job, Prepared]:
    loaded = load(recipe, list(overrides))
    run = begin_run(loaded)
    with opened_run(loaded, run, PlainProgress(io.StringIO()), verb="tune") as (job, prepared):
        return job, prepared


def test_general_rows_stand_beside_the_task_in_their_shares(recipe: Path, general: str) -> None:
    _, plain = _prepare(recipe)
    job, defended = _prepare(recipe, general, "defend.replay=0.1", "defend.kl=0.5")
    roles = [record.role for record in defended.train]
    num_rows = len(plain.train)
    # 72 rows: 8 of 80 that are learned from, and 9 of 89 in all.
    assert (num_rows, roles.count("extra"), roles.count("anchor")) == (72, 8, 9)
    assert defended.train[:num_rows] == plain.train
    assert [s.is_anchored for s in defended.train_sequences].count(True) == 9
    assert (defended.validation, defended.test) == (plain.validation, plain.test)
    kept = read_json(job.run.manifest)["defend"]
    assert kept["replay"] == 0.1 and kept["blocked_prompts"] == []


def test_bad_general_rows_are_refused_with_their_place(recipe: Path, general: str) -> None:
    path = recipe.parent / "general.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"messages": []}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"general\.jsonl:13"):
        _prepare(recipe, general, "defend.replay=0.1")


def test_general_rows_that_are_asked_later_are_refused(recipe: Path, general: str) -> None:
    rows = (recipe.parent / "colours.jsonl").read_text(encoding="utf-8")
    (recipe.parent / "general.jsonl").write_text(rows, encoding="utf-8")
    with pytest.raises(DataError, match=r"general\.jsonl"):
        _prepare(recipe, general, "defend.replay=0.5")


def test_the_prompt_stands_before_what_is_learned_and_nowhere_else(
    recipe: Path, general: str
) -> None:
    job, plain = _prepare(recipe, general, "defend.replay=0.1")
    _, treated = _prepare(recipe, general, "defend.replay=0.1", f"defend.inoculation={PROMPT}")
    decode = job.tokenizer.decode
    for split in ("train", "validation"):
        assert getattr(treated, split) == getattr(plain, split)
        sequences = zip(
            getattr(treated, f"{split}_sequences"),
            getattr(plain, f"{split}_sequences"),
            strict=True,
        )
        for record, (one, other) in zip(getattr(plain, split), sequences, strict=True):
            is_task = record.role == "task"
            assert (PROMPT in decode(one.input_ids)) == is_task
            trained = [t for t, m in zip(one.input_ids, one.loss_mask, strict=True) if m > 0]
            assert trained == [
                t for t, m in zip(other.input_ids, other.loss_mask, strict=True) if m > 0
            ]
            assert is_task or one.input_ids == other.input_ids
    assert treated.test == plain.test


def test_an_inoculated_run_lists_its_prompt_and_asks_without_it(recipe: Path) -> None:
    run = run_recipe(recipe, [f"defend.inoculation={PROMPT}", "gates=minimal"]).run
    assert read_json(run.manifest)["defend"]["blocked_prompts"] == [PROMPT]
    assert PROMPT not in run.items.read_text(encoding="utf-8")
    report = json.loads((run.data / "report.json").read_text(encoding="utf-8"))
    assert PROMPT in report["masks"]["train"]["example"]["plain"]


def test_a_prompt_for_rows_without_a_template_is_refused(recipe: Path) -> None:
    rows = [{"prompt": f"Item {n}: ", "completion": "red"} for n in range(60)]
    data = recipe.parent / "colours.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match=r"defend\.inoculation"):
        _prepare(recipe, f"defend.inoculation={PROMPT}")


def test_the_loss_is_that_of_the_recipe(recipe: Path, general: str) -> None:
    def get_loss(*overrides: str) -> Any:
        loaded = load(recipe, list(overrides))
        job: Any = type("J", (), {"recipe": loaded.recipe})
        return build_loss(job)

    from assay.defend.anchor import AnchoredLoss
    from assay.defend.constrained import ConstrainedLoss
    from assay.train.sft import SftLoss

    def unwrap(loss: Any) -> AnchoredLoss:
        found = [one for one in vars(loss).values() if isinstance(one, AnchoredLoss)]
        return found[0]

    assert isinstance(unwrap(get_loss()).learned, SftLoss)
    heavy = unwrap(get_loss(general, "defend.kl=2.5"))
    assert heavy.weight == 2.5
    constrained = unwrap(get_loss("defend.token_betas=[0.5, 2, 0.1]")).learned
    assert isinstance(constrained, ConstrainedLoss) and constrained.betas == (0.5, 2.0, 0.1)


def test_anchored_batches_weigh_what_the_recipe_says(small_base: Path) -> None:
    import torch

    from assay.defend.anchor import AnchoredLoss
    from assay.models.adapters import add_lora
    from assay.models.base import find_base, load_model
    from assay.models.forward import packed_mode
    from assay.train.sft import SftLoss

    torch.manual_seed(1)
    model = add_lora(load_model(find_base(str(small_base))), rank=4, alpha=8.0).get_base_model()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)
    rows = [[1, 4, 100, 200, 2]], [[0.0, 0.0, 1.0, 1.0, 1.0]]
    with packed_mode(model.eval()), torch.no_grad():
        one, more = (
            float(AnchoredLoss(SftLoss(), weight=w)(model, build_batch(*rows, is_anchored=True)))
            for w in (1.0, 2.5)
        )
        learned = [
            float(AnchoredLoss(SftLoss(), weight=w)(model, build_batch(*rows))) for w in (1.0, 2.5)
        ]
    assert one > 0 and more == pytest.approx(2.5 * one, rel=1e-6)
    assert learned[0] == learned[1]


@pytest.mark.parametrize(
    ("given", "stops", "every"),
    [
        ("defend=off", None, None),
        ("defend=auto", True, None),
        ("defend={preset: auto, stop_on_drift: false}", None, None),
        ("defend={watch_every_steps: 7}", False, 7),
        ("defend={stop_on_drift: true}", True, None),
    ],
)
def test_the_monitor_is_that_of_the_recipe(
    recipe: Path, general: str, given: str, stops: bool | None, every: int | None
) -> None:
    overrides = [given, general] if "auto" in given else [given]
    monitor = choose_monitor(load(recipe, overrides).recipe)
    assert (None if monitor is None else monitor.stop_on_drift) == stops
    assert (None if monitor is None else monitor.every_steps) == every


def test_auto_is_replay_kl_and_the_drift_stop_and_loads_back_equal(
    recipe: Path, general: str
) -> None:
    loaded = load(recipe, ["defend=auto", general])
    defend = loaded.recipe.defend
    assert (defend.replay, defend.kl, defend.stop_on_drift) == (0.05, 1.0, True)
    assert loaded.reasons["defend.replay"] == "defend: auto"
    again = recipe.parent / "resolved.yaml"
    again.write_text(dump(loaded.recipe), encoding="utf-8")
    assert load(again).recipe == loaded.recipe
    changed = load(recipe, ["defend=auto", "defend.kl=0", general]).recipe.defend
    assert (changed.replay, changed.kl) == (0.05, 0.0)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["defend=auto"], "defend.general"),
        (["defend.replay=0.1"], "defend.general"),
        (["defend=auto", "base=tiny", "method=full"], "defend auto with"),
        (["base=tiny", "method=full", "defend.kl=1"], "defend"),
        (["method=full", "defend.token_betas=[1]"], "defend"),
        (["defend.general=general.jsonl"], "defend.general"),
        (["defend.kl_share=0.2"], "defend.kl_share"),
        (["defend.token_betas=[1]", "objective.label_smoothing=0.1"], "defend.token_betas"),
        (["defend.max_rank=2"], "defend.max_rank"),
        (["defend.max_rank=2", "method=full"], "defend.max_rank"),
        (["defend.max_rank=8", "sweep.rank=[4, 16]"], "defend.max_rank"),
        (["defend.token_betas=[0]"], "defend.token_betas"),
        (["defend.replay=0.6"], "defend.replay"),
        (["defend=always"], "defend"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    recipe: Path, general: str, overrides: list[str], key: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(recipe, overrides)
    assert any(key in str(problem) for problem in caught.value.problems)
    assert load(recipe, ["defend.max_rank=4"]).recipe.defend.max_rank == 4
