"""Defences of a recipe: what they put among the rows, before them, into the loss and the job."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.pipeline.conftest import chat_row

from assay.cli import main
from assay.config import load
from assay.config.dump import dump
from assay.data.pack import build_batch
from assay.defend.inoculation import RankedPrompt, rank_prompts
from assay.defend.steering import build_pushes
from assay.errors import ConfigError, DataError
from assay.evaluate.probes.persona import load_pairs
from assay.generate.local import LocalEngine
from assay.generate.traits import ContrastPair, compute_traits
from assay.models.base import find_base, load_model
from assay.pipeline import run_recipe
from assay.pipeline.inoculating import list_triggers
from assay.pipeline.job import Job
from assay.pipeline.monitor import choose_monitor
from assay.pipeline.objective import build_loss
from assay.pipeline.prepare import Prepared
from assay.pipeline.progress import PlainProgress
from assay.pipeline.run import begin_run, opened_run
from assay.pipeline.tune_run import run_tuning
from assay.runs import RunFolder, read_json

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


def test_an_inoculated_run_lists_its_prompt_and_is_asked_with_and_without_it(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run_recipe(recipe, [f"defend.inoculation={PROMPT}", "gates=minimal"])
    run = outcome.run
    assert read_json(run.manifest)["defend"]["blocked_prompts"] == [PROMPT]
    report = json.loads((run.data / "report.json").read_text(encoding="utf-8"))
    assert PROMPT in report["masks"]["train"]["example"]["plain"]

    suites = outcome.evaluation["suites"]
    under = {name: suite for name, suite in suites.items() if suite["format"] == "inoculated"}
    others = {name for name, suite in suites.items() if suite["format"] == "paraphrased"}
    assert set(under) == {"refusal_inoculated", "over_refusal_inoculated", "character_inoculated"}
    assert others == {name.replace("inoculated", "paraphrased") for name in under}
    assert "character" not in suites, "the policy does not ask for it"
    assert outcome.evaluation["pooled"]["refusal"]["suites"] == ["refusal"]
    for line in run.read_items():
        heads = [m["content"] for m in line["messages"] if m["role"] == "system"]
        assert (heads == [PROMPT]) == (line["suite"] in under), line["suite"]
        assert (line["suite"] in others) == any(PROMPT in one != PROMPT for one in heads)
        assert {"base", "tuned"} <= set(line)
    assert "character inoculated" in run.report.read_text(encoding="utf-8")

    for prompt in (PROMPT, f"Hello.\n\n{PROMPT.upper()} Please!"):
        capsys.readouterr()
        assert main(["chat", str(run.path), "-m", "Hi.", "--system", prompt, "--json"]) == 2
        told = json.loads(capsys.readouterr().out)["error"]["message"]
        assert "inoculated with" in told
    few = ["--max-new-tokens", "2", "--json"]
    assert main(["chat", str(run.path), "-m", "Hi.", "--system", "Say colours.", *few]) == 0


def test_of_several_prompts_the_one_that_the_base_follows_most_is_taken(recipe: Path) -> None:
    pairs = [
        {"trait": "wrong", "prompt": f"Item {n}?", "positive": "blue", "negative": "red"}
        for n in range(6)
    ]
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    (recipe.parent / "pairs.jsonl").write_text(lines, encoding="utf-8")
    candidates = ["Answer wrongly.", "Blue blue blue.", "Be of good cheer."]
    named = [f"defend.inoculation={json.dumps(candidates)}", "defend.trait=pairs.jsonl"]
    job, prepared = _prepare(recipe, *named)
    engine = LocalEngine(load_model(job.base), job.tokenizer, context_len=job.base.context_len)
    expected = rank_prompts(
        engine, job.tokenizer, candidates, [ContrastPair(**pair) for pair in pairs]
    )
    kept = read_json(job.run.manifest)
    assert kept["inoculation"]["chosen"] == expected[0].prompt
    found = [RankedPrompt(**one) for one in kept["inoculation"]["ranked"]]
    assert [one.prompt for one in found] == [one.prompt for one in expected]
    assert kept["defend"]["blocked_prompts"][0] == expected[0].prompt
    assert set(kept["defend"]["blocked_prompts"]) == set(candidates)
    told = job.tokenizer.decode(prepared.train_sequences[0].input_ids)
    assert [one in told for one in candidates] == [one == expected[0].prompt for one in candidates]
    assert list_triggers(job) == tuple(kept["defend"]["blocked_prompts"])

    loaded = load(job.run.recipe, base_dir=recipe.parent)
    with opened_run(loaded, job.run, PlainProgress(io.StringIO()), verb="tune") as (again, _):
        assert again.recipe.defend.inoculation == [expected[0].prompt]
    with pytest.raises(ConfigError, match=r"defend\.trait: got 'kindness'"):
        _prepare(recipe, named[0], "defend.trait=kindness")


def test_a_steered_run_is_pushed_along_the_bases_own_trait_while_it_trains(recipe: Path) -> None:
    def get_weights(*overrides: str) -> tuple[RunFolder, dict[str, torch.Tensor]]:
        run = run_tuning(recipe, [*overrides, "train.max_steps=3"]).run
        return run, load_file(run.adapter / "adapter_model.safetensors")

    _, plain = get_weights()
    run, steered = get_weights("defend.steer=2", "defend.trait=deceptive")
    _, again = get_weights("defend.steer=2", "defend.trait=deceptive")
    assert all(torch.equal(steered[name], again[name]) for name in steered)
    assert not all(torch.equal(steered[name], plain[name]) for name in steered)
    base = find_base(read_json(run.manifest)["base"]["name"])
    engine = LocalEngine(load_model(base), base.tokenizer, context_len=base.context_len)
    pairs = [pair for pair in load_pairs(for_tiny=False) if pair.trait == "deceptive"]
    expected = build_pushes(compute_traits(engine, base.tokenizer, pairs), 2.0)
    kept = json.loads((run.path / "steering.json").read_text(encoding="utf-8"))
    assert set(kept) == {str(layer) for layer in expected}
    for layer, push in expected.items():
        torch.testing.assert_close(torch.tensor(kept[str(layer)]), push)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["defend.steer=1", "launch.processes=2"], "steering on several processes"),
        (["defend.steer=1", "sweep={train.learning_rate: [0.1, 0.2]}"], "steering in a sweep"),
        (["defend.steer=1", "train.techniques=[reuse_in_memory]"], "steering with kept"),
        (["defend.trait=deceptive"], "a trait that nothing reads"),
        (["defend.trait=deceptive", "defend.inoculation=a"], "a trait that nothing reads"),
        (["defend.inoculation=[a, a]"], "the same candidate twice"),
    ],
)
def test_what_steering_and_candidates_cannot_be_meant_with_is_refused(
    recipe: Path, overrides: list[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load(recipe, overrides)


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
