"""Writes a starting point into a folder, over nothing that is there."""

from __future__ import annotations

import difflib
import errno
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.config.explain import json_schema
from assay.config.load import RECIPE_NAME
from assay.config.starter import orders, support
from assay.errors import ConfigError, Problem

Row = dict[str, Any]
TEMPLATES = {"support": support, "orders": orders}
"""Starting points by name; each module has MEANING, RECIPE, DATA_NAME and `make_rows`."""

SCHEMA_NAME = "recipe.schema.json"
GENERAL_NAME = "general.jsonl"
HEADER = f"# yaml-language-server: $schema={SCHEMA_NAME}\n"


@dataclass(frozen=True)
class Starter:
    """What was written: the folder, the files in it by name, and the number of example rows, the
    general ones not counted."""

    folder: Path
    files: list[str]
    num_rows: int


def write_starter(
    folder: str | Path, general_rows: Sequence[Row], *, template: str = "support"
) -> Starter:
    """Write recipe, schema and example rows of `template` into `folder`, which is made if missing.

    Args:
        folder: where to write; no file of it is overwritten.
        general_rows: rows of what the recipe's base can do already, written beside the example
            rows as ``general.jsonl``.
        template: one of `TEMPLATES`.

    Raises:
        ConfigError: no such template, or a file that would be overwritten (every one is named).
    """
    if template not in TEMPLATES:
        close = difflib.get_close_matches(template, TEMPLATES, n=1)
        do = f"write {close[0]}" if close else "choose one"
        raise ConfigError(Problem(repr(template), ", ".join(TEMPLATES), do, key="--template"))
    folder, chosen = Path(folder), TEMPLATES[template]
    rows = chosen.make_rows()
    files = {
        RECIPE_NAME: HEADER + chosen.RECIPE,
        SCHEMA_NAME: json.dumps(json_schema(), indent=2) + "\n",
        chosen.DATA_NAME: _to_lines(rows),
        GENERAL_NAME: _to_lines(general_rows),
    }
    _refuse_existing(folder, list(files))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with open(folder / name, "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        got = f"a folder that cannot be written ({error.strerror})"
        allowed = "a folder that can be made and written"
        raise ConfigError(Problem(got, allowed, "name another", file=str(folder))) from error
    return Starter(folder, list(files), len(rows))


def _to_lines(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _refuse_existing(folder: Path, names: list[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(Problem("a file", "a folder", "name another one", file=str(folder)))
    problems = [
        Problem("a file that is already there", "new files", "move it, or name another folder",
                file=str(folder / name))
        for name in names
        if (folder / name).exists()
    ]  # fmt: skip
    if problems:
        raise ConfigError(problems)
