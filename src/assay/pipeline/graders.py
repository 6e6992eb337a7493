"""A recipe's grader, with all that graders may ask: judges, reward models and rules; it samples
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.chat import ChatTokenizer, render_prompt
from assay.config import Loaded
from assay.config.sections.reinforcement import RolloutSection
from assay.config.start import locate_start
from assay.errors import ConfigError
from assay.evaluate.scorers import judge_refusal
from assay.graders import Grader, Models, build_grader
from assay.graders.models import Chooser, Messages, RewardModel

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

PLACE = "objective.grader"


def open_grader(loaded: Loaded) -> Grader:
    """The grader of a recipe whose objective has one; models that it names are loaded.

    Raises:
        ConfigError: everything that is wrong with its description, where the recipe has it.
    """
    assert isinstance(loaded.recipe.objective, RolloutSection)
    models = build_models(loaded.base_dir)
    try:
        return build_grader(loaded.recipe.objective.grader, models=models, place=PLACE)
    except ConfigError as error:
        raise ConfigError([loaded.locate(problem) for problem in error.problems]) from error


def build_models(base_dir: Path) -> Models:
    """What graders may ask; names of folders start at `base_dir`."""
    return Models(
        load=partial(load_chooser, base_dir=base_dir),
        load_reward=partial(_load_reward, base_dir=base_dir),
        refuses=lambda text: judge_refusal(text).refused,
    )


@dataclass(frozen=True)
class LocalChooser:
    """A model in this process, asked for the likelihood of whole answers."""

    engine: LocalEngine
    tokenizer: ChatTokenizer

    def choose(self, chats: Sequence[Messages], answers: Sequence[str]) -> list[list[float]]:
        """See `assay.graders.models.Chooser`; each answer ends with the model's own end."""
        ends = list(self.tokenizer.eos_ids[:1])
        tokens = [[*self.tokenizer.encode(answer), *ends] for answer in answers]
        prompts = [render_prompt(self.tokenizer, list(map(_as_system, chat))) for chat in chats]
        scored = self.engine.score_continuations(prompts, [tokens] * len(prompts))
        return [[one.sum_logprob for one in row] for row in scored]


def load_chooser(name: str, *, base_dir: Path) -> Chooser:
    """Raises ConfigError where there is no such model."""
    from assay.generate.local import LocalEngine
    from assay.models.base import find_base, load_model

    base = find_base(name, base_dir=base_dir)
    engine = LocalEngine(load_model(base), base.tokenizer, context_len=base.context_len)
    return LocalChooser(engine, base.tokenizer)


def _load_reward(name: str, *, base_dir: Path) -> RewardModel:
    from assay.models.reward_model import load_reward_model

    return load_reward_model(locate_start(name, base_dir))


def _as_system(message: Any) -> dict[str, Any]:
    """Chat templates know no developer."""
    is_developer = message["role"] == "developer"
    return {**message, "role": "system"} if is_developer else dict(message)
