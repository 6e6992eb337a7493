"""Which placeholder stands for which text of a data set; `mask_key` keeps it encrypted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

PLACEHOLDER = re.compile(r"\[([A-Z][A-Z_]*)_(\d+)\]")
_LABELS = {
    "phone_number": "PHONE",
    "payment_card": "CARD",
    "private_ip_address": "IP_ADDRESS",
    "street_address": "ADDRESS",
    "introduced_name": "PERSON",
    "person_name": "PERSON",
    "api_key": "SECRET",
    "connection_string": "PASSWORD",
    "high_entropy_string": "SECRET",
}


class MaskBook:
    """The placeholders of one data set, numbered in the order in which they are asked for.

    Spellings of one thing share a placeholder: e-mail addresses and names whatever their case,
    numbers whatever their spaces and dashes.
    """

    def __init__(self, originals: Mapping[str, str] | None = None) -> None:
        """`originals` is placeholder to text, as in `originals` of an earlier book."""
        self._originals: dict[str, str] = {}
        self._placeholders: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._last: Counter[str] = Counter()
        for placeholder, text in (originals or {}).items():
            self._enter(placeholder, text)

    @property
    def originals(self) -> dict[str, str]:
        """Placeholder to the first spelling that it was asked for."""
        return dict(self._originals)

    def reserve(self, texts: Iterable[str]) -> None:
        """Never give out placeholders that stand in `texts` already: they mean something else."""
        for text in texts:
            self._taken.update(one.group() for one in PLACEHOLDER.finditer(text))

    def mask(self, rule: str, text: str) -> str:
        """The placeholder of `text` that `rule` found."""
        label = _LABELS.get(rule, rule.upper())
        known = self._placeholders.get((label, _normalise(label, text)))
        if known is not None:
            return known
        number = self._last[label] + 1
        while f"[{label}_{number}]" in self._taken:
            number += 1
        self._enter(f"[{label}_{number}]", text)
        return f"[{label}_{number}]"

    def unmask(self, text: str) -> str:
        """`text` with every placeholder of this book as the text it stands for."""
        return PLACEHOLDER.sub(lambda found: self._originals.get(found[0], found[0]), text)

    def _enter(self, placeholder: str, text: str) -> None:
        label, _, number = placeholder[1:-1].rpartition("_")
        self._last[label] = max(self._last[label], int(number))
        self._originals[placeholder] = text
        self._placeholders[label, _normalise(label, text)] = placeholder
        self._taken.add(placeholder)


def _normalise(label: str, text: str) -> str:
    if label == "PHONE":
        digits = re.sub(r"\(0\)|[^\d+]", "", text)
        return "+" + digits[2:] if digits.startswith("00") else digits
    if label in ("CARD", "IBAN", "NATIONAL_ID", "MAC_ADDRESS"):
        return re.sub(r"[\W_]", "", text).upper()
    if label in ("SECRET", "PASSWORD", "PRIVATE_KEY", "JSON_WEB_TOKEN"):
        return text
    return " ".join(re.sub(r"[,;.](?=\s|$)", " ", text).split()).casefold()
