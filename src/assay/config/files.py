"""Whether the files that a recipe names are there and readable; it reads no row of them."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assay.config.check import Checked
from assay.config.sections.data import SourceConfig
from assay.config.sections.evaluate import (
    FREE_FORM,
    HARNESS_PREFIX,
    METRICS,
    METRICS_TEXT,
    SUITE_METRICS,
    SuiteConfig,
)
from assay.config.sections.gates import POLICIES, POLICIES_TEXT
from assay.config.start import find_start_faults
from assay.config.tree import Node
from assay.config.tree import Path as KeyPath
from assay.config.wording import build_problem, suggest
from assay.errors import Problem

READABLE = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_NEARLY_TINY = 0.75
"""Likeness (difflib's ratio) from which a base is `tiny` misspelt: one letter too many or wrong."""
_POLICY_ENDINGS = (".yaml", ".yml")
_QUESTIONS = (".jsonl", ".yaml", ".yml")
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
_FUNCTION = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class _Fault:
    """What is wrong with the file that one key names."""

    path: KeyPath
    got: str
    allowed: str
    do: str


def find_file_problems(checked: Checked, root: Node, *, base_dir: Path) -> Iterator[Problem]:
    """Missing or unreadable files of every key that is valid by itself; paths from `base_dir`."""
    for fault in _find_faults(checked, base_dir):
        if not checked.is_wrong(fault.path):
            yield build_problem(root, fault.path, got=fault.got, allowed=fault.allowed, do=fault.do)


def _find_faults(checked: Checked, base_dir: Path) -> Iterator[_Fault]:
    recipe = checked.recipe
    yield from _check_base(checked, base_dir)
    for split in ("train", "validation", "test"):
        for index, source in enumerate(getattr(recipe.data, split) or []):
            yield from _check_source(("data", split, index), source, base_dir)
    yield from _check_overlap(checked, base_dir)
    yield from _check_metric(("evaluate", "metric"), recipe.evaluate.metric, base_dir)
    for index, suite in enumerate(recipe.evaluate.suites):
        place: KeyPath = ("evaluate", "suites", index)
        yield from _check_metric((*place, "metric"), suite.metric, base_dir, more=SUITE_METRICS)
        yield from _check_suite(place, suite, base_dir)
    for fault in find_start_faults(recipe.method, base_dir):
        yield _Fault(("method", fault.key), fault.got, fault.allowed, fault.do)
    if recipe.gates.policy not in POLICIES:
        yield from _check_policy(recipe.gates.policy, base_dir)


def _check_base(checked: Checked, base_dir: Path) -> Iterator[_Fault]:
    base = checked.recipe.base
    folder = _resolve(base.name, base_dir)
    is_local = base.name == "tiny" or os.path.isdir(folder)
    if is_local and base.revision is not None:
        got = f"a revision of {base.name!r}, which is not on the Hub"
        yield _Fault(("base", "revision"), got, "revisions of Hub models", "remove it")
    if base.name == "tiny" and base.trust_remote_code:
        do = "remove it: the embedded base comes without code"
        yield _Fault(("base", "trust_remote_code"), "true", "false for `tiny`", do)
    if is_local:
        if base.name != "tiny" and not os.path.isfile(folder / "config.json"):
            got = f"a folder without config.json: {base.name!r}"
            do = "name the folder that holds the model's files"
            yield _Fault(("base", "name"), got, "a folder in Transformers layout", do)
    else:
        yield from _check_hub_base(base.name, folder)


def _check_hub_base(name: str, folder: Path) -> Iterator[_Fault]:
    """What is no folder must be a Hub id, and neither a path nor `tiny` misspelt."""
    place, allowed = ("base", "name"), "tiny, a folder, or a Hub id organisation/name"
    if os.path.isfile(folder):
        do = "name the folder that holds config.json and *.safetensors"
        yield _Fault(place, f"{name!r}, a file", allowed, do)
    elif not _HUB_NAME.fullmatch(name):
        do = _advise_file(name.rstrip("/"), folder)
        yield _Fault(place, f"{name!r}, where nothing is", allowed, do)
    elif "/" in name and os.path.isdir(folder.parent):
        got = f"{name!r}, which is not in the folder {folder.parent.name}"
        do = f"{_advise_file(name, folder)} (or rename that folder, if the Hub is meant)"
        yield _Fault(place, got, allowed, do)
    elif difflib.get_close_matches(name.lower(), ["tiny"], cutoff=_NEARLY_TINY):
        yield _Fault(place, f"{name!r}, where nothing is", allowed, "write tiny")


def _check_source(place: KeyPath, source: SourceConfig, base_dir: Path) -> Iterator[_Fault]:
    if "://" in source.path:
        return
    path = _resolve(source.path, base_dir)
    if _may_be_hub_id(source.path, path):
        return
    for name, default in (("revision", None), ("name", None), ("split", "train")):
        if getattr(source, name) != default:
            got = f"{getattr(source, name)!r} for a file or folder"
            yield _Fault((*place, name), got, "Hub datasets alone", "remove it")
    if os.path.isdir(path):
        if not any(_ending(name) in READABLE for name in _list_folder(path)):
            allowed = f"files ending in {', '.join(READABLE)}"
            got = f"{source.path!r}, a folder without readable files"
            yield _Fault((*place, "path"), got, allowed, "name the folder that holds the files")
        return
    yield from _check_file((*place, "path"), source.path, base_dir, endings=READABLE)


def _check_suite(place: KeyPath, suite: SuiteConfig, base_dir: Path) -> Iterator[_Fault]:
    """Rows of our own are JSONL; public data sets come as sources of data do."""
    if suite.source == "harness":
        file = suite.path.removeprefix(HARNESS_PREFIX)
        if file.endswith(_POLICY_ENDINGS):
            yield from _check_file((*place, "path"), file, base_dir, endings=_POLICY_ENDINGS)
        return
    if suite.source == "free_form":
        if suite.path != FREE_FORM:
            yield from _check_file((*place, "path"), suite.path, base_dir, endings=_QUESTIONS)
        return
    path = _resolve(suite.path, base_dir)
    own = suite.format == "suite"
    if not own and ("://" in suite.path or _may_be_hub_id(suite.path, path)):
        return
    for name in ("revision", "subset", "split"):
        if (value := getattr(suite, name)) is not None:
            yield _Fault((*place, name), f"{value!r} for a file", "Hub datasets alone", "remove it")
    if own or not os.path.isdir(path):
        endings = (".jsonl",) if own else READABLE
        yield from _check_file((*place, "path"), suite.path, base_dir, endings=endings)


def _check_file(
    place: KeyPath, name: str, base_dir: Path, *, endings: tuple[str, ...]
) -> Iterator[_Fault]:
    path = _resolve(name, base_dir)
    allowed = f"a file ending in {', '.join(endings)}"
    if not os.path.isfile(path):
        yield _Fault(place, f"{name!r}, where no file is", allowed, _advise_file(name, path))
    elif _ending(name) not in endings:
        got = f"{name!r}, a format that cannot be read"
        yield _Fault(place, got, allowed, "convert the file, or rename it to what it holds")
    elif not os.access(path, os.R_OK):
        got = f"{name!r}, a file that you may not read"
        yield _Fault(place, got, "a readable file", "change the file's permissions")


def _check_overlap(checked: Checked, base_dir: Path) -> Iterator[_Fault]:
    """The same file in two splits makes every held-out figure meaningless."""
    seen: dict[str, str] = {}
    for split in ("train", "validation", "test"):
        for index, source in enumerate(getattr(checked.recipe.data, split) or []):
            path = _resolve(source.path, base_dir)
            place = str(path.resolve()) if os.path.exists(path) else source.path
            first = seen.setdefault(f"{place} {source.name} {source.split}", split)
            if first != split and not checked.is_wrong(("data", first)):
                got = f"{source.path!r}, which data.{first} names too"
                do = f"name other rows, or remove data.{split} to hold out a share of data.train"
                yield _Fault(("data", split, index, "path"), got, "rows of its own", do)


def _check_metric(
    place: KeyPath, metric: str, base_dir: Path, *, more: tuple[str, ...] = ()
) -> Iterator[_Fault]:
    if metric in (*METRICS, *more):
        return
    match = _FUNCTION.fullmatch(metric)
    if match is None:
        do = suggest(metric, list(METRICS)) or "choose one, or name a function of your own"
        yield _Fault(place, repr(metric), METRICS_TEXT, do)
        return
    path, name = _resolve(match["path"], base_dir), match["name"]
    if not os.path.isfile(path):
        do = _advise_file(match["path"], path)
        yield _Fault(place, f"{match['path']!r}, where no file is", "a Python file", do)
        return
    try:
        defined = _list_functions(path)
    except (SyntaxError, ValueError, OSError) as error:
        why = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        got = f"{match['path']!r}, which Python cannot read ({why})"
        yield _Fault(place, got, "a readable Python file", "correct the file")
        return
    if name not in defined:
        allowed = ", ".join(defined) or "a file that defines functions"
        do = suggest(name, defined) or f"define `def {name}(output, reference, item)` in it"
        yield _Fault(place, f"{name!r}, which {match['path']} does not define", allowed, do)


def _check_policy(policy: str, base_dir: Path) -> Iterator[_Fault]:
    if policy.endswith(_POLICY_ENDINGS):
        yield from _check_file(("gates", "policy"), policy, base_dir, endings=_POLICY_ENDINGS)
    else:
        do = suggest(policy, list(POLICIES)) or "choose one"
        yield _Fault(("gates", "policy"), repr(policy), POLICIES_TEXT, do)


def _list_functions(path: Path) -> list[str]:
    """Names that the file binds at its top level; raises SyntaxError, ValueError or OSError."""
    body = ast.parse(path.read_bytes()).body
    functions = [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    imported = [
        alias.asname or alias.name
        for node in body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    ]
    assigned = [
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    return functions + assigned + imported


def _may_be_hub_id(name: str, path: Path) -> bool:
    """`owner/name`, where neither it nor a folder `owner` is on disk."""
    return (
        _HUB_NAME.fullmatch(name) is not None
        and _ending(name) not in READABLE
        and "/" in name
        and not os.path.exists(path)
        and not os.path.exists(path.parent)
    )


def _resolve(name: str, base_dir: Path) -> Path:
    return base_dir / os.path.expanduser(name)


def _list_folder(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _ending(name: str) -> str:
    stem, ending = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if ending in COMPRESSIONS else ending


def _advise_file(name: str, path: Path) -> str:
    """The nearest file name beside the missing one, else how paths are resolved."""
    close = difflib.get_close_matches(path.name, _list_folder(path.parent), n=1)
    if close:
        return f"write {name[: len(name) - len(path.name)]}{close[0]}"
    return "correct the path; it is looked for from the recipe's folder"
