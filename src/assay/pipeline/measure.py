"""Measures one model on the task and on the guarding suites; base and tuned go the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.chat import render_plain
from assay.data import Record
from assay.evaluate import suites as suites_package
from assay.evaluate.items import Item, Kind, Score, reference_text
from assay.evaluate.scorers import score_outputs
from assay.evaluate.suites import Suite, load_builtin_suite, load_suite
from assay.generate import Engine, Sampling
from assay.models.base import TINY
from assay.pipeline.answers import ask, score_texts
from assay.pipeline.job import Job
from assay.pipeline.questions import build_prompt

GUARDED: tuple[Kind, ...] = ("retention", "refusal", "over_refusal")
MAX_SUITE_TOKENS = 64
"""Longest answer to an item of the built-in suites, whose gold answers are short."""


@dataclass(frozen=True)
class Answers:
    """One model's answers to one suite: texts and scores by item id."""

    outputs: dict[str, str]
    scores: dict[str, Score]


@dataclass(frozen=True)
class Examiner:
    """A model under examination. `variant` names it in the logs: base, prompted or tuned."""

    job: Job
    engine: Engine
    variant: str

    def measure(
        self,
        items: Sequence[Item],
        *,
        name: str,
        shots: Sequence[Record] = (),
        system: str | None = None,
        max_new_tokens: int | None = None,
    ) -> Answers:
        """Ask every item and score the answers; `name` is the log's and the progress line's."""
        texts = [item for item in items if item.metric == "perplexity"]
        asked = [item for item in items if item.metric != "perplexity"]
        config = self.job.recipe.evaluate
        budget = max_new_tokens or config.max_new_tokens
        prompts = [
            build_prompt(
                item,
                self.job.tokenizer,
                shots=shots,
                system=system,
                max_tokens=max(1, self.job.base.context_len - budget),
            )
            for item in asked
        ]
        outputs = ask(
            self.engine,
            prompts,
            Sampling(
                max_new_tokens=budget, temperature=config.temperature, seed=self.job.recipe.seed
            ),
            log=self._log(name),
            chunk=config.batch_size,
            on_count=lambda done, total: self.job.progress.count(
                f"{self.variant}, {name}", done, total
            ),
        )
        scores = score_outputs(asked, outputs, base_dir=self.job.base_dir)
        if texts:
            golds = [render_plain(self.job.tokenizer, reference_text(item)) for item in texts]
            scores |= score_texts(self.engine, texts, [(g.input_ids, g.loss_mask) for g in golds])
        by_id = {item.id: text for item, text in zip(asked, outputs, strict=True)}
        return Answers({item.id: by_id.get(item.id, "") for item in items}, scores)

    def _log(self, name: str) -> Path:
        return (
            self.job.run.evaluation.parent
            / "evaluation"
            / "answers"
            / (f"{self.variant}-{name}.jsonl")
        )


def guarding_suites(job: Job) -> list[Suite]:
    """The suites that the retention and refusal gates read: built in, and the recipe's own.

    The embedded base has suites of its own world. Any other base has built-in refusal suites, and
    its retention is measured on what the recipe names.
    """
    found = [suite for kind in GUARDED if (suite := _builtin(job.base.name, kind))]
    for config in job.recipe.evaluate.suites:
        found.append(
            load_suite(
                job.base_dir / config.path, kind=config.kind, name=config.name, metric=config.metric
            )
        )
    return found


def _builtin(base_name: str, kind: Kind) -> Suite | None:
    if base_name == TINY:
        path = Path(suites_package.__file__).parent / f"tiny_{kind}.jsonl"
        return load_suite(path, kind=kind, name=kind)
    return None if kind == "retention" else load_builtin_suite(kind)


def measure_suites(examiner: Examiner, suites: Sequence[Suite]) -> dict[str, Answers]:
    """Answers to every guarding suite by name, each item under its own system prompt alone."""
    return {
        suite.name: examiner.measure(suite.items, name=suite.name, max_new_tokens=MAX_SUITE_TOKENS)
        for suite in suites
    }


def describe_decoding(job: Job) -> dict[str, Any]:
    """How answers were decoded, for evaluation.json."""
    config = job.recipe.evaluate
    return {
        "temperature": config.temperature,
        "max_new_tokens": config.max_new_tokens,
        "max_new_tokens_suites": MAX_SUITE_TOKENS,
        "batch_size": config.batch_size,
        "seed": job.recipe.seed,
    }
