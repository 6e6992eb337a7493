"""The server's log: one JSON object a line on stderr; neither bodies nor keys are ever in it.

So of a failure it has kinds and places, and never the text.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import Any

_FIELDS = (
    "request_id",
    "method",
    "route",
    "status",
    "duration_s",
    "key_id",
    "job_id",
    "model",
    "reason",
    "choice",
    "decision",
)


class JsonLines(logging.Formatter):
    """Formats a record as JSON, with the fields that its caller gave."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = describe_failure(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def describe_failure(error: BaseException | None) -> list[str]:
    """Kinds and places of a failure and of what caused it; its text is left out, since that may
    quote what was asked."""
    told: list[str] = []
    while error is not None:
        told.append(f"{type(error).__module__}.{type(error).__qualname__}")
        places = traceback.extract_tb(error.__traceback__)
        told += [f"  {one.filename}:{one.lineno} in {one.name}" for one in places]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send what the server logs to stderr, and nothing of it elsewhere."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines())
    for name in ("assay.serve", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [lines], False
        logger.setLevel(level)
