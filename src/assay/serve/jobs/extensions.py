"""Which settings of a recipe a client may give (``x_assay``): none that names a file, a host or
code; and graders, which may ask models of the server's table alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assay.config.sections.evaluate import METRICS
from assay.config.sections.gates import POLICIES
from assay.errors import Problem
from assay.serve.bases import Bases
from assay.serve.jobs.fields import Extensions

_WORD = re.compile(r"[a-z_]{1,64}")
ALLOWED: dict[str, tuple[str, ...] | None] = {
    "method": (
        "type",
        "rank",
        "alpha",
        "dropout",
        "target_modules",
        "flavours",
        "learning_rate_ratio",
        "quantization",
        "top_layers",
    ),
    "objective": (
        "type",
        "loss",
        "beta",
        "gamma",
        "label_smoothing",
        "sft_weight",
        "neftune_alpha",
        "group_size",
        "max_new_tokens",
        "temperature",
        "top_p",
        "overlong_margin",
        "validation_samples",
        "on_hacking",
        "kl_in",
        "kl_estimator",
        "clip_low",
        "clip_high",
        "updates",
        "dynamic_sampling",
    ),
    "train": None,
    "data": (
        "validation_ratio",
        "test_ratio",
        "group_by",
        "system",
        "on_bad_rows",
        "on_too_long",
        "max_seq_len",
        "accept",
    ),
    "defend": (
        "preset",
        "replay",
        "kl",
        "kl_share",
        "token_betas",
        "inoculation",
        "trait",
        "steer",
        "max_rank",
        "stop_on_drift",
        "watch_every_steps",
    ),
    "evaluate": (
        "metric",
        "prompt",
        "shots",
        "max_new_tokens",
        "temperature",
        "batch_size",
        "max_items",
    ),
    "gates": ("policy", "thresholds"),
}
"""By block of the recipe the keys that may be set; None for all of them."""
_NAMED = {
    ("evaluate", "metric"): METRICS,
    ("gates", "policy"): POLICIES,
}
"""Values that would be files where they are none of these names."""
_SHORT = {"method": "type", "defend": "preset", "gates": "policy"}
"""What a block stands for where it is one word."""
_OUTBOUND = ("url", "key_env", "hosts")
"""Where a grader would go, and with whose key."""


def read_blocks(given: Extensions | None, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """The blocks of a recipe that `given` sets; what no client may set is noted in `problems`."""
    blocks: dict[str, dict[str, Any]] = {}
    for name, keys in ALLOWED.items():
        value = getattr(given, name, None)
        if value is None:
            continue
        block = {_SHORT[name]: value} if isinstance(value, str) else dict(value)
        problems += _check_block(name, block, keys)
        blocks[name] = block
    return blocks


def _check_block(
    name: str, block: Mapping[str, Any], keys: tuple[str, ...] | None
) -> Iterator[Problem]:
    for key, value in block.items():
        place = f"x_assay.{name}.{key}"
        if keys is not None and key not in keys:
            yield Problem("a key that is not set over HTTP", ", ".join(keys), key=place)
        elif (name, key) in _NAMED and value not in _NAMED[name, key]:
            yield Problem(repr(value), ", ".join(_NAMED[name, key]), key=place)
        elif key == "trait" and not _WORD.fullmatch(str(value)):
            yield Problem(repr(value), "the name of a built-in trait", key=place)
        elif (name, key) == ("method", "type") and value == "peft":
            yield Problem("peft", "methods by their own names", key=place)


def settle_grader(
    spec: Mapping[str, Any], bases: Bases, problems: list[Problem], *, place: str
) -> dict[str, Any]:
    """A grader's description with the local model in place of each name.

    What it may not name over HTTP (URLs, models that are not in the table) is noted in `problems`.
    """
    settled = dict(spec)
    for key in _OUTBOUND:
        if key in spec:
            do = "leave it out: graders ask models of this server alone"
            problems.append(Problem("an address or a key", do=do, key=f"{place}.{key}"))
    model = spec.get("model")
    if model is not None:
        base = bases.find(model) if isinstance(model, str) else None
        if base is None or spec.get("type") == "reward_model":
            allowed = ", ".join(bases.by_name) if spec.get("type") != "reward_model" else "none"
            problems.append(Problem(f"the model {model!r}", allowed, key=f"{place}.model"))
        settled["model"] = base
    parts = spec.get("graders")
    named: Any = parts
    if isinstance(parts, Mapping) and "type" not in parts:
        named = {
            key: settle_grader(one, bases, problems, place=f"{place}.graders.{key}")
            if isinstance(one, Mapping)
            else one
            for key, one in parts.items()
        }
    elif isinstance(parts, Mapping):
        named = settle_grader(parts, bases, problems, place=f"{place}.graders")
    elif isinstance(parts, list):
        named = [
            settle_grader(one, bases, problems, place=f"{place}.graders.{number}")
            if isinstance(one, Mapping)
            else one
            for number, one in enumerate(parts)
        ]
    if parts is not None:
        settled["graders"] = named
    return settled
