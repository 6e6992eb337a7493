"""The combinations that cannot be meant where a vLLM server writes completions."""

from __future__ import annotations

from collections.abc import Callable

from assay.config.recipe import Recipe
from assay.config.rule import Rule
from assay.config.sections.method import AdapterConfig
from assay.config.sections.rollouts import RolloutSection


def _is_served(recipe: Recipe) -> bool:
    objective = recipe.objective
    return isinstance(objective, RolloutSection) and objective.engine is not None


def _served(broken: Callable[[Recipe], bool]) -> Callable[[Recipe], bool]:
    return lambda recipe: _is_served(recipe) and broken(recipe)


def _is_plain(recipe: Recipe) -> bool:
    method = recipe.method
    return isinstance(method, AdapterConfig) and "dora" not in method.all_flavours


def _tells_too_little(recipe: Recipe) -> bool:
    """Whether the server does not tell what it sampled from."""
    objective = recipe.objective
    assert isinstance(objective, RolloutSection) and objective.engine is not None
    is_model = objective.temperature == objective.top_p == 1
    return objective.engine.logprobs_mode == "raw_logprobs" and not is_model


ENGINE_RULES = (
    Rule(
        ("objective.engine", "method.type", "method.flavours"),
        _served(lambda recipe: not _is_plain(recipe)),
        "a vLLM server with a method whose weights it does not take while it runs",
        "lora, rslora, pissa, lora_plus or qlora",
        "set method to lora, or remove objective.engine",
    ),
    Rule(
        ("objective.engine", "base.new_tokens"),
        _served(lambda recipe: bool(recipe.base.new_tokens)),
        "a vLLM server with new tokens, for which its base has no rows",
        "new tokens with the engine of this process",
        "remove one of them",
    ),
    Rule(
        ("objective.engine", "launch.processes"),
        _served(lambda recipe: recipe.launch.processes > 1),
        "a vLLM server with several processes that train",
        "one process; the server batches what it asks for",
        "set launch.processes to 1, or remove objective.engine",
    ),
    Rule(
        ("objective.engine", "defend.steer"),
        _served(lambda recipe: bool(recipe.defend.steer)),
        "a vLLM server with steering, which moves hidden states of this process alone",
        "steering with the engine of this process",
        "remove one of them",
    ),
    Rule(
        ("objective.engine.logprobs_mode", "objective.temperature", "objective.top_p"),
        _served(_tells_too_little),
        "log-probabilities of the model where it is sampled at another temperature or top_p",
        "processed_logprobs, or temperature 1 and top_p 1",
        "start the server with --logprobs-mode processed_logprobs and say so here",
    ),
)
