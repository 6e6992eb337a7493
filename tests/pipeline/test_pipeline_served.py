"""Runs whose completions a vLLM server writes: a fake that keeps its contract, real weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file

from assay.chat import render_prompt
from assay.config import load
from assay.errors import ConfigError, GenerationError
from assay.generate import Sampling
from assay.generate.local import LocalEngine
from assay.models.adapters import add_lora, load_adapter
from assay.models.base import find_base, load_model
from assay.pipeline import run_recipe
from assay.pipeline.progress import PlainProgress
from assay.pipeline.reward_check import check_reward
from assay.pipeline.reward_samples import open_scratch_job
from assay.pipeline.tune_run import run_tuning
from assay.runs.metrics import read_lines
from fake_vllm import FakeVllm, serving

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FEW = ["train.max_steps=2", "evaluate.max_items=8", "method.dropout=0"]
OBJECTIVE = """objective: {type: grpo, group_size: 4, max_new_tokens: 6,
  grader: {type: string_check, operation: ilike, input: '{{ sample.output_text }}',
    reference: '{{ item.letter }}'}}
"""
ENVIRONMENT = """
class Asking:
    def setup(self, row):
        self.letter = row["letter"]

    def step(self, action):
        return "Another.", float(self.letter in action.text), False
"""


@pytest.fixture
def prompts(recipe: Path) -> Path:
    """The recipe of the other tests, which asks for a text that holds a letter."""
    rows = [
        {"messages": [{"role": "user", "content": f"Item {n}?"}], "letter": "aeiou"[n % 5]}
        for n in range(30)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (recipe.parent / "colours.jsonl").write_text(text, encoding="utf-8")
    kept = recipe.read_text("utf-8").replace("shots: [0, 1], ", "")
    recipe.write_text(kept + OBJECTIVE, encoding="utf-8")
    return recipe


@pytest.fixture
def fake(small_base: Path) -> Iterator[FakeVllm]:
    base = find_base(str(small_base), base_dir=small_base)

    def load(folder: Path | None = None) -> LocalEngine:
        model = load_model(base)
        tuned = model if folder is None else load_adapter(model, folder).get_base_model()
        return LocalEngine(tuned, base.tokenizer, context_len=base.context_len)

    with serving(load(), load) as served:
        yield served


def name(fake: FakeVllm, **more: str) -> str:
    told = {"type": "vllm", "url": fake.url, "name": "base", **more}
    return f"objective.engine={json.dumps(told)}"


def list_loads(fake: FakeVllm) -> list[str]:
    return [asked["lora_path"] for path, asked in fake.asked if path == "load_lora_adapter"]


def test_a_tuning_learns_from_the_server_what_it_learns_alone(
    prompts: Path, fake: FakeVllm, tmp_path: Path
) -> None:
    alone = run_tuning(load(prompts, FEW)).run
    shared = tmp_path / "shared"
    served = run_tuning(load(prompts, [*FEW, name(fake, folder=str(shared))])).run
    ours, theirs = read_lines(served.metrics), read_lines(alone.metrics)
    assert [one["train/reward"] for one in ours] == [one["train/reward"] for one in theirs]
    assert ours[-1]["eval/reward"] == pytest.approx(theirs[-1]["eval/reward"])
    weights = [load_file(run.adapter / "adapter_model.safetensors") for run in (served, alone)]
    assert all(torch.allclose(weights[0][n], one, atol=1e-4) for n, one in weights[1].items())
    # Before step 0, after each step, and the best weights where they are not the last.
    assert 3 <= len(list_loads(fake)) <= 4
    assert all(Path(one).is_relative_to(shared) for one in list_loads(fake))
    assert set(fake.engines) == {"base"} and not list(shared.glob("*/*"))


@pytest.mark.slow
def test_another_temperature_and_episodes_are_learned_alike(prompts: Path, fake: FakeVllm) -> None:
    """What is sampled from is told by the server, of every turn of an episode."""
    (prompts.parent / "asking.py").write_text(ENVIRONMENT, encoding="utf-8")
    changes = [
        *("objective.environment=asking.py:Asking", "objective.max_turns=2"),
        *("objective.temperature=0.7", "objective.top_p=0.9", "objective.importance_cap=2"),
    ]
    alone = run_tuning(load(prompts, [*FEW, *changes])).run
    fake.mode = "processed_logprobs"
    told = name(fake, logprobs_mode="processed_logprobs")
    served = run_tuning(load(prompts, [*FEW, *changes, told])).run
    ours, theirs = read_lines(served.metrics), read_lines(alone.metrics)
    for key in ("train/reward", "train/length", "train/importance", "train/loss", "eval/reward"):
        assert [one[key] for one in ours if key in one] == pytest.approx(
            [one[key] for one in theirs if key in one], abs=1e-4
        ), key
    assert any(one["train/importance"] < 1 for one in ours)
    weights = [load_file(run.adapter / "adapter_model.safetensors") for run in (served, alone)]
    assert all(torch.allclose(weights[0][n], one, atol=1e-4) for n, one in weights[1].items())


@pytest.mark.slow
def test_a_run_has_held_out_prompts_answered_by_the_server(prompts: Path, fake: FakeVllm) -> None:
    outcome = run_recipe(load(prompts, ["train.max_steps=2", "evaluate.max_items=8", name(fake)]))
    assert outcome.verdict["status"] in ("released", "held")
    answered = {asked["model"] for path, asked in fake.asked if path == "completions"}
    assert "base" in answered and len(answered) >= 3
    assert set(fake.engines) == {"base"}
    task = [one["messages"] for one in read_lines(outcome.run.items) if one["suite"] == "task"]
    tokenizer = fake.engines["base"].tokenizer
    rendered = {tuple(render_prompt(tokenizer, messages)) for messages in task}
    assert task and rendered <= {tuple(a["prompt"]) for p, a in fake.asked if p == "completions"}


def test_a_reward_is_checked_by_what_the_server_writes(prompts: Path, fake: FakeVllm) -> None:
    checked = check_reward(load(prompts, [name(fake)]), num_prompts=3)
    plain = check_reward(load(prompts), num_prompts=3)
    assert [one.text for one in checked.sampled] == [one.text for one in plain.sampled]
    assert len(fake.asked) == 12 + 1 and not list_loads(fake)


def test_a_server_that_does_not_answer_ends_a_run_before_it_measures(prompts: Path) -> None:
    told = "{type: vllm, url: 'http://127.0.0.1:9/v1', name: base}"
    from assay.generate import remote

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "_read_wait", lambda told, number: 0.0)
        with pytest.raises(GenerationError, match=r"127\.0\.0\.1:9"):
            run_tuning(load(prompts, [f"objective.engine={told}"]))


def test_a_server_that_is_gone_at_the_end_costs_nothing_that_was_made(
    prompts: Path, fake: FakeVllm
) -> None:
    class Heard(PlainProgress):
        notes: ClassVar[list[str]] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    loaded, plain = load(prompts, [name(fake)]), fake.answer
    with open_scratch_job(loaded, Heard()) as job:
        assert job.server is not None
        model = add_lora(load_model(job.base), rank=2, alpha=4).get_base_model()
        job.server.complete_as(model).generate([[5, 6]], Sampling(2))
        (left,) = list_loads(fake)
        assert Path(left).is_dir()
        gone = 404, {"error": {"message": "gone"}}
        fake.answer = lambda path, asked: (  # type: ignore[method-assign]
            gone if path == "unload_lora_adapter" else plain(path, asked)
        )
    assert "keeps the last adapter" in Heard.notes[-1] and "gone" in Heard.notes[-1]
    assert not Path(left).exists()


@pytest.mark.parametrize(
    ("more", "key", "got"),
    [
        ("method=full", "objective.engine", "does not take"),
        ("method={type: lora, flavours: [dora]}", "objective.engine", "does not take"),
        ("base.new_tokens=['<a>']", "objective.engine", "new tokens"),
        ("launch.processes=2", "objective.engine", "several processes"),
        ("objective.temperature=0.7", "objective.engine.logprobs_mode", "another temperature"),
        ("objective.engine.url=http://elsewhere:1/v1", "objective.engine", "elsewhere"),
        ("objective.engine.key_env=ASSAY_NO_SUCH_KEY", "objective.engine", "ASSAY_NO_SUCH_KEY"),
    ],
)
def test_what_a_server_cannot_do_is_refused(prompts: Path, more: str, key: str, got: str) -> None:
    engine = "engine: {type: vllm, url: 'http://localhost:1/v1', name: base},"
    text = prompts.read_text("utf-8").replace("{type: grpo,", f"{{type: grpo, {engine}")
    prompts.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        run_tuning(load(prompts, [more]))
    (problem,) = caught.value.problems
    assert got in problem.got
    assert (problem.key, problem.line is None) in ((key, False), ("", True))
