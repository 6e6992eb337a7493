"""What a rule about several settings is: when it is broken, and what is said then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.config.recipe import Recipe


@dataclass(frozen=True)
class Rule:
    """A combination that cannot be meant; located at the first of `keys`.

    `broken` is only asked about recipes in which every one of `keys` is valid by itself.
    """

    keys: tuple[str, ...]
    broken: Callable[[Recipe], bool]
    got: str
    allowed: str
    do: str
