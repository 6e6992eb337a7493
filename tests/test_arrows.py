"""Imports point one way: a unit imports only units above it in the table of docs/architecture.md.

Every import counts, also one inside a function. Units that may not import torch when they are
imported themselves may do so inside functions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import assay

SOURCE = Path(assay.__file__).parent
UNITS = [
    "errors",
    "config",
    "runs",
    "chat",
    "tools",
    "sandbox",
    "data",
    "models",
    "losses",
    "generate",
    "graders",
    "plan",
    "defend",
    "train",
    "evaluate",
    "release",
    "pipeline",
    "lab",
    "serve",
    "cli",
]
MAY_IMPORT_TORCH = {"models", "losses", "generate", "defend", "train", "evaluate", "lab"}
HEAVY = {"torch", "transformers", "peft", "datasets", "pyarrow"}
OWN_CHECKS = ("serve", "conformance")


def list_modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        if relative.parts != ("__init__.py",):
            unit = relative.parts[0].removesuffix(".py")
            yield unit, relative, ast.parse(path.read_text(encoding="utf-8"))


def list_targets(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """Dotted names that an import statement loads; `package` is where relative imports start."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    above = package[: len(package) - node.level + 1] if node.level else ()
    base = ".".join([*above, *([node.module] if node.module else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def walk_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from walk_at_import(child)


def test_every_arrow_points_up() -> None:
    wrong = []
    for unit, relative, tree in list_modules():
        package = ("assay", *relative.parts[:-1])
        for node in ast.walk(tree):
            for target in list_targets(node, package):
                names = target.split(".")
                other = names[1] if names[0] == "assay" and len(names) > 1 else unit
                if other in UNITS and UNITS.index(other) > UNITS.index(unit):
                    wrong.append(f"{relative}:{node.lineno} imports {target}")  # type: ignore[attr-defined]
    assert wrong == []


def test_every_module_belongs_to_a_unit() -> None:
    assert {unit for unit, _, _ in list_modules()} <= set(UNITS)


def test_only_the_named_units_import_torch_when_imported() -> None:
    wrong = []
    for unit, relative, tree in list_modules():
        forbidden = HEAVY if unit not in MAY_IMPORT_TORCH else set()
        for node in walk_at_import(tree):
            loaded = {target.split(".")[0] for target in list_targets(node, ())}
            wrong += [f"{relative} imports {name}" for name in sorted(loaded & forbidden)]
    assert wrong == []


def test_the_stand_alone_conformance_checks_import_nothing_else_of_ours() -> None:
    own = "assay.serve.conformance"
    found = [tree for _, relative, tree in list_modules() if relative.parts[:2] == OWN_CHECKS]
    assert found
    for tree in found:
        targets = [name for node in ast.walk(tree) for name in list_targets(node, ("assay",))]
        assert [name for name in targets if name.startswith("assay") and own not in name] == []
