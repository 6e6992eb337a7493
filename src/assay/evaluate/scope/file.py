"""A scope on disk: scope.json for people, scope.safetensors for arrays; no code in either.

scope.json names the file of arrays by its hash, so that the two belong together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import ReleaseError
from assay.evaluate.scope.conformal import compute_threshold
from assay.evaluate.scope.measures import Cosine, Mahalanobis, Measure, Nearest, build_relative
from assay.evaluate.scope.scope import RATIO, Part, Scope
from assay.runs.atomic import write_bytes, write_json
from assay.runs.hashes import sha256_bytes

FORMAT = "assay-scope/1"
_KINDS: dict[str, Callable[..., Measure]] = {
    "relative_mahalanobis": build_relative,
    "mahalanobis": Mahalanobis,
    "nearest": Nearest,
    "cosine": Cosine,
}
_CALIBRATION = "calibration"


def save_scope(scope: Scope, file: Path, tensors: Path) -> None:
    """Write both files; the arrays first, since the other names them."""
    from safetensors.numpy import save

    arrays = {
        f"{name}.{key}": np.ascontiguousarray(value, np.float32)
        for name, measure in scope.measures.items()
        for key, value in measure.to_tensors().items()
    }
    arrays[_CALIBRATION] = np.ascontiguousarray(scope.calibration, np.float64)
    content = save(arrays)
    write_bytes(tensors, content)
    threshold = compute_threshold(scope.calibration, scope.level)
    written = {
        "format": FORMAT,
        "layers": list(scope.layers),
        "parts": [vars(part) for part in scope.parts],
        "level": scope.level,
        "threshold": threshold if np.isfinite(threshold) else None,
        "num_calibration": len(scope.calibration),
        **scope.origin,
        "tensors_sha256": sha256_bytes(content),
    }
    write_json(file, written)


def load_scope(file: Path, tensors: Path) -> Scope | None:
    """The scope of a release; None where it has none.

    Raises:
        ReleaseError: the files are damaged, do not belong together, or are of another format.
    """
    if not file.is_file():
        return None
    try:
        told, content = json.loads(file.read_text(encoding="utf-8")), tensors.read_bytes()
        if told.get("format") != FORMAT:
            raise ReleaseError(f"{file.name}: the format {told.get('format')!r} is not {FORMAT!r}")
        if told["tensors_sha256"] != sha256_bytes(content):
            raise ReleaseError(f"{tensors.name} is not the file that {file.name} names")
        return _build(told, content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReleaseError(f"{file.name}: a scope that cannot be read ({error})") from error


def _build(told: dict[str, Any], content: bytes) -> Scope:
    from safetensors.numpy import load

    arrays = load(content)
    parts = tuple(Part(**part) for part in told["parts"])
    measures: dict[str, Measure] = {}
    for part in parts:
        if part.name != RATIO:
            start = f"{part.name}."
            own = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
            measures[part.name] = _KINDS[part.name](**own)
    origin = {key: told[key] for key in told if key.startswith(("num_", "share_"))}
    layers = tuple(int(layer) for layer in told["layers"])
    return Scope(layers, measures, parts, arrays[_CALIBRATION], float(told["level"]), origin)
