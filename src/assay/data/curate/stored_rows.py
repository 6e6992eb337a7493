"""Rows as lines of JSON that read back equal, for the work folder and for other processes.

A record's line is what is trained on, as its content hash has it, a tab (which JSON text never
holds), and the rest. A row that cannot be read is a list of its problems.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from assay.data.curate.reading import ReadRow
from assay.data.records import ID_LENGTH, Record, build_content
from assay.errors import Problem

_DIGEST_BYTES = ID_LENGTH // 2


def encode_record(record: Record) -> tuple[bytes, bytes]:
    """A record's line, and the first bytes of its content hash, of which its id is made."""
    content = build_content(record).encode()
    # Tools once more, in their own order, which a chat template may print.
    rest = [
        record.tools,
        record.group,
        record.file,
        record.line,
        record.index,
        record.source,
        record.weight,
        record.role,
        record.extra,
    ]
    line = b"%b\t%b\n" % (content, json.dumps(rest, ensure_ascii=False).encode())
    return line, hashlib.sha256(content).digest()[:_DIGEST_BYTES]


def decode_record(line: bytes) -> Record:
    """What `encode_record` wrote; the record has no id."""
    content, _, rest = line.partition(b"\t")
    trained = json.loads(content)
    tools, group, file, number, index, source, weight, role, extra = json.loads(rest)
    return Record(
        id="",
        messages=trained["messages"],
        tools=tools,
        kind=trained["kind"],
        group=group,
        file=file,
        line=number,
        source=source,
        weight=weight,
        extra=extra,
        role=role,
        index=index,
        rejected=trained.get("rejected"),
        is_wanted=trained.get("is_wanted"),
        step_labels=trained.get("step_labels"),
    )


def encode_read(row: ReadRow) -> bytes:
    """A row, readable or not, as one line."""
    if row.record is not None:
        return encode_record(row.record)[0]
    return json.dumps([asdict(one) for one in row.problems]).encode("ascii") + b"\n"


def decode_read(line: bytes, part: str) -> ReadRow:
    """What `encode_read` wrote."""
    if line.startswith(b"["):
        return ReadRow(part, None, tuple(Problem(**one) for one in json.loads(line)))
    return ReadRow(part, decode_record(line))
