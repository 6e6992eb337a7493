"""Holds Ctrl-C back until the loop is between two steps; it knows nothing of training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def held_interrupt() -> Iterator[Callable[[], bool]]:
    """Yields a question: was Ctrl-C pressed? If so, the block ends in KeyboardInterrupt.

    A second Ctrl-C interrupts at once. Nothing is held outside the main thread, where signals
    never arrive, or where somebody has a handler of their own.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    pressed = False

    def press(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
