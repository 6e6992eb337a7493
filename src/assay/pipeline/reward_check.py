"""A recipe's reward before it is trained on: the base answers some prompts, and the grader grades.

Nothing is trained or kept. `evaluate/reward_check.py` says what speaks against the reward.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from assay.config import Loaded, dump
from assay.config.sections.reinforcement import ROLLOUT_OBJECTIVES, RolloutSection
from assay.config.start import list_start
from assay.data import TokenSequence, prepare_data, tokenize
from assay.data.asked import Asked
from assay.errors import EXIT_HELD, EXIT_OK, ConfigError, DataError, Problem
from assay.evaluate.reward_check import (
    Finding,
    Graded,
    Sampled,
    choose_examples,
    find_faults,
    summarise,
)
from assay.generate import Generation, Sampling
from assay.graders import Grader, Item, Sample, store_spec
from assay.graders.multi import MultiGrader
from assay.pipeline.graders import check_grader
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.subject import find_recipe_base
from assay.runs import RunFolder

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

NUM_PROMPTS = 16
NUM_EXAMPLES = 3


@dataclass(frozen=True)
class RewardCheck:
    """What was sampled and graded, and what speaks against the reward.

    Attributes:
        base: the model that was asked, by name.
        num_prompts, group_size: of each prompt so many completions.
        sampled, prompts: completions in order, and by their place the texts that were asked.
        whole, parts: the grades of the reward, and of the parts of a combined one.
        findings: the reward is sound where there are none.
        seconds: of sampling.
    """

    base: str
    num_prompts: int
    group_size: int
    prompts: list[str]
    sampled: list[Sampled]
    whole: Graded
    parts: list[Graded]
    findings: list[Finding]
    seconds: float

    @property
    def exit_code(self) -> int:
        """3 where an error was found, else 0."""
        is_wrong = any(finding.severity == "error" for finding in self.findings)
        return EXIT_HELD if is_wrong else EXIT_OK

    def to_dict(self, *, num_examples: int = NUM_EXAMPLES) -> dict[str, Any]:
        """All of it as plain values; of the completions the best and the worst."""
        shown = choose_examples(self.sampled, self.whole, num=num_examples)
        return {
            "base": self.base,
            "num_prompts": self.num_prompts,
            "group_size": self.group_size,
            "sampling_s": self.seconds,
            "reward": summarise(self.sampled, self.whole),
            "parts": [summarise(self.sampled, part) for part in self.parts],
            "findings": [asdict(finding) for finding in self.findings],
            **{name: [self._show(place) for place in places] for name, places in shown.items()},
        }

    def _show(self, place: int) -> dict[str, Any]:
        one, grade = self.sampled[place], self.whole.grades[place]
        return {
            "reward": grade.reward,
            "sub_rewards": grade.sub_rewards,
            "errors": sorted(grade.errors),
            "prompt": self.prompts[one.group],
            "completion": one.text,
        }


def check_reward(
    loaded: Loaded, *, num_prompts: int = NUM_PROMPTS, progress: Progress | None = None
) -> RewardCheck:
    """Sample completions of a recipe's prompts from its base, grade them, and look at the rewards.

    Prompts are drawn from the training rows by the recipe's seed; sampling is that of its
    objective. The model is the base, with `method.start_from` where the recipe goes on from an
    adapter.

    Raises:
        ConfigError: the objective has no grader, or its description is wrong; no such base.
        DataError: bad rows, all of them.
    """
    objective = _get_objective(loaded)
    progress = progress or PlainProgress()
    grader = check_grader(loaded)
    assert grader is not None, "objectives of prompts have a grader"
    with _open_job(loaded, progress) as job:
        sequences = _choose_prompts(job, num_prompts)
        engine = _load_engine(job)
        progress.stage("sample", f"{len(sequences)} prompts, {objective.group_size} times each")
        start = time.monotonic()
        generations = _sample(engine, sequences, job, objective)
        seconds = time.monotonic() - start
        prompts = [job.tokenizer.decode(sequence.input_ids) for sequence in sequences]
    sampled = [
        Sampled(
            place // objective.group_size,
            one.text,
            len(one.token_ids),
            one.finish_reason == "length",
        )
        for place, one in enumerate(generations)
    ]
    progress.stage("grade", f"{len(sampled)} completions")
    asked = [one.asked or Asked(()) for one in sequences for _ in range(objective.group_size)]
    whole, parts = grade_all(grader, objective.grader, generations, asked)
    return RewardCheck(
        loaded.recipe.base.name,
        len(sequences),
        objective.group_size,
        prompts,
        sampled,
        whole,
        parts,
        find_faults(sampled, whole, parts, seed=loaded.recipe.seed),
        seconds,
    )


def grade_all(
    grader: Grader,
    spec: Mapping[str, Any],
    generations: Sequence[Generation],
    asked: Sequence[Asked],
) -> tuple[Graded, list[Graded]]:
    """The grades of the whole, and of each part of a combined grader; nothing is asked twice."""
    from assay.train.completions import build_sample

    pairs = zip(generations, asked, strict=True)
    samples = [build_sample(one.text, told, generation=one) for one, told in pairs]
    items = [told.item for told in asked]
    kind = str(spec["type"])
    if not isinstance(grader, MultiGrader):
        return _grade_by(grader, grader.name, kind, samples, items), []
    kinds = {key: one["type"] for key, one in store_spec(spec)["graders"].items()}
    parts = [
        _grade_by(part, key, kinds[key], samples, items) for key, part in grader.graders.items()
    ]
    grades = grader.join({part.name: part.grades for part in parts}, len(samples))
    return Graded(grader.name, kind, grades, sum(part.seconds for part in parts)), parts


def _grade_by(
    grader: Grader, name: str, kind: str, samples: Sequence[Sample], items: Sequence[Item]
) -> Graded:
    start = time.monotonic()
    grades = grader.grade(samples, items)
    return Graded(name, kind, grades, time.monotonic() - start)


def _get_objective(loaded: Loaded) -> RolloutSection:
    objective = loaded.recipe.objective
    if isinstance(objective, RolloutSection) and objective.environment is None:
        return objective
    if isinstance(objective, RolloutSection):
        problem = Problem(
            key="objective.environment",
            got="episodes in an environment",
            allowed="single answers, which are checked without one",
            do="leave it out here, or train a few steps: metrics.jsonl has each part's reward",
        )
        raise ConfigError(loaded.locate(problem))
    problem = Problem(
        key="objective",
        got=f"objective {objective.type}, which has no grader",
        allowed=f"an objective with one: {', '.join(ROLLOUT_OBJECTIVES)}",
        do="write objective: {type: grpo, grader: {…}}",
    )
    raise ConfigError(loaded.locate(problem))


@contextmanager
def _open_job(loaded: Loaded, progress: Progress) -> Iterator[Job]:
    """The recipe's job in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="assay-reward-") as folder:
        run = RunFolder.create(Path(folder), "check", dump(loaded.recipe))
        base = find_recipe_base(loaded, run)
        yield Job(loaded.recipe, loaded.base_dir, run, base, progress)


