"""The suites that guard what a base could do: which are asked of this base, and of both models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.config.sections.evaluate import FREE_FORM
from assay.evaluate.gates import Level
from assay.evaluate.gates.policy import FORMATS
from assay.evaluate.items import GUARDED, Item, Kind
from assay.evaluate.probes import Remember
from assay.evaluate.questions import read_questions
from assay.evaluate.scorers import is_function_spec
from assay.evaluate.suites import (
    PLAIN,
    Suite,
    list_builtin_suites,
    load_builtin_suite,
    sample_suite,
)
from assay.evaluate.suites.counterfactual import NAME as COUNTERFACTUAL
from assay.evaluate.suites.counterfactual import build_counterfactual_suite
from assay.evaluate.suites.formats import Deployment, expand_formats, expand_prompts
from assay.evaluate.suites.public.load import PublicSource
from assay.evaluate.suites.served_alike import build_served_suites
from assay.models.base import TINY
from assay.pipeline.gate import load_gate_policy
from assay.pipeline.harness_suites import measure_planned, plan_suite
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, Examiner
from assay.pipeline.suite_files import load_any

if TYPE_CHECKING:
    from assay.config.sections.evaluate import SuiteConfig
    from assay.models.base import BaseFiles

FORMAT_SHARE = 4
"""One in so many built-in questions is asked in each further format."""
MAX_TOOLS = 8
"""Most of the user's own tools that are declared beside a built-in question."""
MIN_BUILT_IN_TOKENS = 64
"""Every gold answer of the built-in suites fits into this, however short the task's own are."""
NO_PERSON = "No held-out row names a person, so none was asked of another group of people."
NO_TEMPLATE = "The base has no chat template, so suites of chats were not asked."


@dataclass(frozen=True)
class Guards:
    """The suites to ask, by kind why others were not, and by name which do not apply."""

    suites: list[Suite]
    skipped: dict[Kind, str]
    not_applicable: dict[str, str] = field(default_factory=dict)


def load_guards(job: Job) -> Guards:
    """The suites that the retention and refusal gates read: built in, and the recipe's own.

    The embedded base has suites of its own world. Any other base has built-in refusal suites, and
    its retention is measured on what the recipe names. A gate that the policy turns off needs no
    built-in suite. A base without a chat template is asked suites of raw text alone. Each suite
    has at most `evaluate.max_items` items. A reward model is asked nothing.

    Raises:
        DataError: bad rows of a suite file.
        ConfigError: a policy that cannot be read.
    """
    config = job.recipe.evaluate
    if job.recipe.objective.gives_scores:
        return Guards([], {})
    own = [suite for one in config.suites for suite in load_own_suites(job, one)]
    levels = load_gate_policy(job).levels
    return choose_guards(job.base, levels, own, max_items=config.max_items, seed=job.recipe.seed)


def load_own_suites(job: Job, own: SuiteConfig) -> list[Suite]:
    """The suites of one entry of the recipe: one, the several of a public data set, or none.

    Raises:
        DataError: bad rows.
        ConfigError: a kind or metric that the format does not leave open, or no such task.
    """
    if own.source == "harness":
        return [plan_suite(job, own)]
    if own.source == "free_form":
        # A probe asks them (`assay.pipeline.free_form`); here their file is only looked at.
        if own.path != FREE_FORM:
            read_questions(job.base_dir / own.path)
        return []
    source = PublicSource(
        path=own.path,
        format=own.format,
        subset=own.subset,
        split=own.split,
        revision=own.revision,
        name=own.name,
        kind=own.kind,
        metric=own.metric,
        rendering="chat" if job.tokenizer.has_template else "completion",
    )
    return load_any(source, base_dir=job.base_dir)


