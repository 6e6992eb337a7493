"""A class of the user's own, by ``path/to/file.py:Class``; it runs in this process."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from assay.errors import ConfigError, Problem


def load_user_class(spec: str, *, base_dir: Path | str = ".", key: str = "") -> Any:
    """The class that `spec` names; a relative path starts at `base_dir` (the recipe's folder).

    Raises:
        ConfigError: `spec` names no file and class, the file is missing or broken, or has no such
            class.
    """
    path_text, _, name = spec.rpartition(":")
    if not (path_text.endswith(".py") and name.isidentifier()):
        allowed = "tools, or file.py:Class"
        raise ConfigError(Problem(f"{spec!r}", allowed, "name a file and a class", key=key))
    path = Path(base_dir, path_text)
    if not path.is_file():
        raise ConfigError(Problem(f"no file {path}", do="correct the path", key=key))
    found = getattr(_load_module(path, key), name, None)
    if not isinstance(found, type):
        raise ConfigError(
            Problem(f"no class {name!r}", do=f"define `class {name}`", file=str(path), key=key)
        )
    return found


def _load_module(path: Path, key: str) -> ModuleType:
    # The name carries the path's hash: two recipes may each have an `environment.py`.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"assay_user_class_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(Problem(got="no Python file", file=str(path), key=key))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    # Foreign code at import: located for the user, like a bad row.
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        line = error.lineno if isinstance(error, SyntaxError) else None
        got = f"{type(error).__name__}: {error}"
        do = "make the file importable"
        raise ConfigError(Problem(got, do=do, file=str(path), line=line, key=key)) from error
    return module
