"""How the rows of one source become records, in a form that can be sent to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from assay.data.convert import convert_row
from assay.data.records import Record, Role, Row, RowCheck
from assay.errors import Problem


@dataclass(frozen=True)
class ReadRow:
    """One row of a part: its record, or what makes it unusable."""

    part: str
    record: Record | None
    problems: tuple[Problem, ...] = ()

    @property
    def file(self) -> str:
        """As printed."""
        return self.record.file if self.record else self.problems[0].file

    @property
    def line(self) -> int:
        """From 1; 1 where only the file is known."""
        return (self.record.line if self.record else self.problems[0].line) or 1

    @property
    def index(self) -> int | None:
        """The index in a JSON list, which the key of a problem begins with."""
        if self.record:
            return self.record.index
        head, bracket, _ = self.problems[0].key.partition("]")
        return int(head[1:]) if bracket and head[:1] == "[" and head[1:].isdigit() else None


@dataclass(frozen=True)
class Reading:
    """The shape of a source's rows, and what its user says of them; as in `convert_row`."""

    shape: str
    columns: Mapping[str, str] = field(default_factory=dict)
    system: str | None = None
    group_by: str | None = None
    source: str = ""
    weight: float = 1.0
    role: Role = "task"
    provenance: Mapping[Any, str] | None = None

    def convert(self, row: Row | Problem, part: str) -> ReadRow:
        """A row as a record, or as what makes it unusable."""
        if isinstance(row, Problem):
            return ReadRow(part, None, (row,))
        check = RowCheck(row)
        record = convert_row(
            check,
            self.shape,
            columns=self.columns,
            system=self.system,
            group_by=self.group_by,
            source=self.source,
            weight=self.weight,
            role=self.role,
            provenance=self.provenance,
        )
        return ReadRow(part, record, tuple(check.problems))

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        return asdict(self)
