"""Fills in what a recipe leaves to rule, and says why; pure functions of the recipe.

What depends on the data or the machine (context length, precision) is left to the stage that
knows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from assay.config.optimizers import OPTIMIZER_SETTINGS, fill_settings
from assay.config.recipe import Recipe
from assay.config.sections.defend import DefendConfig
from assay.config.sections.evaluate import EvaluateConfig
from assay.config.sections.learned import ObjectiveSection
from assay.config.sections.method import AdapterConfig, FreezeConfig, MethodSection
from assay.config.sections.reinforcement import ROLLOUT_OBJECTIVES, GrpoConfig
from assay.config.sections.rollouts import PolicySection
from assay.config.sections.train import TrainConfig
from assay.config.setting import Section, get_note
from assay.config.start import describe_start, read_start
from assay.config.swept_keys import is_settled

DEFAULT_EPOCHS = 3.0

LION_DIVISOR = 5.0
"""Lion moves every weight by the whole rate: Chen et al. 2023 find 3 to 10 times less to fit."""
OBJECTIVE_DIVISORS = {
    **{"dpo": 20.0, "cpo": 20.0, "simpo": 20.0, "kto": 20.0, "orpo": 4.0, "reward": 2.0},
    "process_reward": 2.0,
    **dict.fromkeys(("grpo", "rloo", "reinforce", "ppo"), 4.0),
}
"""Preferences are published with rates far below those of answers: a margin grows without end. Of
a policy a step too far changes what is sampled next."""
CLIPS = {"grpo": (0.2, 0.2), "dapo": (0.2, 0.28), "gspo": (3e-4, 4e-4), "cispo": (0.2, 4.0)}
"""How far a ratio may fall below 1 and rise above it, as each variant is published; of CISPO, whose
paper names no number, as it is usually run."""
LEARNED = frozenset({"sft", "distil"})
"""Objectives of single tokens, whose rows are learned as answers are."""
COMPARED_EPOCHS = 1.0
DEFAULT_WARMUP_RATIO = 0.05
DEFAULT_TOP_LAYERS = 2
_OF_START = "from the adapters that method.start_from names"

_ADAPTERS = "the usual rate for adapters with alpha at twice the rank"
_AS_LORA = "as for lora, whose updates have the same size"
_SOME_WEIGHTS = "the usual rate where weights of the base are trained"
_TINY = "the embedded base is small: it learns well at this rate"
_LEARNING_RATES = {
    ("lora", ""): (2e-4, _ADAPTERS),
    ("rslora", ""): (2e-4, _AS_LORA),
    ("dora", ""): (2e-4, _AS_LORA),
    ("pissa", ""): (1e-4, "half of lora's: it starts where the weights are largest"),
    ("lora_plus", ""): (5e-5, "of A; B has 16 times this"),
    ("qlora", ""): (2e-4, "as for lora: only how the frozen base is held differs"),
    ("freeze", ""): (2e-5, _SOME_WEIGHTS),
    ("full", ""): (2e-5, _SOME_WEIGHTS),
    ("peft", ""): (1e-3, "between the rates that PEFT's methods are published with"),
    **{(method, "tiny"): (2e-3, _TINY) for method in ("lora", "rslora", "dora", "qlora")},
    ("pissa", "tiny"): (1e-3, _TINY),
    ("lora_plus", "tiny"): (5e-4, _TINY),
    ("freeze", "tiny"): (5e-4, _TINY),
    ("full", "tiny"): (5e-4, _TINY),
    ("peft", "tiny"): (5e-3, _TINY),
}


@dataclass(frozen=True)
class Choice:
    """A value found by rule and the reason of it."""

    value: Any
    reason: str


def choose_learning_rate(
    method: str, base: str, optimizer: str = "adamw", objective: str = "sft"
) -> Choice:
    """Peak learning rate of a method (its `type`) on a base (its name) with an optimizer."""
    own = _LEARNING_RATES.get((method, base))
    value, reason = own or _LEARNING_RATES[method, ""]
    divisor = OBJECTIVE_DIVISORS.get(objective, 1.0)
    if divisor != 1:
        value, reason = value / divisor, f"{reason}; {divisor:g} times less for {objective}"
    if optimizer == "lion":
        return Choice(value / LION_DIVISOR, f"{reason}; a fifth of it for lion")
    return Choice(value, reason)


def choose_alpha(rank: int, *, rank_stabilised: bool = False) -> Choice:
    """Scale of an adapter: twice its rank, so that the learning rate fits whatever the rank is.

    With rsLoRA (Kalajdzievski 2023), which divides by the root of the rank, the same number for
    all ranks: at rank 16 both scale by 2.
    """
    if rank_stabilised:
        return Choice(8.0, "the same for every rank, as rslora has it; at rank 16 it is lora's")
    return Choice(2.0 * rank, "twice the rank: what the rules of the learning rate assume")


def choose_epochs(max_steps: int | None, objective: str = "sft") -> Choice:
    """Epochs when the recipe names none, or none where steps are counted."""
    if max_steps is not None:
        return Choice(None, "train.max_steps decides")
    if objective in ROLLOUT_OBJECTIVES:
        return Choice(COMPARED_EPOCHS, "each prompt is answered group_size times already")
    if objective not in LEARNED:
        return Choice(COMPARED_EPOCHS, "as preferences are usually published: more learns rows")
    return Choice(DEFAULT_EPOCHS, "enough to learn a task, few enough not to learn rows by heart")


def choose_warmup_ratio(warmup_steps: int | None) -> Choice:
    """Share of the steps for warm-up when the recipe names none; none where steps are counted."""
    if warmup_steps is not None:
        return Choice(None, "train.warmup_steps decides")
    return Choice(
        DEFAULT_WARMUP_RATIO, "keeps the first steps, whose moments are not yet known, small"
    )


def choose_top_layers(patterns: Sequence[str]) -> Choice:
    """How many layers `freeze` trains when the recipe does not say."""
    if patterns:
        return Choice(None, "method.patterns says what is trained")
    return Choice(DEFAULT_TOP_LAYERS, "the last layers learn a task; the others keep the language")


def choose_name(path: Path) -> Choice:
    """The run's name: the recipe's file name, or its folder's when the file is called recipe."""
    path = path.absolute()
    plain = path.stem in ("recipe", "assay")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.parent.name if plain else path.stem).lstrip("._-")
    source = "folder" if plain else "file"
    return Choice(name[:100] or "run", f"the recipe's {source} name")


