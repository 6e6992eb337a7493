"""The routing log: a JSON line for each decision, with all that another policy needs to decide.

It has facts and readings, and prompts only where the policy asks for them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import DataError, Problem
from assay.serve.router.decide import Decision, Facts, Reading

FORMAT = "assay-routing/1"


@dataclass(frozen=True)
class Recorded:
    """A line that was read back."""

    facts: Facts
    readings: Mapping[str, Reading]
    line: int


class RoutingLog:
    """Appends to a file that its owner alone may read; lines of several threads stay whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        path.touch(mode=0o600)

    def write(
        self,
        facts: Facts,
        decision: Decision,
        *,
        request_id: str,
        seconds: float,
        prompt: Sequence[Mapping[str, Any]] | str | None = None,
    ) -> None:
        """One decision; `prompt` only where it is to be kept."""
        line: dict[str, Any] = {
            "format": FORMAT,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": request_id,
            "facts": asdict(facts),
            "readings": {name: asdict(one) for name, one in decision.readings.items()},
            "decision": decision.to_dict(),
            "seconds": round(seconds, 5),
        }
        if prompt is not None:
            line["prompt"] = prompt
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_log(path: Path) -> Iterator[Recorded]:
    """The lines of a routing log; a torn last one is left out.

    Raises:
        DataError: the file cannot be read, or has a line of another kind.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        got = f"a routing log that cannot be read ({error})"
        raise DataError(Problem(got, "a log that assay serve wrote", file=str(path))) from error
    # What follows the last end of a line was cut off while it was written.
    for number, text in enumerate(lines[:-1], start=1):
        try:
            yield _parse(text, number)
        except (ValueError, KeyError, TypeError) as error:
            problem = Problem(
                "a line that is no routing decision",
                f"lines of the format {FORMAT}",
                "name a log that assay serve wrote",
                file=str(path),
                line=number,
            )
            raise DataError(problem) from error


def _parse(text: str, number: int) -> Recorded:
    told = json.loads(text)
    if told["format"] != FORMAT:
        raise ValueError(told["format"])
    readings = {name: Reading(**one) for name, one in told["readings"].items()}
    return Recorded(Facts(**told["facts"]), readings, number)
