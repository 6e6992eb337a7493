"""Secrets: keys, private keys, signed tokens, passwords in URLs, random strings that are named."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector
from assay.data.curate.detectors.secret_examples import (
    is_example,
    is_password_example,
    is_random,
)
from assay.data.curate.detectors.secret_kinds import KEYED, KINDS
from assay.data.curate.detectors.spans import Finder, Found, scan_texts
from assay.data.curate.finding import Hit, Rule, show_ends
from assay.data.curate.settings import Settings

API_KEY = Rule(
    "api_key",
    "secrets",
    "error",
    "mask",
    "A key of a known vendor: a model that has seen it can be made to tell it.",
)
PRIVATE_KEY = Rule(
    "private_key",
    "secrets",
    "error",
    "mask",
    "A private key with its body: PEM, OpenSSH, PGP, PuTTY or age.",
)
JSON_WEB_TOKEN = Rule(
    "json_web_token",
    "secrets",
    "error",
    "mask",
    "A signed token whose header and claims decode as JSON.",
)
CONNECTION_STRING = Rule(
    "connection_string",
    "secrets",
    "error",
    "mask",
    "A password within a URL or a database's connection string.",
)
HIGH_ENTROPY_STRING = Rule(
    "high_entropy_string",
    "secrets",
    "warning",
    "mask",
    "A random string that a word such as token or password names.",
)

_KINDS = [(kind.name, re.compile(rf"(?<![\w-])(?:{kind.pattern})(?![\w-])")) for kind in KINDS]
_KEYED = [
    (kind.name, re.compile(rf"{kind.start}\w{{0,9}}[\"'\\ :=>]{{1,8}}({kind.pattern})(?![\w/+-])"))
    for kind in KEYED
]
_STARTS = "|".join(f"(?:{kind.start})" for kind in KINDS)
_KEYED_START = r"(?i)\baws|datadog|\bdd.?(?:api|app)|heroku|\bokta|\bssws|cloudflare|mailgun|twilio"

_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s*[A-Z][\w-]*: [^\n]{0,100}(?=\n))*\s*((?:[A-Za-z0-9+/=]+\s*){1,2000})"
    r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)?"
)
_AGE = re.compile(r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}")
_PUTTY = re.compile(
    r"PuTTY-User-Key-File-\d:[\s\S]{0,4000}?Private-Lines: \d+\s+([A-Za-z0-9+/=\s]+)"
)
_KEY_STARTS = "PRIVATE KEY|AGE-SECRET-KEY-1|PuTTY-User-Key-File"
_MIN_BODY_CHARS = 40

_JWT_START = r"eyJ[\w-]{8,}\.eyJ[\w-]{8}"
_JWT = re.compile(r"(?<![\w-])(eyJ[\w-]{8,})\.(eyJ[\w-]{8,})\.[\w-]{20,}")
# The claims of jwt.io's example and of the many texts that repeat it.
_JWT_EXAMPLE = ("1234567890", "John Doe")

_URL_START = r"://[^\s:/@]{0,60}:[^\s/@]{3,}@"
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,20})://([^\s:/@\"'<>]{0,60}):([^\s/@\"']{3,120})@([\w.-]+|\[[0-9a-f:]+\])"
)
_FIELDS_START = r"(?i)(?:password|pwd)="
_FIELDS = re.compile(
    r"(?:server|data source|host|user id|uid|username|jdbc:)[^\n]{0,200}?"
    r"(?:password|pwd)=([^\s;&\"'<>]{4,80})",
    re.IGNORECASE,
)

_NAMES = (
    r"(?:api[_ -]?key|secret|token|passw(?:or)?d|passwd|passphrase|pwd|credential|access[_ -]?key"
    r"|private[_ -]?key|auth[_ -]?key|client[_ -]?id|bearer|authorization)"
)
_JOIN = (
    r"[\w.-]{0,20}(?:\\{0,3}[\"'`]){0,2}[\])]?\s{0,3}(?:[:=]|=>|:=| is|bearer|basic)?\s{0,3}"
    r"(?:bearer |basic )?(?:\\{0,3}[\"'`]){0,2}"
)
_NAMED_START = rf"(?i){_NAMES}{_JOIN}[A-Za-z0-9+/_.~-]{{16}}"
_NAMED = re.compile(
    rf"{_NAMES}{_JOIN}([A-Za-z0-9+/_.=~-]{{16,200}})(?![A-Za-z0-9+/_=(-])", re.IGNORECASE
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HASH_NAME = re.compile(r"sha\d|md5|hash|digest|checksum|commit|etag|revision", re.IGNORECASE)


def scan_secrets(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """All secrets of a batch, the surest rules first."""
    return scan_texts(batch, settings, _FINDERS)


def _find_vendor_keys(text: str) -> Iterator[Found]:
    for name, pattern in _KINDS:
        for found in pattern.finditer(text):
            if not is_example(found[0]) and (name != "Discord bot token" or _is_discord(found[0])):
                yield API_KEY.name, found.span(), f"{_with_article(name)}", show_ends(found[0])


def _find_keyed(text: str) -> Iterator[Found]:
    for name, pattern in _KEYED:
        for found in pattern.finditer(text):
            if not is_example(found[1]):
                yield (
                    API_KEY.name,
                    found.span(1),
                    f"{_with_article(name)}, by the name before it",
                    show_ends(found[1]),
                )


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def _is_discord(token: str) -> bool:
    """The first part of a bot's token is the Base64 of its numeric id."""
    return (_decode(token.partition(".")[0]) or b"-").isdigit()


