"""Grader `numeric`: whether a text's number is the right one, within a tolerance."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from assay.graders.grade import EachGrader, GradeFailure, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.pattern import OUTPUT, find, read_pattern
from assay.graders.spec import SpecReader
from assay.graders.template import render_template

_NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_MAX_EXPONENT = 400


def build_numeric(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `input`, `reference`, `pattern`, `tolerance` and `relative_tolerance`.

    The number of the input is what the last match of `pattern` holds (its first group, where it
    has one), without a pattern the last number in the text. With the reference r it is right
    where |x − r| ≤ max(tolerance, relative_tolerance · |r|): reward 1, else 0. No number is wrong.
    """
    text = spec.read_template("input", OUTPUT)
    given = spec.read_any("reference", allowed="a number or a template")
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = repr(given)
    if not isinstance(given, str | None):
        spec.note("reference", f"reference {given!r}", "a number or a template")
    reference = spec.compile("reference", given if isinstance(given, str) else "")
    pattern = read_pattern(spec, "pattern") if spec.spec.get("pattern") is not None else None
    spec.asked.add("pattern")
    absolute = Decimal(repr(spec.read_number("tolerance", 0.0, low=0)))
    relative = Decimal(repr(spec.read_number("relative_tolerance", 0.0, low=0)))

    def score(sample: Sample, item: Item) -> float:
        right = find_last_number(render_template(reference, sample, item))
        if right is None:
            raise GradeFailure("other_error", "the reference holds no number")
        said = _find_said(pattern, render_template(text, sample, item))
        if said is None:
            return 0.0
        return float(abs(said - right) <= max(absolute, relative * abs(right)))

    return EachGrader(name, score)


def find_last_number(text: str) -> Decimal | None:
    """The last number of a text, with thousands set off by commas or an exponent; else None.

    Digits within a word (``x2``) are no number.
    """
    found = _NUMBER.findall(text)
    if not found:
        return None
    try:
        number = Decimal(found[-1].replace(",", "").replace("−", "-"))
    except InvalidOperation:
        return None
    return number if abs(number.adjusted()) <= _MAX_EXPONENT else None


def _find_said(pattern: Any, text: str) -> Decimal | None:
    if pattern is None:
        return find_last_number(text)
    found = find(pattern, text, last=True)
    if found is None:
        return None
    return find_last_number(found[1 if pattern.groups else 0] or "")
