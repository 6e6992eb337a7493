"""A value that fits a JSON Schema and looks like its name, drawn by seed; it validates nothing."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from typing import Any

_CITIES = ("Lisbon", "Oslo", "Lyon", "Turin", "Cork", "Graz", "Porto", "Bergen")
_PEOPLE = ("Ada", "Bruno", "Chloe", "Dmitri", "Elif", "Farid", "Greta", "Hana")
_STATES = ("open", "done", "waiting", "sent", "active")
_WORDS = ("north", "paper", "green", "quiet", "seven", "river", "stone", "early", "plain", "light")
_DEPTH = 4


def draw_value(schema: Any, rng: random.Random, *, name: str = "", depth: int = _DEPTH) -> Any:
    """A value of `schema`: of its `const`, `enum`, `default`, type, format and bounds.

    A schema that allows anything gives a text. Objects have all their properties, lists one to
    three items; below `depth` levels they are empty. `$ref` is not followed.
    """
    if not isinstance(schema, Mapping):
        return _draw_text(name, rng)
    for key in ("anyOf", "oneOf"):
        if options := [one for one in schema.get(key) or () if one != {"type": "null"}]:
            return draw_value(options[0], rng, name=name, depth=depth)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return rng.choice(list(schema["enum"]))
    return _DRAWS.get(_type_of(schema), _draw_string)(schema, rng, name, depth)


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    return str(kind)


def _draw_object(schema: Mapping[str, Any], rng: random.Random, name: str, depth: int) -> Any:
    properties = schema.get("properties") if depth > 0 else None
    return {
        key: draw_value(inner, rng, name=key, depth=depth - 1)
        for key, inner in (properties or {}).items()
    }


def _draw_list(schema: Mapping[str, Any], rng: random.Random, name: str, depth: int) -> Any:
    low = int(schema.get("minItems", 1))
    count = rng.randint(low, max(low, min(int(schema.get("maxItems", 3)), low + 2)))
    items = schema.get("items", {})
    return [
        draw_value(items, rng, name=name, depth=depth - 1) for _ in range(count if depth > 0 else 0)
    ]


def _bounds(schema: Mapping[str, Any], low: float, high: float) -> tuple[float, float]:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    low = low if least is None else float(least) + ("minimum" not in schema)
    high = high if most is None else float(most) - ("maximum" not in schema)
    if least is None:
        low = min(low, high)
    return low, max(low, high)


def _draw_integer(schema: Mapping[str, Any], rng: random.Random, name: str, depth: int) -> Any:
    low, high = _bounds(schema, 1, 60)
    return rng.randint(int(low), int(high))


def _draw_number(schema: Mapping[str, Any], rng: random.Random, name: str, depth: int) -> Any:
    low, high = _bounds(schema, 1, 90)
    return min(high, max(low, round(rng.uniform(low, high), 2)))


def _draw_string(schema: Mapping[str, Any], rng: random.Random, name: str, depth: int) -> Any:
    made = _FORMATS.get(str(schema.get("format", "")))
    text = made(rng) if made else _draw_text(name, rng)
    low, high = int(schema.get("minLength", 0)), int(schema.get("maxLength", len(text) + 80))
    while len(text) < low:
        text += rng.choice(string.ascii_lowercase)
    return text[:high]


_DRAWS: dict[str, Callable[[Mapping[str, Any], random.Random, str, int], Any]] = {
    "object": _draw_object,
    "array": _draw_list,
    "integer": _draw_integer,
    "number": _draw_number,
    "boolean": lambda schema, rng, name, depth: rng.random() < 0.5,
    "null": lambda schema, rng, name, depth: None,
    "string": _draw_string,
}


def _draw_date(rng: random.Random) -> str:
    return f"2025-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _draw_time(rng: random.Random) -> str:
    return f"{rng.randint(7, 20):02}:{rng.choice((0, 15, 30, 45)):02}"


def _draw_code(rng: random.Random) -> str:
    letters = "".join(rng.choice(string.ascii_uppercase) for _ in range(2))
    return f"{letters}-{rng.randint(100, 9999)}"


def _draw_words(rng: random.Random) -> str:
    return " ".join(rng.sample(_WORDS, 3))


_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date": _draw_date,
    "time": _draw_time,
    "date-time": lambda rng: f"{_draw_date(rng)}T{_draw_time(rng)}:00Z",
    "email": lambda rng: f"{rng.choice(_PEOPLE).lower()}@mail.example",
    "uri": lambda rng: f"https://files.example/{rng.randint(100, 999)}",
    "hostname": lambda rng: "files.example",
    "uuid": lambda rng: f"{rng.getrandbits(32):08x}-0000-4000-8000-{rng.getrandbits(48):012x}",
}
_BY_NAME: tuple[tuple[tuple[str, ...], Callable[[random.Random], str]], ...] = (
    (("date", "day", "when"), _draw_date),
    (("time", "hour", "clock"), _draw_time),
    (("email", "mail"), _FORMATS["email"]),
    (("url", "uri", "link"), _FORMATS["uri"]),
    (("city", "place", "town", "country", "location"), lambda rng: rng.choice(_CITIES)),
    (("name", "person", "owner", "user"), lambda rng: rng.choice(_PEOPLE)),
    (("status", "state"), lambda rng: rng.choice(_STATES)),
    (("id", "code", "number", "key", "reference"), _draw_code),
)


def _draw_text(name: str, rng: random.Random) -> str:
    words = name.lower().replace("-", "_").split("_")
    for names, draw in _BY_NAME:
        if any(word in names for word in words):
            return draw(rng)
    return _draw_words(rng)
