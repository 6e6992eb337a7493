"""The environment of a recipe's objective, in which completions are episodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assay.config import Loaded, Recipe
from assay.config.sections.rollouts import RolloutSection
from assay.errors import ConfigError
from assay.graders.environment import MakeEnvironment, load_environment

if TYPE_CHECKING:
    from assay.graders.play import Playing
    from assay.models.base import BaseFiles

PLACE = "objective.environment"


def find_environment(recipe: Recipe, base_dir: Path) -> MakeEnvironment | None:
    """What the objective's completions are played in; None where they are single answers.

    Raises:
        ConfigError: there is no such class.
    """
    objective = recipe.objective
    if not isinstance(objective, RolloutSection) or objective.environment is None:
        return None
    return load_environment(objective.environment, base_dir=base_dir, key=PLACE)


def check_environment(loaded: Loaded) -> None:
    """The same before anything is spent.

    Raises:
        ConfigError: there is no such class, where the recipe names it.
    """
    try:
        find_environment(loaded.recipe, loaded.base_dir)
    except ConfigError as error:
        raise ConfigError([loaded.locate(one) for one in error.problems]) from error


def build_playing(
    recipe: Recipe, base: BaseFiles, base_dir: Path, *, context_len: int
) -> Playing | None:
    """How the objective's completions are episodes of at most `context_len` tokens."""
    from assay.graders.play import Playing

    make, objective = find_environment(recipe, base_dir), recipe.objective
    if make is None:
        return None
    assert isinstance(objective, RolloutSection)
    return Playing(make, base.tokenizer, context_len, objective.max_turns)
