"""A recipe's grader, with all that graders may ask: judges, reward models and rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.chat import render_prompt
from assay.config import Loaded, Recipe
from assay.config.sections.rollouts import RolloutSection
from assay.config.start import locate_start
from assay.errors import ConfigError, Problem
from assay.evaluate.scorers import judge_refusal
from assay.graders import Grader, Models, build_grader
from assay.graders.models import Chooser, Messages, RewardModel

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles

PLACE, HELD_OUT_PLACE = "objective.grader", "objective.held_out_grader"
_MODEL_FILES = ("config.json", "adapter_config.json")


def build_objective_grader(recipe: Recipe, base_dir: Path) -> Grader | None:
    """The grader of the recipe's objective; None where it has none.

    Models that it asks in this process are found, and loaded when they are first asked.

    Raises:
        ConfigError: everything that is wrong with its description.
    """
    objective = recipe.objective
    if not isinstance(objective, RolloutSection):
        return None
    return build_grader(objective.grader, models=build_models(base_dir), place=PLACE)


def build_held_out_grader(recipe: Recipe, base_dir: Path) -> Grader | None:
    """What judges prompts that are not trained on: a grader of its own, or the objective's.

    Raises:
        ConfigError: everything that is wrong with its description.
    """
    objective = recipe.objective
    if not isinstance(objective, RolloutSection) or objective.held_out_grader is None:
        return build_objective_grader(recipe, base_dir)
    models = build_models(base_dir)
    return build_grader(objective.held_out_grader, models=models, place=HELD_OUT_PLACE)


def check_grader(loaded: Loaded) -> Grader | None:
    """The objective's, before anything is spent: nothing is asked or loaded yet.

    Raises:
        ConfigError: everything that is wrong with its description, or with that of the grader of
            held-out prompts, where it stands in the recipe.
    """
    try:
        build_held_out_grader(loaded.recipe, loaded.base_dir)
        return build_objective_grader(loaded.recipe, loaded.base_dir)
    except ConfigError as error:
        raise ConfigError([loaded.locate(one) for one in error.problems]) from error


def find_description_problems(spec: Mapping[str, Any], *, place: str = PLACE) -> list[Problem]:
    """What is wrong with a grader's description by itself: no model is looked for."""
    nobody = _Nobody()
    models = Models(
        load=lambda name: nobody, load_reward=lambda name: nobody, refuses=lambda text: False
    )
    try:
        build_grader(spec, models=models, place=place)
    except ConfigError as error:
        return error.problems
    return []


class _Nobody:
    """Stands for a model in a description that is only read."""

    def choose(self, chats: Sequence[Messages], answers: Sequence[str]) -> list[list[float]]:
        raise AssertionError("a grader that is only described asks nobody")

    def score(self, chats: Sequence[Messages]) -> list[float]:
        raise AssertionError("a grader that is only described asks nobody")


def build_models(base_dir: Path) -> Models:
    """What graders may ask; names of folders start at `base_dir`."""
    return Models(
        load=partial(_find_chooser, base_dir=base_dir),
        load_reward=partial(_find_reward_model, base_dir=base_dir),
        refuses=lambda text: judge_refusal(text).refused,
    )


@dataclass(frozen=True)
class LocalChooser:
    """A model in this process, asked for the likelihood of whole answers; loaded when asked."""

    base: BaseFiles

    @cached_property
    def engine(self) -> LocalEngine:
        from assay.generate.local import LocalEngine
        from assay.models.base import load_model

        model, context_len = load_model(self.base), self.base.context_len
        return LocalEngine(model, self.base.tokenizer, context_len=context_len)

    def choose(self, chats: Sequence[Messages], answers: Sequence[str]) -> list[list[float]]:
        """See `assay.graders.models.Chooser`; each answer ends with the model's own end."""
        tokenizer = self.base.tokenizer
        ends = list(tokenizer.eos_ids[:1])
        tokens = [[*tokenizer.encode(answer), *ends] for answer in answers]
        prompts = [render_prompt(tokenizer, list(map(_as_system, chat))) for chat in chats]
        scored = self.engine.score_continuations(prompts, [tokens] * len(prompts))
        return [[one.sum_logprob for one in row] for row in scored]


@dataclass(frozen=True)
class LocalRewardModel:
    """A reward model in this process; loaded when it is first asked."""

    folder: Path

    @cached_property
    def model(self) -> RewardModel:
        from assay.models.reward_model import load_reward_model

        return load_reward_model(self.folder)

    def score(self, chats: Sequence[Messages]) -> list[float]:
        """See `assay.graders.models.RewardModel`."""
        return self.model.score(chats)


@lru_cache(maxsize=8)
def _find_chooser(name: str, *, base_dir: Path) -> Chooser:
    """One for all graders of a run. Raises ConfigError where there is no such model."""
    from assay.models.base import find_base

    return LocalChooser(find_base(name, base_dir=base_dir))


@lru_cache(maxsize=8)
def _find_reward_model(name: str, *, base_dir: Path) -> RewardModel:
    folder = locate_start(name, base_dir)
    # A run's folder has its weights in one of these.
    places = (folder, folder / "adapter", folder / "model")
    if not any((place / file).is_file() for place in places for file in _MODEL_FILES):
        got = f"{name}, which is no folder of a model"
        raise ConfigError(Problem(got, do="name the folder of a reward model"))
    return LocalRewardModel(folder)


def _as_system(message: Any) -> dict[str, Any]:
    """Chat templates know no developer."""
    is_developer = message["role"] == "developer"
    return {**message, "role": "system"} if is_developer else dict(message)
