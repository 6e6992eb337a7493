"""The keys of which `sweep` may try several values, and which defaults it thereby settles."""

from __future__ import annotations

from collections.abc import Iterable

from assay.config.optimizers import OPTIMIZER_SETTINGS

_SETTINGS = dict.fromkeys(name for settings in OPTIMIZER_SETTINGS.values() for name in settings)
SWEPT = (
    *("train.learning_rate", "train.schedule", "train.warmup_ratio", "train.warmup_steps"),
    *("train.batch_size", "train.epochs", "train.max_steps", "train.max_grad_norm"),
    *("train.patience", *(f"train.optimizer_settings.{name}" for name in _SETTINGS)),
    *("method.rank", "method.alpha", "method.dropout", "method.flavours"),
    *("method.target_modules", "objective.label_smoothing", "objective.neftune_alpha", "seed"),
)
"""The keys that leave base and rows alone; `seed` here is of order and initialisation."""

SHORT = {key.rsplit(".", 1)[-1]: key for key in SWEPT}

_SETTLED_BY = {
    "train.learning_rate": ("train.learning_rate",),
    "train.epochs": ("train.epochs", "train.max_steps"),
    "train.warmup_ratio": ("train.warmup_ratio", "train.warmup_steps"),
    "method.alpha": ("method.alpha", "method.rank", "method.flavours"),
}


def find_key(name: str) -> str:
    """The dotted key that `name` in a sweep stands for: itself, or that of a short name."""
    return SHORT.get(name, name)


def is_settled(key: str, swept: Iterable[str]) -> bool:
    """Whether a default of `key` is found for each candidate of a sweep over `swept` by itself."""
    return not {find_key(name) for name in swept}.isdisjoint(_SETTLED_BY.get(key, ()))
