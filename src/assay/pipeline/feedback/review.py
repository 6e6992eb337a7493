"""The review of candidates: a file of one answer a line, which a person edits and gives back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from assay.errors import DataError, Problem
from assay.pipeline.feedback.candidates import Candidate
from assay.runs import write_text

TAKE = "take"
_SHOWN = ("completion_id", "choice", "kind", "score", "comments", "messages", "tools", "answer")


def write_review(path: Path, candidates: Sequence[Candidate]) -> None:
    """Write every candidate with ``"take": true``; a reviewer sets it to false, or mends
    ``correction``.

    Raises:
        ResourceError: the disk is full.
    """
    lines = []
    for one in candidates:
        shown = {key: value for key, value in asdict(one).items() if key in _SHOWN}
        line = {TAKE: True, **shown, "correction": one.correction}
        lines.append(json.dumps(line, ensure_ascii=False))
    write_text(path, "".join(line + "\n" for line in lines))


def apply_review(path: Path, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that the reviewed file takes, with the corrections that it has now.

    What is not in the file is not taken; what is no candidate any more (it was deleted since) is
    not either.

    Raises:
        DataError: lines that are not of a review, all of them.
    """
    taken: dict[tuple[str, int], Any] = {}
    problems: list[Problem] = []
    for number, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        line = _read_line(text)
        if line is None:
            allowed = '{"take": true or false, "completion_id": …, "choice": …, "correction": …}'
            problems.append(Problem("no line of a review", allowed, file=str(path), line=number))
        elif line[TAKE]:
            taken[line["completion_id"], line["choice"]] = line.get("correction")
    if problems:
        raise DataError(problems)
    places = ((one, (one.completion_id, one.choice)) for one in candidates)
    return [_mend(one, taken[place]) for one, place in places if place in taken]


def _read_line(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get(TAKE), bool):
        return None
    is_named = isinstance(line.get("completion_id"), str) and isinstance(line.get("choice"), int)
    correction = line.get("correction")
    is_answer = correction is None or isinstance(correction, str | dict)
    return line if is_named and is_answer else None


def _mend(one: Candidate, correction: Any) -> Candidate:
    if isinstance(correction, str):
        correction = {"role": "assistant", "content": correction}
    if correction is None:
        return replace(one, kind="rated", correction=None)
    return replace(one, kind="correction", correction={**correction, "role": "assistant"})
