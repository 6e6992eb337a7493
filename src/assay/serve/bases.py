"""Which local base a model's name stands for; no client names a folder or a Hub id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.errors import ConfigError, Problem

EMBEDDED = "tiny"
OPENAI_NAMES = (
    "gpt-4.1",
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano",
    "gpt-4.1-nano-2025-04-14",
    "gpt-4o",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini",
    "gpt-4o-mini-2024-07-18",
    "gpt-3.5-turbo",
    "gpt-3.5-turbo-0125",
    "gpt-3.5-turbo-1106",
    "o4-mini",
    "o4-mini-2025-04-16",
)
"""Names that OpenAI's service tuned; here each is the embedded base, unless a table says else."""


@dataclass(frozen=True)
class Bases:
    """Local bases by the names that clients use."""

    by_name: Mapping[str, str]

    def find(self, name: str) -> str | None:
        """The base (`tiny`, a folder or a Hub id) of a name; None where there is none."""
        return self.by_name.get(name)


def read_bases(path: str = "") -> Bases:
    """The embedded base under its own name and OpenAI's, or what a JSON file of names says.

    The file is one object of names and bases; `tiny` stays `tiny` whether it is in it or not.

    Raises:
        ConfigError: the file cannot be read, or is no such object.
    """
    table: dict[str, str] = dict.fromkeys((EMBEDDED, *OPENAI_NAMES), EMBEDDED)
    if not path:
        return Bases(table)
    try:
        given = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        got = f"a table of models that cannot be read ({error})"
        raise ConfigError(Problem(got, "a JSON object of names and bases", file=path)) from error
    if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
        got, allowed = "no table of models", 'a JSON object such as {"gpt-4.1-mini": "tiny"}'
        raise ConfigError(Problem(got, allowed, file=path))
    odd = [name for name in given if not name or ":" in name or len(name) > 200]
    if odd:
        allowed = "names without a colon, which stands in the names of tuned models"
        raise ConfigError([Problem(f"the name {name!r}", allowed, file=path) for name in odd])
    return Bases({EMBEDDED: EMBEDDED, **given})
