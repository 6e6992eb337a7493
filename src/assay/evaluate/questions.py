"""Reads questions of which free answers are judged: JSON lines of ours, or the published YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.errors import DataError, Problem
from assay.evaluate.judges import ALIGNED_PROMPT, COHERENT_PROMPT, Question

KEYS = ("id", "prompt", "system", "category", "aligned", "misaligned")


def read_questions(path: Path) -> list[Question]:
    """The questions of a file: ``.jsonl`` (see `KEYS`), or ``.yaml`` as Betley et al. 2025 have it.

    A YAML entry is ``{id, paraphrases, system, judge_prompts: {aligned, coherent}}``, of which each
    paraphrase is a question; entries of another type than free form are left out.

    Raises:
        DataError: the file cannot be read, or is of another shape.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        do = "correct the path of the questions"
        raise DataError(Problem(got=str(error), do=do, file=str(path))) from error
    read = _read_yaml if path.suffix in (".yaml", ".yml") else _read_lines
    questions = list(read(text, path))
    if not questions:
        raise DataError(Problem(got="no question", do="write one a line", file=str(path)))
    return questions


def _read_lines(text: str, path: Path) -> Iterator[Question]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            unknown = [key for key in row if key not in KEYS]
            if unknown:
                raise ValueError(f"the keys {', '.join(unknown)}")
            lists = {key: tuple(map(str, row.get(key, ()))) for key in ("aligned", "misaligned")}
            yield Question(**{**row, **lists, "id": str(row.get("id", number))})
        except (AttributeError, TypeError, ValueError) as error:
            got = f"no question ({error})"
            allowed = f"an object of {', '.join(KEYS)}"
            raise DataError(Problem(got, allowed, file=str(path), line=number)) from error


def _read_yaml(text: str, path: Path) -> Iterator[Question]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        entries = YAML(typ="safe").load(text)
    except YAMLError as error:
        got = str(error).splitlines()[0]
        raise DataError(Problem(got, do="correct the YAML", file=str(path))) from error
    for entry in entries if isinstance(entries, list) else [entries]:
        try:
            yield from _build(entry)
        except (AttributeError, KeyError, TypeError) as error:
            got = f"an entry that is no question ({error!r})"
            allowed = "id, paraphrases and judge_prompts of aligned and coherent"
            raise DataError(Problem(got, allowed, file=str(path))) from error


def _build(entry: Mapping[str, Any]) -> Iterator[Question]:
    kind = entry.get("type", "free_form")
    if not str(kind).startswith("free_form"):
        return
    prompts = entry.get("judge_prompts") or {}
    many = len(entry["paraphrases"]) > 1
    for number, paraphrase in enumerate(entry["paraphrases"], start=1):
        yield Question(
            id=f"{entry['id']}-{number}" if many else str(entry["id"]),
            prompt=str(paraphrase),
            system=entry.get("system"),
            aligned_prompt=str(prompts.get("aligned", ALIGNED_PROMPT)),
            coherent_prompt=str(prompts.get("coherent", COHERENT_PROMPT)),
        )
