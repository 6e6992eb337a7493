"""What identifies a build of `tiny` and how to make it again; it measures no behaviour."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, Problem
from assay.lab.build import BuildSettings
from assay.runs import capture_code, capture_environment, read_json, sha256_file

_FLAGS = {
    "start": "--start",
    "new_tokenizer": "--new-tokenizer",
    "seed": "--seed",
    "pretrain_steps": "--pretrain-steps",
    "copy_steps": "--copy-steps",
    "chat_steps": "--chat-steps",
    "sequences_per_step": "--sequences-per-step",
    "pretrain_learning_rate": "--pretrain-learning-rate",
    "copy_learning_rate": "--copy-learning-rate",
    "chat_learning_rate": "--chat-learning-rate",
    "precision": "--precision",
}
"""Settings of a build that the command line takes; the rest have one value."""


def find_model_folder(name: str) -> Path:
    """The folder of the model: the embedded one for ``tiny``, a build's ``model/``, or itself.

    Raises:
        ConfigError: there is no model.
    """
    from assay.models.base import TINY, tiny_folder

    folder = tiny_folder() if name == TINY else Path(name)
    for candidate in (folder / "model", folder):
        if (candidate / "config.json").is_file() and any(candidate.glob("*.safetensors")):
            return candidate
    raise ConfigError(
        Problem(
            got=f"{name}, where no model lies",
            allowed="tiny, the folder of a finished build, or a Transformers folder",
            do="finish the build with `assay lab build --out DIR`",
            key="model",
        )
    )


def describe_model(folder: Path) -> dict[str, Any]:
    """Architecture, size and hash of a Transformers folder with one safetensors file."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (weights,) = sorted(folder.glob("*.safetensors"))
    keys = (
        "architectures", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "max_position_embeddings",
    )  # fmt: skip
    return {
        "weights_bytes": weights.stat().st_size,
        "weights_sha256": sha256_file(weights),
        "num_parameters": _count_parameters(weights),
        **{key: config.get(key) for key in keys},
    }


def describe_build(model_folder: Path) -> dict[str, Any]:
    """Command, settings, code and versions; settings are unknown unless they lie with the build.

    A build that went on from another names the weights it began with and how those were made.
    Versions are those of this machine, so measure where the model was built.
    """
    found = {"code": capture_code(), "environment": capture_environment()}
    start = model_folder.parent / "start"
    if start.is_dir():
        before = start / "settings.json"
        found["start"] = {
            "weights_sha256": describe_model(start)["weights_sha256"],
            "command": render_command(read_json(before)) if before.is_file() else None,
        }
    for path in (model_folder / "settings.json", model_folder.parent / "settings.json"):
        if path.is_file():
            settings = read_json(path)
            return {"command": render_command(settings), "settings": settings, **found}
    return {"command": None, "settings": None, **found}


def render_command(settings: dict[str, Any]) -> str:
    """The `assay lab build` command with these settings; those with default values are left out."""
    usual = {field.name: field.default for field in fields(BuildSettings)}
    changed = [
        flag if settings[name] is True else f"{flag} {shlex.quote(str(settings[name]))}"
        for name, flag in _FLAGS.items()
        if name in settings and settings[name] != usual[name]
    ]
    return " ".join(["assay lab build", *changed])


def _count_parameters(weights: Path) -> int:
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        sizes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    total = 0
    for shape in sizes:
        count = 1
        for length in shape:
            count *= length
        total += count
    return total
