"""JSON Schema's `pattern` with a limit of time: some patterns take for ever on some texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TIMEOUT_S = 0.25
"""Of one search; those of usual patterns take microseconds."""


def limit_patterns(kind: Any) -> Any:
    """The validator class `kind` of jsonschema, whose patterns raise TimeoutError beyond that."""
    from jsonschema.validators import extend

    return extend(kind, {"pattern": _check})


def _check(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    import regex
    from jsonschema.exceptions import ValidationError

    if not validator.is_type(instance, "string"):
        return
    if not regex.search(pattern, instance, timeout=TIMEOUT_S):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")
