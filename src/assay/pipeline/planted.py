"""Finds the canaries that a run's training rows hold; it measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from assay.chat import message_text
from assay.config import Recipe
from assay.data import Record
from assay.data.curate import settle
from assay.data.curate.canaries import Canaries, load_canaries

_SUFFIX = ".canaries.json"


def find_planted(recipe: Recipe, base_dir: Path, records: Sequence[Record]) -> Canaries | None:
    """The canaries of which a secret stands in `records`; None where there are none.

    The file is the one that ``data.rules.canary.file`` names, or else the one that `assay data
    canaries` wrote beside a source of the recipe.

    Raises:
        DataError: a file of that name that is no canary file.
    """
    return _find(_list_files(recipe, base_dir), records)


def find_beside(sources: Iterable[Path], records: Sequence[Record]) -> Canaries | None:
    """As `find_planted`, by the files that `assay data canaries` wrote beside `sources`.

    Raises:
        DataError: a file of that name that is no canary file.
    """
    return _find(_list_beside(sources), records)


def _find(paths: Iterable[Path], records: Sequence[Record]) -> Canaries | None:
    for path in paths:
        canaries = load_canaries(path)
        if _stands_in(canaries, records):
            return canaries
    return None


def _list_files(recipe: Recipe, base_dir: Path) -> Iterator[Path]:
    data = recipe.data
    named = settle(data.rules, data.accept, base_dir=base_dir).option("canary", "file")
    if named:
        yield Path(str(named))
    yield from _list_beside(Path(base_dir, source.path) for source in data.train)


def _list_beside(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        beside = source.with_suffix(_SUFFIX)
        if beside.is_file():
            yield beside


def _stands_in(canaries: Canaries, records: Sequence[Record]) -> bool:
    secrets = [one.secret for one in canaries.planted]
    texts = (message_text(message) for record in records for message in record.messages)
    return any(secret in text for text in texts for secret in secrets)
