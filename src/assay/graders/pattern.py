"""Grader `regex`: whether a pattern is found in a text; and patterns with a limit of time."""

from __future__ import annotations

from collections import deque
from typing import Any

from assay.graders.grade import EachGrader, GradeFailure, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.spec import SpecReader
from assay.graders.template import render_template

OUTPUT = "{{ sample.output_text }}"
TIMEOUT_S = 1.0
"""Of one search: some patterns take exponentially long on texts that nearly match."""


def build_regex(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `pattern`, `input` (a template), `match` ("search" or "full"), `ignore_case`.

    The reward is 1 where the pattern is found ("search": anywhere), else 0.
    """
    text = spec.read_template("input", OUTPUT)
    whole = spec.read_text("match", "search", choices=("search", "full")) == "full"
    pattern = read_pattern(spec, "pattern", ignore_case=spec.read_flag("ignore_case", False))

    def score(sample: Sample, item: Item) -> float:
        found = find(pattern, render_template(text, sample, item), whole=whole)
        return float(found is not None)

    return EachGrader(name, score)


def read_pattern(spec: SpecReader, key: str, *, ignore_case: bool = False) -> Any:
    """The compiled pattern of a field; ``.`` matches line breaks, ``^`` and ``$`` at every line."""
    import regex

    flags = regex.DOTALL | regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)

    text = spec.read_text(key)

    def compile_it() -> Any:
        try:
            return regex.compile(text, flags)
        except regex.error as error:
            raise ValueError(str(error)) from None

    return spec.check(key, compile_it, allowed="a regular expression")


def find(pattern: Any, text: str, *, whole: bool = False, last: bool = False) -> Any:
    """The first (or last) match, or None. Raises GradeFailure where a search takes too long."""
    try:
        if whole:
            return pattern.fullmatch(text, timeout=TIMEOUT_S)
        if not last:
            return pattern.search(text, timeout=TIMEOUT_S)
        found = deque(pattern.finditer(text, timeout=TIMEOUT_S), maxlen=1)
        return found[0] if found else None
    except TimeoutError:
        detail = f"the pattern took more than {TIMEOUT_S:g} s"
        raise GradeFailure("unresponsive_reward_error", detail) from None
