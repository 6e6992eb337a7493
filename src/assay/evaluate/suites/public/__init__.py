"""Formats of public data sets, by name, and how one is told by its columns; it reads no file.

Every format is one small module. Nothing of a data set is in here: files stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from assay.errors import ConfigError, Problem
from assay.evaluate.suites.public.bbq import BBQ
from assay.evaluate.suites.public.bfcl import BFCL
from assay.evaluate.suites.public.format import Format, HubPlace, Part
from assay.evaluate.suites.public.gsm8k import GSM8K
from assay.evaluate.suites.public.halueval import HALUEVAL
from assay.evaluate.suites.public.model_written import MODEL_WRITTEN
from assay.evaluate.suites.public.multiple_choice import MMLU, MULTIPLE_CHOICE
from assay.evaluate.suites.public.pairs import CROWS_PAIRS, WINOGENERATED
from assay.evaluate.suites.public.requests import CYBERSECEVAL, HARMBENCH, XSTEST
from assay.evaluate.suites.public.text import TEXT
from assay.evaluate.suites.public.truthfulqa import TRUTHFULQA

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        TRUTHFULQA,
        HALUEVAL,
        BBQ,
        CROWS_PAIRS,
        WINOGENERATED,
        MODEL_WRITTEN,
        HARMBENCH,
        XSTEST,
        CYBERSECEVAL,
        GSM8K,
        BFCL,
        MMLU,
        MULTIPLE_CHOICE,
        TEXT,
    )
}


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigError: there is none; the nearest is named.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = get_close_matches(name, FORMATS, n=1)
    do = f"write {near[0]}" if near else "name one of these"
    raise ConfigError(Problem(got=f"format {name!r}", allowed=", ".join(FORMATS), do=do))


def recognise_format(columns: Iterable[str]) -> Format | None:
    """The format whose marks are all among `columns`, the one of most marks; None where none is.

    A format that has no columns of its own (gsm8k, HarmBench's bare prompts) must be named.
    """
    present = set(columns)
    found = [
        (len(marks), one) for one in FORMATS.values() for marks in one.columns if marks <= present
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


__all__ = ["FORMATS", "Format", "HubPlace", "Part", "find_format", "recognise_format"]