def _find_private_keys(text: str) -> Iterator[Found]:
    for pattern in (_PEM, _PUTTY):
        for found in pattern.finditer(text):
            body = "".join(found[1].split())
            if len(body) >= _MIN_BODY_CHARS and not is_example(body[:80]):
                shown = f"{found[0][:36].splitlines()[0]}…"
                evidence = f"a private key with {len(body)} characters of body"
                yield PRIVATE_KEY.name, found.span(), evidence, shown
    for found in _AGE.finditer(text):
        yield PRIVATE_KEY.name, found.span(), "an age key", show_ends(found[0])


def _find_tokens(text: str) -> Iterator[Found]:
    for found in _JWT.finditer(text):
        header, claims = _decode_json(found[1]), _decode_json(found[2])
        if not isinstance(header, dict) or "alg" not in header or not isinstance(claims, dict):
            continue
        if any(str(one) in _JWT_EXAMPLE for one in (claims.get("sub"), claims.get("name"))):
            continue
        counted = f"{len(claims)} claim{'s' if len(claims) != 1 else ''}"
        evidence = f"a JSON Web Token ({header['alg']}) with {counted}"
        yield JSON_WEB_TOKEN.name, found.span(), evidence, show_ends(found[0])


def _find_passwords(text: str) -> Iterator[Found]:
    for found in _URL.finditer(text):
        if not is_password_example(found[3]):
            evidence = f"a password of {len(found[3])} characters in a {found[1]} URL"
            yield CONNECTION_STRING.name, found.span(3), evidence, show_ends(found[3])


def _find_fields(text: str) -> Iterator[Found]:
    for found in _FIELDS.finditer(text):
        if not is_password_example(found[1]):
            evidence = f"a password of {len(found[1])} characters in a connection string"
            yield CONNECTION_STRING.name, found.span(1), evidence, show_ends(found[1])


def _find_named(text: str) -> Iterator[Found]:
    for found in _NAMED.finditer(text):
        value = found[1].rstrip(".")
        if _UUID.fullmatch(value) or _HASH_NAME.search(
            text[max(0, found.start() - 20) : found.start(1)]
        ):
            continue
        if is_random(value) and not is_example(value):
            start = found.start(1)
            evidence = f"{len(value)} random characters after {found[0].split(value)[0][:20]!r}"
            yield HIGH_ENTROPY_STRING.name, (start, start + len(value)), evidence, show_ends(value)


def _decode(part: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return None


def _decode_json(part: str) -> object:
    try:
        return json.loads(_decode(part) or b"")
    except ValueError:
        return None


_FINDERS: tuple[Finder, ...] = (
    (_KEY_STARTS, _find_private_keys),
    (_STARTS, _find_vendor_keys),
    (_KEYED_START, _find_keyed),
    (_JWT_START, _find_tokens),
    (_URL_START, _find_passwords),
    (_FIELDS_START, _find_fields),
    (_NAMED_START, _find_named),
)
RULES = (PRIVATE_KEY, API_KEY, JSON_WEB_TOKEN, CONNECTION_STRING, HIGH_ENTROPY_STRING)
DETECTORS = (Detector("secrets", RULES, scan=scan_secrets),)
