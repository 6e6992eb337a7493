"""A user's own metric, a Python function named by ``"path/to/file.py:function"``.

It is the only code of the user's that evaluation runs; it is called as
``fn(output: str, reference: str, item: dict) -> float | bool`` and must return a number in [0, 1].

What it does wrong is the user's to mend as long as nothing is trained (`ConfigError`). After that
it costs the score and not the run (`score_or_fail`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from assay.errors import ConfigError, Problem
from assay.evaluate.items import Item, Score, failed, reference_text, unscored

UserFunction = Callable[[str, str, dict[str, Any]], Any]


def is_function_spec(metric: str) -> bool:
    """Whether `metric` names a file and a function and not a built-in metric."""
    path, _, name = metric.rpartition(":")
    return path.endswith(".py") and bool(name)


def load_user_function(spec: str, *, base_dir: Path | str = ".") -> UserFunction:
    """The function that `spec` names; a relative path starts at `base_dir` (the recipe's folder).

    Raises ConfigError when the file is missing or broken, or has no such function of three
    arguments.
    """
    path_text, _, name = spec.rpartition(":")
    path = Path(base_dir, path_text)
    if not path.is_file():
        raise ConfigError(
            Problem(got=f"no file {path}", do="correct the metric's path", key="evaluate.metric")
        )
    function = getattr(_load_module(path), name, None)
    if not callable(function) or not _takes_three(function):
        what = "other arguments of" if callable(function) else "no function"
        raise ConfigError(
            Problem(
                got=f"{what} {name!r}",
                do=f"define `def {name}(output, reference, item)`",
                file=str(path),
                key="evaluate.metric",
            )
        )
    found: UserFunction = function
    return found


def _takes_three(function: Callable[..., Any]) -> bool:
    """Whether three values can be passed; a callable without a signature is tried when called."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind("", "", {})
    except TypeError:
        return False
    return True


def score_by_function(output: str, item: Item, function: UserFunction) -> Score:
    """The user's number for one output; None from the function means unscored.

    The function sees ``item.to_dict()``. `correct` is the returned bool, or for a number whether it
    is 1.

    Raises:
        ConfigError: the function fails, does not take three arguments, or returns anything but a
            number in [0, 1]; file, function and item are named.
    """
    try:
        result = function(output, reference_text(item), item.to_dict())
    # Foreign code: whatever it raises, sys.exit included, the user needs the row.
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise _refuse(item, f"{type(error).__name__}: {said}") from error
    if result is None:
        return unscored(item.metric, "the function returned None")
    try:
        value = float(result)
    except (TypeError, ValueError) as error:
        raise _refuse(item, f"{result!r}, no number,") from error
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise _refuse(item, f"{value}")
    return Score(item.metric, value, value == 1.0)


def score_or_fail(output: str, item: Item, score: Callable[[str, Item], Score]) -> Score:
    """As `score` says, or unscored with the reason where the user's function fails."""
    try:
        return score(output, item)
    except ConfigError as error:
        return failed(item.metric, str(error))


def _refuse(item: Item, got: str) -> ConfigError:
    path, _, name = item.metric.rpartition(":")
    return ConfigError(
        Problem(
            got=f"{got} for row {item.id} of suite {item.suite}",
            allowed=f"a number from 0 to 1, a bool or None from {name}(output, reference, item)",
            do="mend the function",
            file=path,
            key=name,
        )
    )


def _load_module(path: Path) -> ModuleType:
    # The name carries the path's hash: two recipes may each have a `metric.py`.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"assay_user_metric_{digest}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(Problem(got="no Python file", file=str(path), key="evaluate.metric"))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    # Foreign code at import: located for the user, like a bad row.
    except (Exception, SystemExit) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise ConfigError(
            Problem(
                got=f"{type(error).__name__}: {error}",
                do="make the file importable",
                file=str(path),
                line=line,
                key="evaluate.metric",
            )
        ) from error
    return module
