"""A policy as a file that people read and edit: YAML or JSON, loud about what it does not know."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from assay.config.policy_file import read_policy
from assay.tools.policy.rules import ArgumentRule, Policy, ToolRule

_WIDTH = 100
_MODELS = (Policy, ToolRule, ArgumentRule)


def render_policy(policy: Policy, *, notes: Sequence[str] = ()) -> str:
    """The policy as YAML that `load_policy` reads back equal; `notes` are comments above it."""
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.default_flow_style = False
    text = io.StringIO()
    yaml.dump(_quote(policy.model_dump(mode="json")), text)
    comments = (" ".join(note.split()) for note in notes)
    return "".join(f"# {line}\n" for line in comments) + text.getvalue()


def _quote(value: Any) -> Any:
    """The same, with texts quoted whose characters YAML would take for ends of lines."""
    if isinstance(value, dict):
        return {_quote(key): _quote(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_quote(inner) for inner in value]
    is_plain = not isinstance(value, str) or value.isprintable()
    return value if is_plain else DoubleQuotedScalarString(value)


def load_policy(path: Path | str) -> Policy:
    """Read a policy file.

    Raises:
        ConfigError: it cannot be read, or holds something wrong; every mistake with its line.
    """
    return read_policy(path, Policy, what="tool policy", parts=_MODELS)[0]
