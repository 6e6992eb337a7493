"""Loads a suite file of any shape: rows of Assay's own, or a public data set."""

from __future__ import annotations

from pathlib import Path

from assay.evaluate.suites import Suite, load_suite
from assay.evaluate.suites.public.format import DEFAULT_KIND
from assay.evaluate.suites.public.load import PublicSource, load_public_suites, peek_format

OWN = "suite"
"""The format of Assay's own suite rows."""


def load_any(source: PublicSource, *, base_dir: Path) -> list[Suite]:
    """The suites of a source; one whose columns are of no public format has rows of our own.

    Raises:
        ConfigError: an unknown format, or a kind or metric that it does not leave open.
        DataError: nothing there, or bad rows.
    """
    path = base_dir / source.path
    own = source.format == OWN
    if source.format == "auto" and path.suffix == ".jsonl" and path.is_file():
        own = peek_format(source, base_dir=base_dir) is None
    if not own:
        return load_public_suites(source, base_dir=base_dir)
    kind = source.kind or DEFAULT_KIND
    return [load_suite(path, kind=kind, name=source.name, metric=source.metric)]
