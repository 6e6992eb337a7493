"""What a run of a reward model does otherwise: it scores answers and gives none.

So nothing is asked that is answered. Its held-out pairs are measured by its rewards, the base's by
which answer it finds likelier, and what was saved is compared by scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.config.sections.objective import ProcessRewardConfig
from assay.evaluate.items import GUARDED, Kind
from assay.evaluate.scorers import PAIR_ACCURACY, STEP_ACCURACY
from assay.pipeline.job import Job

if TYPE_CHECKING:
    from assay.models.export import Integrity, Probe
    from assay.pipeline.choices import Rewards

NO_ANSWERS = "A reward model scores answers and gives none, so nothing is asked of it."


def choose_metric(job: Job) -> str:
    """The metric of the task: of a reward model which of two answers it prefers, or of steps."""
    if isinstance(job.recipe.objective, ProcessRewardConfig):
        return STEP_ACCURACY
    return PAIR_ACCURACY if job.recipe.objective.gives_scores else job.recipe.evaluate.metric


def list_not_asked() -> dict[str, str]:
    """By kind of suite why none is asked."""
    kinds: Sequence[Kind] = GUARDED
    return dict.fromkeys(kinds, NO_ANSWERS)


def build_rewards(job: Job, engine: Any) -> Rewards | None:
    """What the engine's model scores sequences; None where it answers."""
    if not job.recipe.objective.gives_scores:
        return None
    from assay.models.reward_model import score_sequences

    return lambda sequences: score_sequences(engine.model, sequences)


def save_whole_scored(job: Job, model: Any) -> None:
    """Save a model that was tuned whole as Transformers' sequence classifier."""
    from assay.models.adapters import save_model
    from assay.models.score_head import as_classifier

    classifier = as_classifier(model)
    save_model(classifier, job.tuned_folder, tokenizer_folder=job.base.tokenizer_files)


def reload_scored(job: Job, base: Any, *, dtype: str) -> Any:
    """The model that was saved in the run, its adapter on `base`, which is loaded already."""
    from assay.models.adapters import load_adapter
    from assay.models.reward_model import load_scored
    from assay.models.score_head import add_score_head

    if job.recipe.method.trains_base:
        return load_scored(job.base, job.tuned_folder, dtype=dtype)
    return load_adapter(add_score_head(base), job.tuned_folder).get_base_model()


def take_probe(job: Job, model: Any, sequences: Sequence[Sequence[int]]) -> Probe:
    """What the tuned model says, to be compared with what was saved: scores, or logits."""
    from assay.models.export import take_probe
    from assay.models.score_checks import take_score_probe

    take = take_score_probe if job.recipe.objective.gives_scores else take_probe
    return take(model, sequences)


def compare_saved(job: Job, probe: Probe) -> Integrity:
    """What was saved beside the tuned model that `probe` was taken of."""
    from assay.models.export import check_integrity
    from assay.models.score_checks import check_scores

    check = check_scores if job.recipe.objective.gives_scores else check_integrity
    whole = job.recipe.method.trains_base
    return check(job.base, job.tuned_folder, probe, adapter=not whole)
