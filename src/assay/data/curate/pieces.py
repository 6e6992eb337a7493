"""What is checked at a time: some rows of one part, not yet read or already so, as plain bytes.

A piece can be sent to another process, and its hash tells whether a kept result is of it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any

from assay.data.curate.reading import Reading, ReadRow
from assay.data.curate.stored_rows import decode_read, encode_read
from assay.data.lines import LineBlock, read_jsonl

PIECE_ROWS = 1_000


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of one part.

    Attributes:
        file: of the lines in `payload`, as printed; empty where it holds records.
        index: of the piece, from 0.
        number: of its first row, from 0 over all files.
        reading: how lines become records; None where `payload` holds records.
        first_line, offset: of `payload` in its file, where it holds lines.
    """

    part: str
    file: str
    num_rows: int
    payload: bytes
    reading: Reading | None = None
    first_line: int = 1
    offset: int = 0
    index: int = 0
    number: int = 0

    def read(self) -> Iterator[ReadRow]:
        """The rows, in order."""
        if self.reading is None:
            for line in io.BytesIO(self.payload):
                yield decode_read(line, self.part)
            return
        stream = io.BytesIO(self.payload)
        rows = read_jsonl(stream, self.file, first=self.first_line, offset=self.offset)
        for row in rows:
            yield self.reading.convert(row, self.part)

    def encode(self) -> bytes:
        """As `decode_piece` reads it."""
        return self._head() + b"\n" + self.payload

    def compute_key(self, settings_key: str) -> str:
        """SHA-256 (hex) of what decides the piece's result."""
        digest = hashlib.sha256(settings_key.encode() + self._head())
        digest.update(self.payload)
        return digest.hexdigest()

    def _head(self) -> bytes:
        names = ("part", "file", "num_rows", "first_line", "offset", "index", "number")
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        fields["reading"] = self.reading and self.reading.to_json()
        return json.dumps(fields, sort_keys=True).encode("ascii")


def decode_piece(content: bytes) -> Piece:
    """What `Piece.encode` wrote."""
    head, _, payload = content.partition(b"\n")
    fields = json.loads(head)
    reading = fields.pop("reading")
    return Piece(payload=payload, reading=Reading(**reading) if reading else None, **fields)


def cut_block(block: LineBlock, reading: Reading, *, part: str, file: str) -> Piece:
    """A piece of lines that nobody has read yet."""
    return Piece(part, file, block.num_rows, block.content, reading, block.first, block.offset)


def cut_rows(rows: Iterable[ReadRow]) -> Iterator[Piece]:
    """Pieces of rows that are already being read."""
    for part, group in groupby(rows, key=lambda row: row.part):
        while chunk := list(islice(group, PIECE_ROWS)):
            payload = b"".join(encode_read(row) for row in chunk)
            yield Piece(part, "", len(chunk), payload)


def number_pieces(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, each with its index and the number of its first row."""
    number = 0
    for index, piece in enumerate(pieces):
        yield replace(piece, index=index, number=number)
        number += piece.num_rows
