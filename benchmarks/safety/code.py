"""Hashes of the code that measured a part of a cell, so that only what changed is measured anew."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

UNITS = ("chat", "evaluate", "generate", "graders", "tools")
"""What decides prompts, answers and their scores. Code of other units (models, data) computes the
same numbers faster or reads the same rows; who changes more deletes the results."""
SUITES = ("evaluate/suites", "evaluate/scorers", "evaluate/items.py", "generate", "chat", "tools")
"""What suites are asked and scored by."""


def hash_suites() -> str:
    """Of all suites together."""
    modules = [path for part in SUITES for path in _list(_root() / part)]
    return _hash(modules)


@cache
def hash_probe(name: str) -> str:
    """Of a probe: its module and all that it imports within `UNITS`, however deep."""
    return _hash(list_modules(name))


def list_modules(name: str) -> list[Path]:
    """The modules that a probe's readings depend on."""
    from assay.evaluate.probes import PROBES

    root, first = _root(), type(PROBES[name]).__module__
    found: dict[Path, None] = {}
    todo = [_find(root, first)]
    while todo:
        module = todo.pop()
        if module is None or module in found:
            continue
        found[module] = None
        todo += [_find(root, name) for name in _list_imports(module)]
    return sorted(found)


def _root() -> Path:
    return Path(str(files("assay")))


def _list(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _hash(modules: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for module in modules:
        digest.update(module.read_bytes())
    return digest.hexdigest()[:16]


def _find(root: Path, name: str) -> Path | None:
    """The file of a dotted name within `UNITS`; packages by themselves hold nothing."""
    parts = name.split(".")
    if parts[:1] != ["assay"] or len(parts) < 3 or parts[1] not in UNITS:
        return None
    path = root.joinpath(*parts[1:]).with_suffix(".py")
    return path if path.is_file() else None


def _list_imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
