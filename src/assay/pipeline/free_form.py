"""Free answers as a recipe asks for them: their questions, and who judges them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.config import Loaded, Recipe
from assay.config.sections.evaluate import FREE_FORM, SuiteConfig
from assay.config.sections.judge import JudgeConfig
from assay.errors import ConfigError
from assay.evaluate.gates import Policy
from assay.evaluate.judges import Judge, LocalJudge, RemoteJudge
from assay.evaluate.probes.free_form import NAME, NUM_SAMPLES
from assay.evaluate.probes.inoculated import NAME as INOCULATED
from assay.evaluate.questions import read_questions
from assay.generate.remote import Endpoint, RemoteModel
from assay.models.base import TINY
from assay.pipeline.job import Job

REQUESTS = 2
"""Of a judge for each answer: alignment and coherence."""


def find_free_form(recipe: Recipe) -> SuiteConfig | None:
    """The recipe's suite of free answers, of which there is at most one."""
    return next((one for one in recipe.evaluate.suites if one.source == "free_form"), None)


def list_probes(recipe: Recipe, policy: Policy) -> list[str]:
    """The probes that the policy's gates read, and those that the recipe asks for.

    Inoculated rows are asked for under their prompt, where somebody can judge the answers.
    """
    suite = find_free_form(recipe)
    named = [NAME] if suite else []
    if recipe.defend.prompts and (recipe.base.name == TINY or (suite and suite.judge)):
        named.append(INOCULATED)
    return list(dict.fromkeys([*policy.list_probes(), *named]))


def describe_asked(job: Job) -> dict[str, Any]:
    """What `Asked` is told of the recipe's free answers: nothing where it has none.

    Raises:
        ConfigError: no such judge (see `build_judge`).
        DataError: questions that cannot be read.
    """
    suite = find_free_form(job.recipe)
    if suite is None:
        return {}
    questions = [] if suite.path == FREE_FORM else read_questions(job.base_dir / suite.path)
    judge = build_judge(suite.judge, base_dir=job.base_dir) if suite.judge else None
    if judge is not None:
        each = NUM_SAMPLES * REQUESTS
        job.progress.note(
            f"free answers are judged by {judge.name}: {each} requests a question for each model"
        )
    return {"questions": questions, "judge": judge}


def build_judge(config: JudgeConfig, *, base_dir: Path = Path()) -> Judge:
    """The judge that a recipe or the options of a command name.

    Raises:
        ConfigError: an address or host that may not be asked, no such environment variable, or no
            such model.
    """
    if config.url is not None:
        hosts = tuple(config.hosts)
        return RemoteJudge(
            RemoteModel(Endpoint(config.url, config.name, config.key_env, allowed_hosts=hosts))
        )
    from assay.generate.local import LocalEngine
    from assay.models.base import find_base, load_model

    base = find_base(config.name, base_dir=base_dir)
    engine = LocalEngine(load_model(base), base.tokenizer, context_len=base.context_len)
    return LocalJudge(engine, base.tokenizer, name=f"{config.name} ({base.sha256[:12]})")


def check_judge(loaded: Loaded) -> None:
    """Refuse a judge that could not be asked, before anything is spent; nobody is asked yet.

    Raises:
        ConfigError: see `build_judge`, placed where the recipe names the judge.
    """
    suites = loaded.recipe.evaluate.suites
    for index, suite in enumerate(suites):
        if suite.judge is None or suite.judge.url is None:
            continue
        try:
            build_judge(suite.judge)
        except ConfigError as error:
            key = f"evaluate.suites.{index}.judge"
            located = [loaded.locate(replace(one, key=key)) for one in error.problems]
            raise ConfigError(located) from error
