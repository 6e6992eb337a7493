"""Writes recipes: a resolved recipe as YAML, and the same with each default's reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from assay.config.load import Loaded
from assay.config.recipe import Recipe
from assay.config.tree import Node, parse_yaml

_WIDTH = 2**20
"""Characters a line may have: long text is never folded, so a comment can follow any value."""

_SIMPLE_TEXT = re.compile(r"[A-Za-z0-9./][A-Za-z0-9 ._/-]*")
"""Text that YAML writers agree on; of it, the writer itself quotes what reads as another type."""


def dump(recipe: Recipe) -> str:
    """The recipe as YAML with every key written out; loads back equal."""
    writer = YAML()
    writer.width = _WIDTH
    writer.representer.add_representer(type(None), _represent_null)
    stream = StringIO()
    writer.dump(_style(recipe.model_dump()), stream)
    return stream.getvalue()


def render_dry_run(loaded: Loaded) -> str:
    """The resolved recipe as YAML; each key that the user did not set ends in its reason."""
    text = dump(loaded.recipe)
    root, _ = parse_yaml(text, file="")
    lines = text.splitlines()
    for key, line in _walk_lines(root):
        reason = loaded.reasons.get(key)
        if reason:
            lines[line - 1] = f"{lines[line - 1]:<36}  # {reason}"
    return "\n".join([f"# {loaded.path}, resolved; a comment is the reason of a default", *lines])


def _style(value: Any) -> Any:
    """Plain lists on one line; all but simple text in quotes, so that any text loads back equal."""
    if isinstance(value, dict):
        return {_style(key): _style(child) for key, child in value.items()}
    if isinstance(value, list):
        styled = CommentedSeq(_style(child) for child in value)
        if not any(isinstance(child, dict) for child in value):
            styled.fa.set_flow_style()
        return styled
    if isinstance(value, str) and not _SIMPLE_TEXT.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def _represent_null(representer: Any, value: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _walk_lines(node: Node, *, prefix: str = "") -> Iterator[tuple[str, int]]:
    children = node.value
    if isinstance(children, list):
        children = {str(index): child for index, child in enumerate(children)}
    if not isinstance(children, dict):
        return
    for key, child in children.items():
        yield f"{prefix}{key}", child.key_place.line or 1
        yield from _walk_lines(child, prefix=f"{prefix}{key}.")
