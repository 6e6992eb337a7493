"""Where a tool call could send something: hosts, e-mail addresses, paths, accounts in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_HOST = re.compile(
    r"(?:https?|wss?|ftp|s3|gs)://(?:[^\s/@\"'<>]*@)?(?P<host>[a-z0-9._-]+)"
    r"|(?P<mail>[\w.+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+)"
    r"|(?<![\w.@/-])(?P<bare>(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|dev|app|xyz|"
    r"info|biz|ru|cn|top|site|online|cloud|co|me|ai|example|invalid|test|local|onion))(?![\w.(-])"
    r"|(?<![\w.])(?P<ip>\d{1,3}(?:\.\d{1,3}){3})(?![\w.])"
    r"|(?<![\w/.:])(?P<path>(?:~|/|[a-z]:[\\/])[\w.-]*(?:[\\/][\w.@+-]+)+)"
    r"|\b(?P<account>[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){3,7}(?: ?[a-z0-9]{1,3})?"
    r"|0x[0-9a-f]{40}|bc1[a-z0-9]{25,59})\b",
    re.I,
)
# Cheap signs that a text has any of these; most arguments have none.
_SIGN = re.compile(r"[@/\\]|\.[a-z]{2}|\d\.\d|0x|bc1|[A-Za-z]{2}\d{2}", re.I)


class Destination(NamedTuple):
    """`kind` is host, address, path or account; `text` is in lower case, a host without port."""

    kind: str
    text: str


_KINDS = {"host": "host", "bare": "host", "ip": "host", "mail": "address"}


def find_destinations(text: str) -> Iterator[Destination]:
    """The destinations in `text`, in order, each as often as it stands there."""
    if not _SIGN.search(text):
        return
    for found in _HOST.finditer(text):
        group = str(found.lastgroup)
        kind = _KINDS.get(group, group)
        yield Destination(kind, found[group].lower().strip("."))
