"""Where a person or a machine is, and when a person was born."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import date

from assay.data.curate.detectors.spans import Found
from assay.data.curate.finding import Rule, shorten

IP_ADDRESS = Rule(
    "ip_address", "privacy", "warning", "mask", "A public address of a machine, IPv4 or IPv6."
)
PRIVATE_IP_ADDRESS = Rule(
    "private_ip_address",
    "privacy",
    "info",
    "keep",
    "An address within a network of one's own, such as 10.0.0.7: it tells of the network alone.",
)
MAC_ADDRESS = Rule("mac_address", "privacy", "warning", "mask", "The address of a network card.")
STREET_ADDRESS = Rule(
    "street_address", "privacy", "warning", "mask", "A street with a house number."
)
BIRTH_DATE = Rule(
    "birth_date",
    "privacy",
    "warning",
    "mask",
    "A date of the last 120 years beside a word of birth.",
)

IP_START = r"\d\.\d{1,3}\.\d{1,3}\.\d|\b[23f][0-9a-fA-F]{3}:[0-9a-fA-F]{0,4}:"
_IPV4 = re.compile(r"(?<![\w.=^~-])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d|-\w)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){1,7}[0-9a-fA-F:]{0,20}[0-9a-fA-F](?![\w:])")
_VERSION = re.compile(
    r"(?:(?:version|release|build|section|clause|chapter|\bv)[ :=]{0,3}|\w/)$", re.IGNORECASE
)
_IP_WORD = re.compile(r"\bip\b|address|host|server|ping|route|dns|subnet|gateway", re.IGNORECASE)
# Name servers that everybody may use.
_SHARED = frozenset(
    ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220")
)

MAC_START = r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}"
_MAC = re.compile(
    r"(?<![\w:.-])(?:[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}"
    r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?![\w:-]|\.\w)"
)
_MAC_EXAMPLES = ("001122334455", "0123456789ab", "aabbccddeeff", "123456789abc", "deadbeef")

_NAME = r"[A-ZÄÖÜÉÈÀÇÑŁŚ][\w'’.-]*"
STREET_START = (
    r"\b\d{1,5}[a-zA-Z]?,? (?:[NSEW]\.? |[A-Z][\w'’.-]* ){1,4}(?:Street|St|Avenue|Ave|Road|Rd"
    r"|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Terrace|Parkway|Pkwy|Highway|Hwy|Crescent|Close|Way|Place"
    r"|Square)\b"
    r"|(?:straße|strasse|str\.|weg|platz|allee|gasse|ufer|damm|straat|laan|plein|gracht) \d"
    r"|\d(?: bis| ter)?,? (?:rue|boulevard|chemin|allée|impasse|quai|cours) "
    r"|\b(?:Calle|Avenida|Avda\.|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa|[Uu]l\.) [A-Z]"
)
_KIND = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr(?! [A-Z])|Boulevard|Blvd|Court|Ct|Terrace"
    r"|Parkway|Pkwy|Highway|Hwy|Crescent|Close|Way|Place|Square)\b"
)
_PRE = r"(?:de la |de los |de l['’]|del |dei |della |des |du |da |do |de |d['’])?"
_STREETS = (
    re.compile(
        rf"(?<![\w$€£.,/-])\d{{1,5}}[a-zA-Z]?,? (?:[NSEW]\.? )?(?:{_NAME} ){{1,3}}{_KIND}"
        r"(?:\.?,? (?:Apt|Apartment|Suite|Unit|Flat|#)\.? ?[\w-]{1,6})?"
        rf"(?:\.?, {_NAME}(?: {_NAME}){{0,2}})?"
        r"(?:,? [A-Z]{2} \d{5}(?:-\d{4})?|,? [A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})?"
    ),
    re.compile(
        rf"(?<!\w)(?:{_NAME}[ -]){{0,2}}[A-ZÄÖÜ][\w-]*"
        r"(?:straße|strasse|str\.|weg|platz|allee|gasse|ufer|damm|straat|laan|plein|gracht)"
        rf" \d{{1,4}} ?[a-z]?\b(?:, (?:D-)?\d{{4,5}}(?: [A-Z]{{2}})? {_NAME})?"
    ),
    re.compile(
        r"(?<![\w,.])\d{1,4}(?: bis| ter)?,? "
        r"(?:rue|boulevard|avenue|chemin|allée|impasse|quai|cours) "
        rf"{_PRE}{_NAME}(?: {_NAME}){{0,2}}(?:, \d{{5}} {_NAME})?"
    ),
    re.compile(
        r"(?<!\w)(?:Calle|Avenida|Avda\.|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa|[Uu]l\.) "
        rf"{_PRE}{_NAME}(?: {_NAME}){{0,2}},? (?:n[º°.]? ?)?\d{{1,4}}[a-zA-Z]?\b"
    ),
)
_KNOWN_STREETS = re.compile(
    r"(?:123|1234|456|789|1|100|12) (?:Main|Elm|Oak|Maple|Pine|Any|Example|Fake|Sample)|10 Downing"
    r"|1600 Pennsylvania|221B Baker|350 Fifth|1 Infinite|Musterstr",
    re.IGNORECASE,
)

BIRTH_START = (
    r"(?i)\b(?:born|birth|birthdate|birthday|dob|d\.o\.b|geboren|geburts\w+|geb\.|n[ée]e? le"
    r"|naissance|nacimiento|nacid[oa]|nascita|nat[oa] il|geboorte\w*|nascimento|urodz\w+|född|født)"
)
_BIRTH_WORD = re.compile(BIRTH_START)
_MONTHS = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez|janv|févr|avr|juin|juil|août"
    r"|déc|ene|abr|ago|dic|gen|mag|giu|lug|set|ott|fev|out)[a-zéûçãä]{0,7}\.?"
)
_DATE = re.compile(
    r"(?<![\w.])(?:(?P<y1>\d{4})[-/.](?P<m1>\d{1,2})[-/.](?P<d1>\d{1,2})"
    r"|(?P<d2>\d{1,2})[-/.] ?(?P<m2>\d{1,2})[-/.] ?(?P<y2>\d{4}|\d{2})"
    rf"|(?:{_MONTHS}) \d{{1,2}}(?:st|nd|rd|th)?,? (?P<y3>\d{{4}})"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?(?:{_MONTHS}),? (?:de )?(?P<y4>\d{{4}}))"
    r"(?![\w]|[.,]\d)",
    re.IGNORECASE,
)
_FIRST_YEAR, _LAST_YEAR = 1905, 2026


def find_ips(text: str) -> Iterator[Found]:
    """Public addresses and those of private networks; not loopback, examples or shared servers."""
    for pattern in (_IPV4, _IPV6):
        for found in pattern.finditer(text):
            rule = _judge_ip(found[0], text[max(0, found.start() - 40) : found.start()])
            if rule is not None:
                kind = "IPv6" if ":" in found[0] else "IPv4"
                yield rule.name, found.span(), f"an address of {kind}", found[0]


def _judge_ip(address: str, before: str) -> Rule | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if parsed.version == 4:
        single = all(len(part) == 1 for part in address.split("."))
        if _VERSION.search(before) or (single and not _IP_WORD.search(before)):
            return None
    if parsed.is_global and not parsed.is_multicast:
        return None if address in _SHARED else IP_ADDRESS
    own = [
        *map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
    ]
    inside = any(parsed in one for one in own if one.version == parsed.version)
    return PRIVATE_IP_ADDRESS if inside else None


def find_macs(text: str) -> Iterator[Found]:
    """Addresses of single cards; not those of groups or of documents."""
    for found in _MAC.finditer(text):
        digits = re.sub(r"\W", "", found[0]).lower()
        if len(set(digits)) < 4 or digits.isdigit() or digits.startswith(_MAC_EXAMPLES):
            continue
        if int(digits[:2], 16) & 1:
            continue
        yield MAC_ADDRESS.name, found.span(), "a hardware address", found[0]


def find_streets(text: str) -> Iterator[Found]:
    """Streets with a number, in seven languages; not those that examples and guides name."""
    for pattern in _STREETS:
        for found in pattern.finditer(text):
            if not _KNOWN_STREETS.match(found[0]):
                yield STREET_ADDRESS.name, found.span(), "a street with a number", shorten(found[0])


def find_birth_dates(text: str) -> Iterator[Found]:
    """Dates up to 40 characters after a word of birth."""
    for word in _BIRTH_WORD.finditer(text):
        found = _DATE.search(text, word.end(), word.end() + 60)
        if found and found.start() - word.end() <= 40 and _is_date(found):
            yield BIRTH_DATE.name, found.span(), f"after {word[0].lower()!r}", found[0]


def _is_date(found: re.Match[str]) -> bool:
    year = int(found["y1"] or found["y2"] or found["y3"] or found["y4"])
    if found["y2"] and len(found["y2"]) == 2:
        year += 1900 if year > 26 else 2000
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return False
    if not (found["y1"] or found["y2"]):
        return True
    month, day = int(found["m1"] or found["m2"]), int(found["d1"] or found["d2"])
    return any(_exists(year, *pair) for pair in ((month, day), (day, month)))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