def describe_rule(key: str) -> str:
    """The rule that fills in `key` where the recipe does not, in words; empty if there is none."""
    if key == "train.epochs":
        return (
            f"{DEFAULT_EPOCHS:g} ({choose_epochs(None).reason}), {COMPARED_EPOCHS:g} for"
            " objectives of whole answers, or null with train.max_steps"
        )
    if key == "train.warmup_ratio":
        return f"{DEFAULT_WARMUP_RATIO:g}, or null with train.warmup_steps"
    if key == "train.optimizer_settings":
        return "; ".join(
            f"{name}: {', '.join(f'{n} {s.plain}' for n, s in settings.items())}"
            for name, settings in OPTIMIZER_SETTINGS.items()
        )
    if key == "method.top_layers":
        return f"{DEFAULT_TOP_LAYERS}, or null with method.patterns"
    if key == "train.learning_rate":
        rates = [
            f"{value:g} for {method}{f' on {base}' if base else ''}"
            for (method, base), (value, _) in _LEARNING_RATES.items()
        ]
        divided = ", ".join(f"{value:g} for {name}" for name, value in OBJECTIVE_DIVISORS.items())
        return (
            f"found by rule: {', '.join(rates)}; divided by {divided}; a fifth of these with lion"
        )
    if key in ("objective.clip_low", "objective.clip_high"):
        place = key == "objective.clip_high"
        return ", ".join(f"{clip[place]:g} for {name}" for name, clip in CLIPS.items())
    if key == "method.alpha":
        return f"{choose_alpha(1).reason}; with rslora 8"
    return ""


def resolve(
    recipe: Recipe, *, path: Path, base_dir: Path | None = None
) -> tuple[Recipe, dict[str, str]]:
    """The recipe with every rule applied, and for each key at its default the reason of it.

    Adapters to start from are looked for from `base_dir`, by default the folder of `path`.
    """
    reasons = dict(_list_reasons(recipe))
    train, data = recipe.train, recipe.data
    found: dict[str, Choice] = {}
    if train.learning_rate is None:
        found["train.learning_rate"] = choose_learning_rate(
            recipe.method.type, recipe.base.name, train.optimizer, recipe.objective.type
        )
    if train.epochs is None:
        found["train.epochs"] = choose_epochs(train.max_steps, recipe.objective.type)
    if train.warmup_ratio is None:
        found["train.warmup_ratio"] = choose_warmup_ratio(train.warmup_steps)
    found |= _resolve_defences(recipe.defend)
    found |= _resolve_rollouts(recipe.objective, recipe.evaluate)
    found |= _resolve_method(recipe.method, base_dir or path.parent)
    found |= _resolve_optimizer(train, reasons)
    for split in ("validation", "test"):
        if getattr(data, split) is not None and f"{split}_ratio" not in data.model_fields_set:
            found[f"data.{split}_ratio"] = Choice(0.0, f"data.{split} names the rows")
    if recipe.name is None:
        found["name"] = choose_name(path)
    for key in [key for key in found if is_settled(key, recipe.sweep)]:
        found[key] = Choice(None, "sweep decides, or the rule for each of its candidates")
    reasons |= {key: choice.reason for key, choice in found.items() if choice.reason}
    return _replace(recipe, {key: choice.value for key, choice in found.items()}), reasons


