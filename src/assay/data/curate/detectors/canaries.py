"""Canaries that were planted, so that nobody takes them for a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from assay.data.curate.batch import Batch
from assay.data.curate.canaries import load_canaries
from assay.data.curate.detector import Detector, Given
from assay.data.curate.finding import Hit, Rule, Span
from assay.data.curate.settings import Settings

CANARY = Rule(
    "canary",
    "privacy",
    "info",
    "keep",
    "A planted secret of the canary file that the option `file` names, to be measured later.",
    {"file": ""},
    paths=("file",),
)


def find_canaries(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """Every planted secret."""
    file = settings.option(CANARY.name, "file")
    searched = _build_pattern(file, Path(file).stat().st_mtime_ns)
    for text in batch.matching(searched.pattern):
        for found in searched.finditer(text.text):
            span = Span(text.path, *found.span(), found[0])
            yield Hit(text.row.number, CANARY.name, f"planted, as {file} says", span)


@lru_cache(maxsize=4)
def _build_pattern(file: str, changed_ns: int) -> re.Pattern[str]:
    secrets = (one.secret for one in load_canaries(Path(file)).planted)
    return re.compile("|".join(re.sub(r"[^\w\s-]", r"\\\g<0>", secret) for secret in secrets))


def _name_missing(given: Given, settings: Settings) -> str | None:
    file = settings.option(CANARY.name, "file")
    if not file:
        return "no canary file is named (canary.file)"
    load_canaries(Path(file))
    return None


DETECTORS = (Detector("canaries", (CANARY,), scan=find_canaries, is_ready=_name_missing),)
