"""Requests by the standard library alone, where the client would not send or show what is asked."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case name, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON value; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def connect(place: SplitResult, timeout_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
    """A connection to the host of a URL."""
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    return kind(place.hostname or "", place.port, timeout=timeout_s)


def send(
    method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request and its whole answer."""
    place = urlsplit(url)
    connection = connect(place)
    try:
        target = f"{place.path}?{place.query}" if place.query else place.path
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())
    finally:
        connection.close()
