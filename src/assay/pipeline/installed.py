"""Whether the packages of trackers are installed; it imports none of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from assay.errors import Problem

PACKAGES = {"mlflow": "mlflow-skinny"}
"""What to install for a tracker, where it has another name."""


def find_missing_trackers(names: Sequence[str]) -> list[Problem]:
    """A problem for each tracker whose package is not there."""
    return [
        Problem(
            key="trackers",
            got=f"{name}, which is not installed",
            allowed="trackers whose package is installed",
            do=f"pip install {PACKAGES.get(name, name)}, or leave it out",
        )
        for name in names
        if find_spec(name) is None
    ]
