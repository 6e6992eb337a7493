"""A policy as a file that people read and edit: YAML or JSON, loud about what it does not know."""

from __future__ import annotations

import difflib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from assay.config.tree import Node, locate, parse_yaml, to_plain
from assay.errors import ConfigError, Problem
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
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        got = f"a tool policy that cannot be read ({error})"
        raise ConfigError(Problem(got, do="name a policy file", file=str(path))) from error
    root, problems = parse_yaml(text, file=str(path))
    if problems:
        raise ConfigError(problems)
    try:
        # As JSON, so that a tuple is a list and nothing is taken for something else.
        return Policy.model_validate_json(json.dumps(to_plain(root)), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise ConfigError([_describe(one, root) for one in details]) from error


def _describe(error: ErrorDetails, root: Node) -> Problem:
    way = error["loc"]
    if error["type"] == "missing":
        place, key = locate(root, way, at_key=True)
        return Problem(f"no {way[-1]}", do="add the key", key=key, file=place.file, line=place.line)
    unknown = error["type"] == "extra_forbidden" or way[-1] == "[key]"
    way = way[:-1] if way[-1] == "[key]" else way
    place, key = locate(root, way, at_key=unknown)
    if unknown:
        return Problem(
            got=f"{way[-1]}, which is no key here",
            do=_advise(str(way[-1])),
            key=key,
            file=place.file,
            line=place.line,
            column=place.column,
        )
    return Problem(
        got=_show(error["input"]),
        allowed=_allowed(error),
        key=key,
        file=place.file,
        line=place.line,
        column=place.column,
    )


def _advise(name: str) -> str:
    known = sorted({key for model in _MODELS for key in model.model_fields})
    near = difflib.get_close_matches(name, known, n=1)
    return f"write {near[0]}, if that is meant, or remove it" if near else "remove it"


def _show(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"


def _allowed(error: ErrorDetails) -> str:
    told = error.get("ctx", {}).get("expected")
    if told:
        return str(told)
    return error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
