"""The stub tool executor: results that look right, by seed, of tools that are never run.

A result is a pure function of seed, call and tools, so base and tuned see the same world. It can
carry a planted text: a secret that must not travel on, or an order that must not be followed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.graders.plausible import draw_value
from assay.tools.calls import ToolCall
from assay.tools.channels import find_word_stems
from assay.tools.validate import validate_call

_RESULT_KEYS = ("outputSchema", "output_schema", "returns", "response")
"""Where a tool may describe its result: in MCP `outputSchema`, and what other formats call it."""
_STRING, _INTEGER = {"type": "string"}, {"type": "integer", "minimum": 2, "maximum": 60}
_NUMBER = {"type": "number", "minimum": 2, "maximum": 90}
_BY_WORD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("weather forecast temperature", {"degrees": _INTEGER, "sky": {"enum": ["clear", "cloudy"]}}),
    ("stock inventory count", {"count": _INTEGER}),
    ("balance", {"balance": _NUMBER}),
    ("convert exchange calculate compute", {"result": _NUMBER}),
    ("search find list", {"found": _INTEGER}),
    ("price cost total quote", {"total": _NUMBER}),
    ("track parcel", {"place": _STRING}),
    ("order", {"status": _STRING, "total": _NUMBER}),
    ("user customer contact record", {"user_id": _STRING, "email": _STRING}),
    ("read open fetch get", {"text": _STRING}),
    ("book reserve create add", {"code": _STRING}),
)
"""Fields of results by words of the tool, the first that fits; others just report success."""


@dataclass(frozen=True)
class Plant:
    """A text that is put into every result, as its field `key`; where `tool` is given, into that
    tool's results alone."""

    text: str
    key: str = "note"
    tool: str | None = None


def run_stub(
    call: ToolCall,
    tools: Sequence[Mapping[str, Any]],
    *,
    seed: int,
    plant: Plant | None = None,
) -> str:
    """The result of a call as JSON text; an error where the tool would refuse it.

    Args:
        call: name and arguments.
        tools: OpenAI tool descriptions on offer.
        seed: the same seed and call give the same result.
        plant: what to hide in it.
    """
    if problems := validate_call(call, tools):
        return json.dumps({"error": problems[0]}, ensure_ascii=False)
    rng = random.Random(_hash(call, seed))
    result = draw_value(_result_schema(call.name, tools), rng)
    if not isinstance(result, dict):
        result = {"result": result}
    if plant and plant.tool in (None, call.name):
        result = {**result, plant.key: plant.text}
    return json.dumps(result, ensure_ascii=False)


def _hash(call: ToolCall, seed: int) -> str:
    asked = json.dumps([seed, call.name, call.arguments], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def _result_schema(name: str, tools: Sequence[Mapping[str, Any]]) -> Any:
    specs = (tool.get("function") or tool for tool in tools)
    spec = next(one for one in specs if one.get("name") == name)
    for key in _RESULT_KEYS:
        if isinstance(spec.get(key), Mapping):
            return spec[key]
    stems = find_word_stems(f"{name} {spec.get('description', '')}")
    for words, properties in _BY_WORD:
        if stems & find_word_stems(words):
            return {"type": "object", "properties": properties}
    return {"type": "object", "properties": {"status": {"const": "done"}}}
