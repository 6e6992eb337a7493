"""Completions of a recipe's prompts by the model that its tuning would begin with; ungraded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from assay.config import Loaded, dump
from assay.config.sections.rollouts import RolloutSection
from assay.config.start import list_start
from assay.data import TokenSequence, prepare_data, tokenize
from assay.errors import DataError, Problem
from assay.generate import Generation, Sampling
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.progress import Progress
from assay.pipeline.subject import find_recipe_base
from assay.runs import RunFolder

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine


@contextmanager
def open_scratch_job(loaded: Loaded, progress: Progress) -> Iterator[Job]:
    """The recipe's job in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="assay-reward-") as folder:
        run = RunFolder.create(Path(folder), "check", dump(loaded.recipe))
        base = find_recipe_base(loaded, run)
        yield Job(loaded.recipe, loaded.base_dir, run, base, progress)


def choose_prompts(job: Job, num_prompts: int) -> list[TokenSequence]:
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


def load_start(job: Job) -> LocalEngine:
    """The model before the first step: the base, with the adapters that the recipe goes on from."""
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model

    model = load_model(job.base)
    if list_start(getattr(job.recipe.method, "start_from", None)):
        model = add_method(job, model).get_base_model()
    context_len, size = job.base.context_len, job.recipe.evaluate.batch_size
    return LocalEngine(model, job.tokenizer, batch_size=size, context_len=context_len)


def sample_groups(
    engine: LocalEngine, sequences: Sequence[TokenSequence], job: Job, objective: RolloutSection
) -> list[Generation]:
    """`group_size` completions of each prompt, group by group, as the objective samples them."""
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
