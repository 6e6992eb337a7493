"""Which arguments of a tool lead out: to a network, a file, code, a message, a payment.

Told by the words of the tool's schema (name, description, format) and by the shape of a value; it
knows no list of tools, so an odd name with no description is told by its values alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

from assay.tools.destinations import find_destinations
from assay.tools.taint import iterate_texts

Channel = Literal["network", "file", "code", "message", "payment"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STEM_CHARS = 5
_OUTWARD = {
    "network": """http https url uri post fetch curl wget webhook upload ftp socket dns endpoint
        host remote sync telemetry export forward send beacon callback""",
    "code": "javascript script eval execute exec shell command",
    "message": "email mail sms bcc cc recipient",
}
"""Words of tools that send or run: few enough to be a sign by themselves."""
_FURTHER = {
    "network": "domain ip publish share broadcast link webpage website internet",
    "code": "run python bash sql query statement terminal snippet expression",
    "message": "message notify notification chat tweet slack reply subject inbox",
    "file": "file path folder directory save write filename disk attachment document",
    "payment": "pay payment transfer iban invoice charge wire wallet refund donate purchase bank",
}
"""Words that tools and arguments of a channel have, and others may have, too."""
_FORMATS: dict[str, Channel] = {
    "uri": "network",
    "uri-reference": "network",
    "iri": "network",
    "hostname": "network",
    "idn-hostname": "network",
    "ipv4": "network",
    "ipv6": "network",
    "email": "message",
    "idn-email": "message",
}
_SHAPES: dict[str, Channel] = {
    "host": "network",
    "address": "message",
    "path": "file",
    "account": "payment",
}
_CODE = re.compile(
    r"\b(?:import \w+|def \w+\(|function\s*\w*\(|curl |wget |subprocess|os\.environ|eval\(|exec\()"
    r"|<script\b|\$\(|&&|\brm -|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bDROP TABLE\b|=>\s*\{",
    re.I | re.S,
)


def find_word_stems(text: str) -> set[str]:
    """The first letters of each word, in lower case; ``sendEmail`` and ``send_email`` are two."""
    return {word[:_STEM_CHARS] for word in _WORD.findall(_CAMEL.sub(" ", text).lower())}


def _stem(words: str) -> frozenset[str]:
    return frozenset(word[:_STEM_CHARS] for word in words.split())


_OUTWARD_STEMS = _stem(" ".join(_OUTWARD.values()))
_STEMS: dict[Channel, frozenset[str]] = {
    channel: _stem(f"{_OUTWARD.get(channel, '')} {_FURTHER[channel]}") for channel in CHANNELS
}


def is_outward(stems: set[str] | frozenset[str]) -> bool:
    """Whether words of a tool and its arguments (see `find_word_stems`) say that it sends or runs.

    Narrower than `find_channels`: a tool that reads files, say, is not.
    """
    return bool(stems & _OUTWARD_STEMS)


def find_channels(tool: Mapping[str, Any]) -> dict[str, frozenset[Channel]]:
    """The channels of each argument of a tool; of "" those of the tool, which all of them share.

    Args:
        tool: an OpenAI tool description, or its ``function`` part.
    """
    function = tool.get("function")
    spec = function if isinstance(function, Mapping) else tool
    return dict(_find_channels(json.dumps(spec, sort_keys=True, default=str)))


@lru_cache(maxsize=1024)
def _find_channels(spec_json: str) -> dict[str, frozenset[Channel]]:
    spec = json.loads(spec_json)
    own = _channels_of(f"{spec.get('name', '')} {spec.get('description', '')}")
    parameters = spec.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    found = {"": own}
    for name, schema in (properties or {}).items():
        schema = schema if isinstance(schema, Mapping) else {}
        by_words = _channels_of(f"{name} {schema.get('description', '')}")
        by_format = _FORMATS.get(str(schema.get("format", "")))
        found[name] = own | by_words | ({by_format} if by_format else set())
    return found


def _channels_of(text: str) -> frozenset[Channel]:
    stems = find_word_stems(text)
    return frozenset(channel for channel in CHANNELS if stems & _STEMS[channel])


def find_value_channels(value: Any) -> frozenset[Channel]:
    """The channels that a value's shape tells: of a host, an address, a path, code, an account."""
    found: set[Channel] = set()
    for _, text in iterate_texts(value):
        found |= {_SHAPES[one.kind] for one in find_destinations(text)}
        if _CODE.search(text):
            found.add("code")
    return frozenset(found)


def find_call_channels(
    name: str, arguments: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]
) -> dict[str, frozenset[Channel]]:
    """The channels of each argument of a call, by schema and by value.

    A tool that is not on offer is known by its name alone.
    """
    offered = (tool.get("function") or tool for tool in tools)
    spec = next((one for one in offered if one.get("name") == name), {"name": name})
    by_schema = find_channels(spec)
    return {
        key: by_schema.get(key, by_schema[""] | _channels_of(key)) | find_value_channels(value)
        for key, value in arguments.items()
    }
