"""Reads a policy, a file that people edit, into its pydantic model; every mistake with its line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from assay.config.tree import Node, locate, parse_yaml, to_plain
from assay.errors import ConfigError, Problem

Model = TypeVar("Model", bound=BaseModel)


def read_policy(
    path: Path | str, model: type[Model], *, what: str, parts: Sequence[type[BaseModel]]
) -> tuple[Model, Node]:
    """The policy of a YAML or JSON file, and the tree by which its places are named.

    Args:
        what: the kind of file, for messages.
        parts: the models whose keys may be meant where one is not known.

    Raises:
        ConfigError: it cannot be read, or holds something wrong; every mistake with its line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        got = f"a {what} that cannot be read ({error})"
        raise ConfigError(Problem(got, do="name a policy file", file=str(path))) from error
    root, problems = parse_yaml(text, file=str(path))
    if problems:
        raise ConfigError(problems)
    try:
        # As JSON, so that a tuple is a list and nothing is taken for something else.
        return model.model_validate_json(json.dumps(to_plain(root)), strict=True), root
    except ValidationError as error:
        known = sorted({key for part in parts for key in part.model_fields})
        details = error.errors(include_url=False)
        raise ConfigError([_describe(one, root, known) for one in details]) from error


def _describe(error: ErrorDetails, root: Node, known: Sequence[str]) -> Problem:
    way = error["loc"]
    if error["type"] == "missing":
        place, key = locate(root, way, at_key=True)
        return Problem(f"no {way[-1]}", do="add the key", key=key, file=place.file, line=place.line)
    is_key = way[-1:] == ("[key]",)
    way = way[:-1] if is_key else way
    unknown = error["type"] == "extra_forbidden"
    place, key = locate(root, way, at_key=is_key or unknown)
    if unknown:
        got, allowed, do = f"{way[-1]}, which is no key here", "", _advise(str(way[-1]), known)
    else:
        got, allowed, do = _show(error["input"]), _allowed(error), ""
    return Problem(got, allowed, do, key=key, file=place.file, line=place.line, column=place.column)


def _advise(name: str, known: Sequence[str]) -> str:
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
