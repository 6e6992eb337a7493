"""Lists of names and values, as counts and settings are shown; knows no name."""

from __future__ import annotations

from typing import Any

from assay.release import wording
from assay.release.report.html import Html, join, tag
from assay.runs.values import text


def pairs(rows: list[tuple[str, Any]]) -> Html | None:
    """A grid of names and values; nothing for no rows."""
    shown = join(
        tag("div", tag("dt", words(key)), tag("dd", value_words(key, value))) for key, value in rows
    )
    return tag("dl", shown, class_="pairs") if rows else None


def words(key: str) -> str:
    """A key as words: ``num_dropped.too_long`` is "dropped · too long"."""
    return key.removeprefix("num_").replace("_", " ").replace(".", " · ")


def value_words(key: str, value: Any) -> str:
    """A value as text; a share or ratio (by its key) as a percentage."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and key.endswith(("share", "ratio")):
        return wording.percent(value)
    if isinstance(value, int | float):
        return wording.plain(value)
    if isinstance(value, list):
        return ", ".join(text(item) for item in value) or "–"
    return text(value) or "–"
