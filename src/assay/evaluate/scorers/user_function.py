"""A user's own metric, a Python function named by ``"path/to/file.py:function"``.

It is the only code of the user's that evaluation runs; it is called as
``fn(output: str, reference: str, item: dict) -> float | bool`` and must return a number in [0, 1].
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from assay.errors import ConfigError, EvaluationError, Problem
from assay.evaluate.items import Item, Score, reference_text, unscored

UserFunction = Callable[[str, str, dict[str, Any]], Any]


def is_function_spec(metric: str) -> bool:
    """Whether `metric` names a file and a function and not a built-in metric."""
    path, _, name = metric.rpartition(":")
    return path.endswith(".py") and bool(name)


def load_user_function(spec: str, *, base_dir: Path | str = ".") -> UserFunction:
    """The function that `spec` names; a relative path starts at `base_dir` (the recipe's folder).

    Raises ConfigError when the file is missing or broken, or has no such function.
    """
    path_text, _, name = spec.rpartition(":")
    path = Path(base_dir, path_text)
    if not path.is_file():
        raise ConfigError(
            Problem(got=f"no file {path}", do="correct the metric's path", key="evaluate.metric")
        )
    function = getattr(_load_module(path), name, None)
    if not callable(function):
        raise ConfigError(
            Problem(
                got=f"no function {name!r}",
                do=f"define `def {name}(output, reference, item)`",
                file=str(path),
                key="evaluate.metric",
            )
        )
    found: UserFunction = function
    return found


def score_by_function(output: str, item: Item, function: UserFunction) -> Score:
    """The user's number for one output; None from the function means unscored.

    The function sees ``item.to_dict()``. Raises EvaluationError, naming the metric's file and the
    item, when the function fails or returns anything but a number in [0, 1]. `correct` is the
    returned bool, or for a number whether it is 1.
    """
    try:
        result = function(output, reference_text(item), item.to_dict())
    except Exception as error:  # foreign code: whatever it raises, the user needs the row
        raise EvaluationError(_located(item, f"raised {type(error).__name__}: {error}")) from error
    if result is None:
        return unscored(item.metric, "the function returned None")
    try:
        value = float(result)
    except (TypeError, ValueError) as error:
        raise EvaluationError(_located(item, f"returned {result!r}, no number")) from error
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise EvaluationError(_located(item, f"returned {value}, which is outside [0, 1]"))
    return Score(item.metric, value, value == 1.0)


def _located(item: Item, what: str) -> str:
    return f"{item.metric}: suite {item.suite!r}, row {item.id!r}: the metric {what}"


def _load_module(path: Path) -> ModuleType:
    # The name carries the path's hash: two recipes may each have a `metric.py`.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"assay_user_metric_{digest}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(Problem(got="no Python file", file=str(path), key="evaluate.metric"))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # foreign code at import: located for the user, like a bad row
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
