"""The elementwise parts of the fast path as functions that `torch.compile` may fuse, where asked.

Each is pure, so that compiled and plain differ by rounding alone. Compiling takes seconds once in a
process, is therefore never done unasked, and is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import Any, TypeVar

import torch

Function = TypeVar("Function", bound=Callable[..., Any])
BACKEND = "inductor"
_enabled: list[bool] = [False]


def kernel(function: Function) -> Function:
    """`function`, compiled within `compiled_kernels` and as it is elsewhere."""

    @lru_cache(maxsize=1)
    def compile_once() -> Callable[..., Any]:
        # Shapes vary with every batch: one program must serve them all.
        return torch.compile(function, dynamic=True, backend=BACKEND)

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return (compile_once() if _enabled[0] else function)(*args, **kwargs)

    return run  # type: ignore[return-value]


@contextmanager
def compiled_kernels() -> Iterator[None]:
    """Run every kernel compiled for a while."""
    before, _enabled[0] = _enabled[0], True
    try:
        yield
    finally:
        _enabled[0] = before