def _choose_prompts(job: Job, num_prompts: int) -> list[TokenSequence]:
    """Training rows by the seed, in the order of the data, rendered."""
    config = job.recipe.data
    data = prepare_data(
        config,
        base_dir=job.base_dir,
        seed=job.recipe.seed,
        wanted=job.recipe.objective.learns_from,
    )
    rows = data.splits.train
    places = random.Random(f"reward:{job.recipe.seed}").sample(
        range(len(rows)), min(num_prompts, len(rows))
    )
    tokenized = tokenize(
        [rows[place] for place in sorted(places)],
        job.tokenizer,
        max_seq_len=job.max_prompt_len,
        on_too_long=config.on_too_long,
        on_bad_rows=config.on_bad_rows,
    )
    if not tokenized.sequences:
        got = "no prompt that leaves room for objective.max_new_tokens"
        raise DataError(Problem(got, do="lower it, or take shorter prompts", key="data.train"))
    return tokenized.sequences


def _load_engine(job: Job) -> LocalEngine:
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model

    model = load_model(job.base)
    if list_start(getattr(job.recipe.method, "start_from", None)):
        model = add_method(job, model)
    context_len, size = job.base.context_len, job.recipe.evaluate.batch_size
    return LocalEngine(model, job.tokenizer, batch_size=size, context_len=context_len)


def _sample(
    engine: LocalEngine, sequences: Sequence[TokenSequence], job: Job, objective: RolloutSection
) -> list[Generation]:
    prompts = [one.input_ids for one in sequences for _ in range(objective.group_size)]
    sampling = Sampling(
        max_new_tokens=objective.max_new_tokens,
        temperature=objective.temperature,
        top_p=objective.top_p,
        seed=job.recipe.seed,
    )
    return engine.generate(
        prompts, sampling, lambda done, total: job.progress.count("completions", done, total)
    )
