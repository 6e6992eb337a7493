"""Licences of data: their names, what they ask for, and which cannot stand in one data set.

What is said of a licence is from its own text: Creative Commons 4.0 (sections 2 to 4), ODbL 1.0
(4.2 to 4.6), GPL 3 (5), Apache 2.0 (4), MIT. It is a table to look things up in, and no advice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Term = Literal["attribution", "share_alike", "non_commercial", "no_derivatives", "research_only"]


@dataclass(frozen=True)
class Licence:
    """One licence by its SPDX id; `family` names those that share-alike may pass between."""

    id: str
    terms: frozenset[Term] = frozenset()
    family: str = ""


def _make(name: str, *terms: Term, family: str = "") -> Licence:
    return Licence(name, frozenset(terms), family)


_KNOWN = (
    _make("CC0-1.0"),
    _make("PDDL-1.0"),
    _make("Unlicense"),
    _make("MIT", "attribution"),
    _make("Apache-2.0", "attribution"),
    _make("BSD-3-Clause", "attribution"),
    _make("ODC-By-1.0", "attribution"),
    _make("CDLA-Permissive-2.0", "attribution"),
    _make("CC-BY-4.0", "attribution"),
    _make("CC-BY-3.0", "attribution"),
    _make("CC-BY-SA-4.0", "attribution", "share_alike", family="CC-BY-SA"),
    _make("CC-BY-SA-3.0", "attribution", "share_alike", family="CC-BY-SA"),
    _make("ODbL-1.0", "attribution", "share_alike", family="ODbL"),
    _make("CDLA-Sharing-1.0", "attribution", "share_alike", family="CDLA-Sharing"),
    _make("GPL-2.0", "attribution", "share_alike", family="GPL-2"),
    _make("GPL-3.0", "attribution", "share_alike", family="GPL-3"),
    _make("AGPL-3.0", "attribution", "share_alike", family="GPL-3"),
    _make("CC-BY-NC-4.0", "attribution", "non_commercial"),
    _make("CC-BY-NC-SA-4.0", "attribution", "non_commercial", "share_alike", family="CC-BY-NC-SA"),
    _make("CC-BY-ND-4.0", "attribution", "no_derivatives"),
    _make("CC-BY-NC-ND-4.0", "attribution", "non_commercial", "no_derivatives"),
    _make("research-only", "research_only", "non_commercial"),
    _make("proprietary"),
)
_OTHER_NAMES = {
    "cc0": "CC0-1.0",
    "public-domain": "CC0-1.0",
    "publicdomain": "CC0-1.0",
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "pddl": "PDDL-1.0",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "gpl": "GPL-3.0",
    "gpl-3": "GPL-3.0",
    "gpl-2": "GPL-2.0",
    "agpl": "AGPL-3.0",
    "own": "proprietary",
    "internal": "proprietary",
    "commercial": "proprietary",
    "research": "research-only",
    "academic": "research-only",
    "other-research": "research-only",
}
_BY_KEY = {licence.id.casefold(): licence for licence in _KNOWN}
# Versions 1.0 to 3.0, ported ones too (3.0-de), ask for what 4.0 asks for in these terms.
_OLDER_CC = re.compile(r"(cc-by(?:-[a-z]{2}){0,2})-[1-3]\.\d(?:-[a-z]{2,3})?")


def find_licence(name: str) -> Licence | None:
    """The licence of a name as people write it (``cc by sa 4.0``, ``Apache 2``), or None."""
    key = re.sub(r"[\s_]+", "-", name.strip().casefold())
    key = re.sub(r"-?licen[cs]e$|^the-", "", key).replace("creative-commons", "cc")
    key = re.sub(r"^ccby", "cc-by", key)
    key = re.sub(r"-(only|or-later)$", "", key) if not key.startswith("research") else key
    found = _BY_KEY.get(key) or _BY_KEY.get(_OTHER_NAMES.get(key, "").casefold())
    if found is None and key.startswith(("cc-by", "gpl", "agpl", "apache", "odbl")):
        found = _BY_KEY.get(key.removesuffix("-v1").removesuffix(".0") + "-4.0")
        found = found or _BY_KEY.get(f"{key}.0") or _BY_KEY.get(f"{key}-1.0")
    if found is None and (older := _OLDER_CC.fullmatch(key)):
        current = _BY_KEY.get(f"{older[1]}-4.0")
        found = current and replace(current, id=key.upper())
    return found


def find_conflict(a: Licence, b: Licence) -> str | None:
    """Why rows of both cannot be passed on together as one data set, or None."""
    both = (a, b)
    shared = [one for one in both if "share_alike" in one.terms]
    if len(shared) == 2 and a.family != b.family:
        return f"{a.id} and {b.id} each ask that the whole be under itself"
    for one, other in (both, both[::-1]):
        if "share_alike" not in one.terms:
            continue
        if "non_commercial" in other.terms and "non_commercial" not in one.terms:
            return f"{one.id} asks that the whole may be used commercially, {other.id} forbids it"
    return None