def widen_guards(
    guards: Guards,
    task: Sequence[Item],
    *,
    levels: Mapping[str, Level],
    system: str | None,
    max_items: int,
    seed: int,
    formats: bool = True,
) -> Guards:
    """The guards, their built-in questions in further formats, and the user's own of other people.

    With `formats` a quarter of each built-in suite of behaviour is asked in each: as JSON, beside
    the tools of the task's rows, under the deployed `system` prompt; all of it where a gate reads
    it. With a fairness gate the `task`'s held-out questions are asked of other groups of people
    too, as many as the gate can read.
    """
    tools = {json.dumps(tool, sort_keys=True): tool for item in task for tool in item.tools or ()}
    deployment = Deployment(list(tools.values())[:MAX_TOOLS], system)
    suites, not_applicable = list(guards.suites), dict(guards.not_applicable)
    is_read = levels.get(FORMATS, "off") != "off"
    for suite in guards.suites:
        if (formats or is_read) and suite.built_in:
            num_items = len(suite.items) if is_read else max(1, len(suite.items) // FORMAT_SHARE)
            suites += expand_formats(suite, deployment, num_items=num_items, seed=seed)
    if levels.get("fairness", "off") != "off":
        own = build_counterfactual_suite(task, max_pairs=max_items // 2, seed=seed)
        suites += [own] if own else []
        suites += build_served_suites(task, max_pairs=max_items // 2, seed=seed)
        if own is None:
            not_applicable[COUNTERFACTUAL] = NO_PERSON
    return Guards(suites, guards.skipped, not_applicable)


def ask_under(
    triggers: Sequence[str], suites: Sequence[Suite], *, for_tiny: bool, max_items: int, seed: int
) -> list[Suite]:
    """A quarter of the built-in questions of refusal and character under each of `triggers`.

    Character is asked there whatever the policy asks: it is what an inoculation is about.
    """
    if not triggers:
        return []
    asked = [suite for suite in suites if suite.built_in and suite.format == PLAIN]
    if not any(suite.kind == "character" for suite in asked):
        character = load_builtin_suite("character", for_tiny=for_tiny)
        asked.append(sample_suite(character, max_items=max_items, seed=seed))
    return [
        new
        for suite in asked
        for new in expand_prompts(
            suite, triggers, num_items=max(1, len(suite.items) // FORMAT_SHARE), seed=seed
        )
    ]


def choose_guards(
    base: BaseFiles,
    levels: Mapping[str, Level],
    own: Sequence[Suite] = (),
    *,
    max_items: int,
    seed: int,
) -> Guards:
    """See `load_guards`: by the gates' `levels`, and a recipe's `own` after the built-in ones."""
    for_tiny = base.name == TINY
    suites = [
        load_builtin_suite(name, for_tiny=for_tiny)
        for kind in GUARDED
        if levels.get(kind, "off") != "off"
        for name in list_builtin_suites(kind, for_tiny=for_tiny)
    ]
    suites += own
    asked = [suite for suite in suites if base.tokenizer.has_template or _is_raw(suite)]
    kinds = {suite.kind for suite in asked}
    return Guards(
        [sample_suite(suite, max_items=max_items, seed=seed) for suite in asked],
        {suite.kind: NO_TEMPLATE for suite in suites if suite.kind not in kinds},
    )


def _is_raw(suite: Suite) -> bool:
    """Whether no item of a suite needs a chat template."""
    return all(item.rendering != "chat" for item in suite.items)


def measure_suites(examiner: Examiner, suites: Sequence[Suite]) -> dict[str, Answers]:
    """Answers to every guarding suite by name, each item under its own system prompt alone.

    Answers may be as long as the recipe's `evaluate.max_new_tokens`; see `MIN_BUILT_IN_TOKENS`.
    """
    longest = examiner.sampling.max_new_tokens
    found = {
        suite.name: examiner.measure(
            suite.items,
            name=suite.name,
            max_new_tokens=max(longest, MIN_BUILT_IN_TOKENS) if suite.built_in else longest,
        )
        for suite in suites
        if suite.harness is None
    }
    return found | measure_planned(examiner, suites)


def remember_suites(
    examiner: Examiner, suites: Sequence[Suite], remember: Remember
) -> dict[str, Answers]:
    """`measure_suites` of a base, whose answers are kept by what was asked and how.

    Those that the user's own function scores are not: it may be another one tomorrow.
    """
    found: dict[str, Answers] = {}
    for suite in suites:
        if any(is_function_spec(item.metric) for item in suite.items):
            found |= measure_suites(examiner, [suite])
            continue
        key = [suite.sha256, repr(examiner.sampling), examiner.batch_size, suite.built_in]

        def ask(suite: Suite = suite) -> dict[str, Any]:
            return measure_suites(examiner, [suite])[suite.name].to_dict()

        found[suite.name] = Answers.from_dict(remember(f"suite-{suite.name}", key, ask))
    return found


def describe_decoding(job: Job) -> dict[str, Any]:
    """How answers were decoded, for evaluation.json."""
    config = job.recipe.evaluate
    return {
        "temperature": config.temperature,
        "max_new_tokens": config.max_new_tokens,
        "max_new_tokens_built_in": max(config.max_new_tokens, MIN_BUILT_IN_TOKENS),
        "batch_size": config.batch_size,
        "seed": job.recipe.seed,
    }
