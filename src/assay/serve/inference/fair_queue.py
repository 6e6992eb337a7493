"""Who waits, and who is next: each key in turn, so that many requests of one hold up no other."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class FairQueue(Generic[ItemT]):
    """First in, first out within a key, and one of each key in turn."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[ItemT]] = OrderedDict()
        self._num = 0

    def __len__(self) -> int:
        return self._num

    def count(self, key: str) -> int:
        """How many of `key` wait."""
        return len(self._waiting.get(key, ()))

    def put(self, key: str, item: ItemT) -> None:
        """Wait as the last of `key`."""
        self._waiting.setdefault(key, deque()).append(item)
        self._num += 1

    def take(self) -> ItemT | None:
        """The next one; its key is then the last of those that wait."""
        if not self._waiting:
            return None
        key, items = self._waiting.popitem(last=False)
        item = items.popleft()
        self._num -= 1
        if items:
            self._waiting[key] = items
        return item

    def drop(self, is_gone: Callable[[ItemT], bool]) -> list[ItemT]:
        """Take out all that are gone, and give them."""
        gone: list[ItemT] = []
        for key, items in list(self._waiting.items()):
            own = [item for item in items if is_gone(item)]
            if own:
                gone += own
                left = deque(item for item in items if not is_gone(item))
                self._waiting[key] = left
                if not left:
                    del self._waiting[key]
        self._num -= len(gone)
        return gone
