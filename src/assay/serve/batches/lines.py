"""The lines of a batch's file: read one by one, and all that is wrong with any of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.serve.texts import is_storable

MOST_LINES, MOST_BYTES = 50_000, 200 * 1024**2
MOST_LINE_BYTES = 16 * 1024**2
MOST_ERRORS = 1_000
MOST_ID_CHARS = 512
_KEYS = ("custom_id", "method", "url", "body")
_MISSING = "missing_required_parameter"


@dataclass(frozen=True)
class Line:
    """One request; `number` counts from 1."""

    number: int
    custom_id: str
    body: dict[str, Any]


@dataclass
class CheckedFile:
    """Requests of a file, the first one's model, and what is wrong; of many errors the first."""

    num_lines: int = 0
    model: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    num_errors: int = 0

    def refuse(self, line: int | None, code: str, message: str, param: str | None = None) -> None:
        """Add what is wrong with a line, or with the file."""
        self.num_errors += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append({"line": line, "code": code, "message": message, "param": param})


def check_file(path: Path, endpoint: str) -> CheckedFile:
    """Every line of a batch's file, and all that is wrong with them."""
    checked, seen = CheckedFile(), dict[str, int]()
    size = path.stat().st_size
    if size > MOST_BYTES:
        told = f"The file has {size:,} bytes; at most {MOST_BYTES:,} are allowed."
        checked.refuse(None, "file_too_large", told)
        return checked
    for number, text in _iterate_lines(path):
        checked.num_lines += 1
        _check_line(number, text, endpoint, checked, seen)
    if not checked.num_lines:
        checked.refuse(None, "empty_file", "The file has no requests.")
    if checked.num_lines > MOST_LINES:
        told = f"The file has {checked.num_lines:,} requests; at most {MOST_LINES:,} are allowed."
        checked.refuse(None, "too_many_requests", told)
    return checked


def iterate_requests(path: Path) -> Iterator[Line]:
    """The requests of a file that `check_file` found nothing wrong with."""
    for number, text in _iterate_lines(path):
        fields = json.loads(text)
        yield Line(number, fields["custom_id"], fields["body"])


def _iterate_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with open(path, "rb") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                yield number, text


def _check_line(
    number: int, text: bytes, endpoint: str, checked: CheckedFile, seen: dict[str, int]
) -> None:
    def refuse(code: str, message: str, param: str | None = None) -> None:
        checked.refuse(number, code, message, param)

    fields = _read_object(text)
    if fields is None:
        refuse("invalid_json_line", "This line is no JSON object.")
        return
    for key in fields:
        if key not in _KEYS:
            refuse("unknown_parameter", f"{key!r} is not known; a line has {_list_keys()}.", key)
    _check_id(fields.get("custom_id"), number, refuse, seen)
    if fields.get("method") != "POST":
        refuse("invalid_method", "The method is POST.", "method")
    if fields.get("url") != endpoint:
        refuse("mismatched_url", f"The batch is of {endpoint}; so are all its lines.", "url")
    _check_body(fields.get("body"), refuse, checked)


def _check_id(given: Any, number: int, refuse: Any, seen: dict[str, int]) -> None:
    if not isinstance(given, str) or not 0 < len(given) <= MOST_ID_CHARS:
        told = f"A text of 1 to {MOST_ID_CHARS} characters is expected."
        refuse(_MISSING if given is None else "invalid_value", told, "custom_id")
    elif not is_storable(given):
        told = "The custom_id holds a NUL, or half of a surrogate pair."
        refuse("invalid_value", told, "custom_id")
    elif given in seen:
        told = f"Line {seen[given]} has the custom_id {given!r} already."
        refuse("duplicate_custom_id", told, "custom_id")
    else:
        seen[given] = number


def _check_body(body: Any, refuse: Any, checked: CheckedFile) -> None:
    if not isinstance(body, dict):
        code = _MISSING if body is None else "invalid_value"
        refuse(code, "The body of the request is expected, as an object.", "body")
        return
    if body.get("stream"):
        refuse("invalid_value", "A batch streams nothing; leave stream out.", "body.stream")
    model = body.get("model")
    if checked.model is None and isinstance(model, str) and is_storable(model):
        checked.model = model


def _read_object(text: bytes) -> dict[str, Any] | None:
    if len(text) > MOST_LINE_BYTES:
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _list_keys() -> str:
    return ", ".join(_KEYS)