def _resolve_defences(defend: DefendConfig) -> dict[str, Choice]:
    reason = f"defend: {defend.preset}"
    chosen = {
        "replay": (defend.replay, defend.replay_share),
        "kl": (defend.kl, defend.kl_weight),
        "stop_on_drift": (defend.stop_on_drift, defend.stops_on_drift),
    }
    return {
        f"defend.{name}": Choice(value, reason)
        for name, (given, value) in chosen.items()
        if given is None
    }


def choose_clip(variant: str) -> tuple[Choice, Choice]:
    """How far a ratio may fall below 1 and rise above it; `variant` is that of `grpo`."""
    low, high = CLIPS.get(variant, CLIPS["grpo"])
    reason = f"as {variant} is published" if variant in CLIPS else "the published value of most"
    return Choice(low, reason), Choice(high, reason)


def _resolve_rollouts(objective: ObjectiveSection, evaluate: EvaluateConfig) -> dict[str, Choice]:
    """What follows from learning of completions that the model writes itself."""
    if objective.learns_from != "prompts":
        return {}
    found = {}
    if "shots" not in evaluate.model_fields_set:
        found["evaluate.shots"] = Choice([0], "rows of prompts hold no answers to show")
    if isinstance(objective, PolicySection):
        clips = choose_clip(objective.variant if isinstance(objective, GrpoConfig) else "")
        for name, choice in zip(("clip_low", "clip_high"), clips, strict=True):
            if getattr(objective, name) is None:
                found[f"objective.{name}"] = choice
    return found


def _resolve_method(method: MethodSection, base_dir: Path) -> dict[str, Choice]:
    if isinstance(method, FreezeConfig) and method.top_layers is None:
        return {"method.top_layers": choose_top_layers(method.patterns)}
    if not isinstance(method, AdapterConfig):
        return {}
    found: dict[str, Any] = {}
    if method.start_from is not None:
        start = describe_start(method, read_start(method.start_from, base_dir))
        found = {
            name: value for name, value in start.items() if name not in method.model_fields_set
        }
    choices = {f"method.{name}": Choice(value, _OF_START) for name, value in found.items()}
    if method.alpha is None and "alpha" not in found:
        rank, stabilised = found.get("rank", method.rank), "rslora" in method.all_flavours
        choices["method.alpha"] = choose_alpha(rank, rank_stabilised=stabilised)
    return choices


def _resolve_optimizer(train: TrainConfig, reasons: dict[str, str]) -> dict[str, Choice]:
    """The optimizer's settings in full; `reasons` gets that of each which the user did not set."""
    given, key = train.optimizer_settings, "train.optimizer_settings"
    reasons.pop(key, "")
    filled = fill_settings(train.optimizer, given)
    known = OPTIMIZER_SETTINGS.get(train.optimizer, {})
    reasons |= {f"{key}.{name}": known[name].reason for name in filled if name not in given}
    found = {}
    if train.optimizer == "schedule_free" and "schedule" not in train.model_fields_set:
        found["train.schedule"] = Choice("constant", "its average of weights replaces a schedule")
    if "step_per_layer" in train.techniques and "max_grad_norm" not in train.model_fields_set:
        found["train.max_grad_norm"] = Choice(None, "step_per_layer steps before the norm is known")
    if filled == given:
        return found
    return found | {key: Choice(filled, "")}


def _replace(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """A copy with `values` by dotted key; every other key stays set or unset as it was."""
    changed: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        if section:
            block = changed.get(section, getattr(recipe, section))
            changed[section] = block.model_copy(update={name: value})
        else:
            changed[name] = value
    return recipe.model_copy(update=changed)


def _list_reasons(section: BaseModel, *, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The dotted key and reason of every leaf that the user did not set."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _list_reasons(value, prefix=f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Section):
            for index, entry in enumerate(value):
                yield from _list_reasons(entry, prefix=f"{prefix}{name}.{index}.")
        elif name not in section.model_fields_set:
            yield f"{prefix}{name}", get_note(field, "reason")
