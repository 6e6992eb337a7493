"""The server's log: one JSON object a line on stderr; neither bodies nor keys are ever in it."""

from __future__ import annotations

import json
import logging
import sys
import time
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
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send what the server logs to stderr, and nothing of it elsewhere."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines())
    for name in ("assay.serve", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [lines], False
        logger.setLevel(level)
