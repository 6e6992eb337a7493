"""Where each row came from, in little memory: file, line, id and part by the row's number."""

from __future__ import annotations

from array import array

from assay.data.records import ID_LENGTH, Record

UNREAD = ""


class Places:
    """Rows in reading order; about 40 bytes each."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._files = array("i")
        self._parts = array("i")
        self._lines = array("q")
        self._indices = array("q")
        self._ids = bytearray()
        self._copies: dict[int, int] = {}
        self._seen: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, part: str, file: str, line: int, index: int | None, digest: str) -> int:
        """Take in the next row and return its number; `digest` is its content hash, or ``UNREAD``.

        The n-th row of the same content is named like the first with ``-n``, as in
        `assay.data.records.assign_ids`.
        """
        number = len(self)
        self._files.append(self._names.setdefault(file, len(self._names)))
        self._parts.append(self._names.setdefault(part, len(self._names)))
        self._lines.append(line)
        self._indices.append(-1 if index is None else index)
        short = bytes.fromhex(digest[:ID_LENGTH] or "00" * (ID_LENGTH // 2))
        self._ids += short
        if digest:
            copy = self._seen.get(short, 0) + 1
            self._seen[short] = copy
            if copy > 1:
                self._copies[number] = copy
        else:
            self._copies[number] = 0
        return number

    def add_record(self, part: str, record: Record, digest: str) -> int:
        """`add` for a row that could be read."""
        return self.add(part, record.file, record.line, record.index, digest)

    def file(self, number: int) -> str:
        """The file of a row, as printed."""
        return self._text(self._files[number])

    def part(self, number: int) -> str:
        """train, validation, test or ``suite:NAME``."""
        return self._text(self._parts[number])

    def line(self, number: int) -> int:
        """From 1."""
        return self._lines[number]

    def index(self, number: int) -> int | None:
        """The index in a JSON list, or None."""
        return None if self._indices[number] < 0 else self._indices[number]

    def row(self, number: int) -> str:
        """The row's id, empty where it could not be read."""
        copy = self._copies.get(number, 1)
        if copy == 0:
            return UNREAD
        size = ID_LENGTH // 2
        short = self._ids[number * size : (number + 1) * size].hex()
        return short if copy == 1 else f"{short}-{copy}"

    def place(self, number: int) -> str:
        """``file:line``, with the index of a row of a JSON list."""
        index = self.index(number)
        return f"{self.file(number)}:{self.line(number)}" + ("" if index is None else f"[{index}]")

    def _text(self, index: int) -> str:
        if len(self._names) != len(getattr(self, "_order", ())):
            self._order = list(self._names)
        return self._order[index]
