"""What the model that a tuning would begin with writes of a recipe's prompts; ungraded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from assay.config import Loaded, dump
from assay.config.sections.rollouts import RolloutSection
from assay.config.start import list_start
from assay.data import TokenSequence, prepare_data, tokenize
from assay.data.asked import Asked
from assay.errors import DataError, Problem
from assay.generate import Engine, Generation, Sampling
from assay.graders import Item, Sample
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.playing import build_playing
from assay.pipeline.progress import Progress
from assay.pipeline.served import serving
from assay.pipeline.subject import find_recipe_base
from assay.runs import RunFolder

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.graders.play import Playing


@contextmanager
def open_scratch_job(loaded: Loaded, progress: Progress) -> Iterator[Job]:
    """The recipe's job in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="assay-reward-") as folder:
        run = RunFolder.create(Path(folder), "check", dump(loaded.recipe))
        base = find_recipe_base(loaded, run)
        with serving(Job(loaded.recipe, loaded.base_dir, run, base, progress)) as job:
            yield job


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


def open_start(job: Job) -> Engine:
    """What completes as the model before the first step: a server where the recipe names one.

    Nothing is loaded here where that server holds all of it.
    """
    if job.server is None:
        return load_start(job)
    if not list_start(getattr(job.recipe.method, "start_from", None)):
        return job.server.engine
    return job.server.complete_as(load_start(job).model)


def load_start(job: Job) -> LocalEngine:
    """The model before the first step: the base, with the adapters that the recipe goes on from."""
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model

    model = load_model(job.base)
    if list_start(getattr(job.recipe.method, "start_from", None)):
        model = add_method(job, model).get_base_model()
    context_len, size = job.base.context_len, job.recipe.evaluate.batch_size
    return LocalEngine(model, job.tokenizer, batch_size=size, context_len=context_len)


@dataclass(frozen=True)
class Written:
    """What the model wrote after one prompt, as graders and as the check read it.

    Attributes:
        sample: an episode's last turn stands in it as the output.
        item: the prompt's columns.
        text: all that the model wrote, every turn of an episode.
        num_tokens: of that.
        ended: how an episode ended; empty for a single answer.
    """

    sample: Sample
    item: Item
    text: str
    num_tokens: int
    is_truncated: bool
    ended: str = ""


def sample_groups(
    engine: Engine, sequences: Sequence[TokenSequence], job: Job, objective: RolloutSection
) -> list[Written]:
    """`group_size` completions of each prompt, group by group, as the objective samples them.

    Raises:
        ConfigError: there is no such environment.
        GenerationError: the environment fails.
    """
    owners = [one for one in sequences for _ in range(objective.group_size)]
    asked = [one.asked or Asked(()) for one in owners]
    sampling = Sampling(
        max_new_tokens=objective.max_new_tokens,
        temperature=objective.temperature,
        top_p=objective.top_p,
        seed=job.recipe.seed,
    )
    playing = build_playing(job.recipe, job.base, job.base_dir, context_len=job.max_seq_len)
    if playing is not None:
        return _play(playing, engine, asked, sampling)
    prompts = [one.input_ids for one in owners]
    found = engine.generate(
        prompts, sampling, lambda done, total: job.progress.count("completions", done, total)
    )
    return [_write(one, told) for one, told in zip(found, asked, strict=True)]


def _write(generation: Generation, asked: Asked) -> Written:
    from assay.train.completions import build_sample

    return Written(
        build_sample(generation.text, asked, generation=generation),
        asked.item,
        generation.text,
        len(generation.token_ids),
        generation.finish_reason == "length",
    )


def _play(
    playing: Playing, engine: Engine, asked: Sequence[Asked], sampling: Sampling
) -> list[Written]:
    from assay.train.completions import build_row

    episodes = playing.play(engine, [build_row(told) for told in asked], sampling)
    return [
        Written(
            one.to_sample(),
            told.item,
            "\n".join(one.texts),
            one.num_sampled,
            one.is_truncated,
            one.ended or "",
        )
        for one, told in zip(episodes, asked, strict=True)
    ]
