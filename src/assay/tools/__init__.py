"""Tool calls: parse them from text, check them against JSON Schema, match them with expected ones.

Used by data rules, suites and the server alike; it runs no tool and knows no model.
"""

from assay.tools.calls import ParsedAnswer, ToolCall, read_tool_calls
from assay.tools.match import CallMatch, match_calls
from assay.tools.parse import parse_tool_calls
from assay.tools.validate import (
    Validated,
    find_unknown_arguments,
    validate_arguments,
    validate_call,
)

__all__ = [
    "CallMatch",
    "ParsedAnswer",
    "ToolCall",
    "Validated",
    "find_unknown_arguments",
    "match_calls",
    "parse_tool_calls",
    "read_tool_calls",
    "validate_arguments",
    "validate_call",
]
