"""Messages between processes: a length of four bytes and JSON; it knows nobody who sends them."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any


class FrameError(Exception):
    """The other side has gone, or sends something else."""


def write_frame(place: int, message: Any) -> None:
    """Send a JSON value. Raises OSError where the other side has gone."""
    write_bytes(place, encode(message))


def encode(message: Any) -> bytes:
    """The JSON of a message; what JSON does not know is sent as its text."""
    return json.dumps(message, default=str).encode()


def write_bytes(place: int, body: bytes) -> None:
    """Send an encoded message. Raises as `write_frame`."""
    data = memoryview(struct.pack(">I", len(body)) + body)
    while data:
        data = data[os.write(place, data) :]


def read_frame(place: int, *, deadline: float | None = None, max_bytes: int) -> Any:
    """The next message.

    Args:
        deadline: `time.monotonic` until which it must be there; None waits for ever.

    Raises:
        FrameError: the other side has gone, or the message is too long or none.
        TimeoutError: it is not there by then.
    """
    (size,) = struct.unpack(">I", _read(place, 4, deadline))
    if size > max_bytes:
        raise FrameError(f"a message of {size:,} bytes")
    try:
        return json.loads(_read(place, size, deadline))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a message that is no JSON: {error}") from error


def _read(place: int, size: int, deadline: float | None) -> bytes:
    parts: list[bytes] = []
    while size:
        wait = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([place], [], [], wait)[0]:
            raise TimeoutError
        part = os.read(place, min(size, 1 << 16))
        if not part:
            raise FrameError("the other side has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
