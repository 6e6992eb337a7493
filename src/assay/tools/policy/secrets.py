"""Finds in a text what looks like a secret, and what names one thing alone; it judges no call.

Forms of known keys, card numbers by their check digit, and what a text itself calls a password,
key or code. It knows no language but English for the latter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.tools.destinations import find_destinations

_KEYS = re.compile(
    r"\b(?:(?:sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs]|hf|npm|key)[-_][\w-]{12,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?)"
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*([A-Za-z0-9+/=\s]{40,})")
_CARD = re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])")
_CALLED = re.compile(
    r"\b(?:pass ?(?:word|code|phrase)|secret(?: \w+)?|(?:api|access|master|private|door|secret)"
    r"[ _-]?(?:key|code|token)|token|pin(?: code)?|credentials?)\b"
    r"(?:\s+(?:\w+\s+){0,3}?(?:is|are|was)|\s*[:=])\s*(?P<quote>['\"`“‘]?)(?P<value>[^\s'\"`”’]{4,})",
    re.I,
)
_TOKEN = re.compile(r"[^\W_][\w+/=.:-]{4,}[^\W_]|\d{6,}")
_DATE = re.compile(
    r"\d{4}(?:-\d{1,2}){1,2}(?:T[\d:.+Z-]*)?|(?:\d{1,2}[./-]){2}\d{2,4}|\d{1,2}:\d{2}.*"
)
_COMMON = frozenset(
    ("secret", "never", "known", "hidden", "safe", "required", "unknown", "none", "private")
)


def find_secrets(text: str) -> Iterator[str]:
    """Keys, card numbers, and what is called a password, key or code."""
    for found in _KEYS.finditer(text):
        yield found[0]
    for found in _PEM.finditer(text):
        yield found[1].strip()
    for found in _CARD.finditer(text):
        if _has_check_digit(found[0]):
            yield found[0]
    for found in _CALLED.finditer(text):
        value = found["value"].rstrip(".,;:!?)")
        # Without quotes, digits or capitals "the password is correct" is a sentence like any other.
        told = found["quote"] or any(c.isdigit() or c.isupper() for c in value)
        if told and len(value) >= 4 and value.lower() not in _COMMON:
            yield value


def find_identifiers(text: str) -> Iterator[str]:
    """Words that name one thing alone: letters with digits, long numbers, addresses, hosts, paths.

    Dates and times are none.
    """
    for found in _TOKEN.finditer(text):
        token = found[0]
        if _DATE.fullmatch(token):
            continue
        digits = sum(c.isdigit() for c in token)
        if (digits and any(c.isalpha() for c in token)) or digits >= 6:
            yield token
    for destination in find_destinations(text):
        yield destination.text


def _has_check_digit(text: str) -> bool:
    """Luhn's sum (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0
