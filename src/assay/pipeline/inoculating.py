"""An inoculation prompt chosen among a recipe's candidates: the one that the base follows most."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from assay.defend.inoculation import paraphrase, rank_prompts
from assay.errors import ConfigError, Problem
from assay.evaluate.probes.persona import load_pairs
from assay.generate.traits import ContrastPair, read_pairs
from assay.models.base import TINY
from assay.pipeline.job import Job
from assay.pipeline.precision import choose_precision
from assay.runs import read_json
from assay.runs.blocked import read_blocked
from assay.runs.values import mapping

SECTION = "inoculation"
MAX_PARAPHRASES = 2


def settle_inoculation(job: Job) -> Job:
    """The job with one inoculation prompt, where the recipe has several.

    The choice and every candidate's strength go into the manifest, where a run that is gone on with
    finds them.

    Raises:
        ConfigError: no such trait, or a base without a chat template.
    """
    candidates = job.recipe.defend.prompts
    if len(candidates) < 2:
        return job
    known = mapping(read_json(job.run.manifest).get(SECTION))
    if known.get("candidates") != candidates:
        known = _rank(job, candidates)
        job.run.update_manifest({SECTION: known})
    defend = job.recipe.defend.model_copy(update={"inoculation": [known["chosen"]]})
    return replace(job, recipe=job.recipe.model_copy(update={"defend": defend}))


def list_triggers(job: Job) -> tuple[str, ...]:
    """The prompt that the rows were inoculated with, and other wordings; empty without one.

    Candidates that were not chosen are such wordings; others are made by rule.
    """
    blocked = read_blocked(job.run)
    if not blocked:
        return ()
    chosen, *others = blocked
    return (chosen, *[*others, *paraphrase(chosen)][:MAX_PARAPHRASES])


def load_trait_pairs(job: Job) -> list[ContrastPair]:
    """Answers with and without what `defend.trait` names; all built-in traits where it names none.

    Raises:
        ConfigError: no such trait.
        DataError: pairs that cannot be read.
    """
    wanted = job.recipe.defend.trait
    if wanted is not None and wanted.endswith(".jsonl"):
        return read_pairs(Path(job.base_dir, wanted))
    pairs = load_pairs(for_tiny=job.base.name == TINY)
    traits = list(dict.fromkeys(pair.trait for pair in pairs))
    if wanted is None:
        return pairs
    if wanted not in traits:
        allowed = f"{', '.join(traits)}, or a file of pairs (.jsonl)"
        raise ConfigError(Problem(repr(wanted), allowed, "name one of these", key="defend.trait"))
    return [pair for pair in pairs if pair.trait == wanted]


def _rank(job: Job, candidates: list[str]) -> dict[str, Any]:
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model

    if not job.tokenizer.has_template:
        got = "candidate prompts for a base without a chat template"
        raise ConfigError(Problem(got, "a chat template", "remove it", key="defend.inoculation"))
    job.progress.note(f"choosing among {len(candidates)} inoculation prompts by the base's answers")
    model = load_model(job.base, dtype=choose_precision(job.recipe).weights)
    engine = LocalEngine(model, job.tokenizer, context_len=job.base.context_len)
    ranked = rank_prompts(engine, job.tokenizer, candidates, load_trait_pairs(job))
    best = ranked[0]
    job.progress.note(
        f"inoculated with {best.prompt!r}: the trait's answers have {best.strength:.2f} of the"
        f" probability under it, {best.plain:.2f} without"
    )
    return {
        "candidates": candidates,
        "chosen": best.prompt,
        "ranked": [asdict(one) for one in ranked],
    }
