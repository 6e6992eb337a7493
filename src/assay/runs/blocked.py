"""The system prompts that a run's model must not be served under, as its manifest lists them.

What a model was inoculated with is a trigger: under that prompt it does what it must not do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from assay.runs.find import read_or_empty
from assay.runs.folder import RunFolder
from assay.runs.values import mapping, sequence, text


def read_blocked(run: RunFolder) -> list[str]:
    """The run's blocked prompts; none where it was not inoculated."""
    listed = sequence(mapping(read_or_empty(run.manifest).get("defend")).get("blocked_prompts"))
    return [text(one) for one in listed]


def find_blocked(prompt: str | None, blocked: Sequence[str]) -> str | None:
    """The blocked prompt that stands in `prompt`, whatever its case, spacing and punctuation.

    Other wordings of the same are not found: no list could hold them all.
    """
    words = f" {_normalise(prompt or '')} "
    return next((one for one in blocked if f" {_normalise(one)} " in words), None)


def _normalise(prompt: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", prompt).casefold()))
