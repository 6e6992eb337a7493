"""Renders many rows, in chunks: from the cache, here, or in worker processes; never out of order.

A few rows are rendered here and kept nowhere. The rules look at the amount of text alone, since
that is what takes time.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

from assay.chat import ChatTokenizer, message_text
from assay.data.records import Record
from assay.data.render_pool import RenderPool
from assay.data.rendered import Content, RenderedRow, decode_rows, encode_rows, render_row
from assay.data.token_cache import TokenCache, compute_chunk_key
from assay.runs.cpus import count_granted_cpus

Rows = Generator[RenderedRow, None, None]
CHUNK_ROWS = 1024
CHUNK_CHARS = 1 << 20
# Less text than this is rendered in about a tenth of a second.
MIN_CACHED_CHARS = 1 << 18
# More than a second of rendering, against a third of one for the start of a process.
MIN_WORKER_CHARS = 1 << 20


def render_each(records: Sequence[Record], tokenizer: ChatTokenizer) -> Rows:
    """Each record rendered in turn, here."""
    for record in records:
        yield render_row(Content.of(record), tokenizer)


class _Chunk(NamedTuple):
    contents: list[Content]
    payload: bytes

    @property
    def key(self) -> str:
        return compute_chunk_key(self.payload)


@dataclass
class RowRenderer:
    """Renders the rows of several splits; the same as `render_each` to the last bit.

    Attributes:
        cache: where rendered chunks are kept; None: nowhere.
        report: is told how many rows of how many are done, where that takes a while.
        num_cpus: processes at most; by default as many as this one may use CPUs.
        min_worker_chars: text for which another process is worth its start.
        num_rows: rows asked for so far.
        num_cached: those that came from the cache.
    """

    cache: TokenCache | None = None
    report: Callable[[int, int], None] = lambda done, total: None
    num_cpus: int | None = None
    min_worker_chars: int = MIN_WORKER_CHARS
    num_rows: int = 0
    num_cached: int = 0

    def __call__(self, records: Sequence[Record], tokenizer: ChatTokenizer) -> Rows:
        """Each record rendered, in order.

        Raises:
            ConfigError: the base has no template and a record is a chat.
            ResourceError: a worker process was lost.
        """
        self.num_rows += len(records)
        num_chars = sum(
            len(message_text(one))
            for record in records
            for one in (*record.messages, *(record.rejected or ()))
        )
        num_workers = min(num_chars // self.min_worker_chars, self.num_cpus or count_granted_cpus())
        if num_workers < 2 and (self.cache is None or num_chars < MIN_CACHED_CHARS):
            yield from render_each(records, tokenizer)
            return
        done = 0
        with ExitStack() as stack:
            pool = RenderPool(tokenizer, num_workers) if num_workers > 1 else None
            if pool:
                stack.enter_context(pool)
            for rows in self._render_chunks(records, tokenizer, pool):
                yield from rows
                done += len(rows)
                if num_workers > 1:
                    self.report(done, len(records))
        if self.cache:
            self.cache.evict()

    def _render_chunks(
        self, records: Sequence[Record], tokenizer: ChatTokenizer, pool: RenderPool | None
    ) -> Iterator[list[RenderedRow]]:
        """Chunks in order, with a few more than there are workers begun ahead."""
        ahead = 2 * pool.num_workers if pool else 0
        begun: deque[Callable[[], list[RenderedRow]]] = deque()
        for chunk in _split(records):
            begun.append(self._begin(chunk, tokenizer, pool))
            if len(begun) > ahead:
                yield begun.popleft()()
        while begun:
            yield begun.popleft()()

    def _begin(
        self, chunk: _Chunk, tokenizer: ChatTokenizer, pool: RenderPool | None
    ) -> Callable[[], list[RenderedRow]]:
        """Begin rendering a chunk, or find it; what is returned waits for it."""
        known = self.cache.read(chunk.key) if self.cache else None
        if known is not None:
            self.num_cached += len(chunk.contents)
            return lambda: decode_rows(known)
        future = pool.submit(chunk.payload) if pool else None

        def finish() -> list[RenderedRow]:
            content = future.result() if future else None
            if content:
                rows = decode_rows(content)
            else:
                rows = [render_row(one, tokenizer) for one in chunk.contents]
            if self.cache:
                self.cache.write(chunk.key, content or encode_rows(rows))
            return rows

        return finish


def _split(records: Sequence[Record]) -> Iterator[_Chunk]:
    """Runs of records by number and length of text: which ones form a chunk is theirs to decide."""
    contents: list[Content] = []
    texts: list[str] = []
    size = 0
    for record in records:
        content = Content.of(record)
        # Not sorted: a template may print the keys of a tool in their order.
        text = json.dumps(content)
        contents.append(content)
        texts.append(text)
        size += len(text)
        if len(contents) == CHUNK_ROWS or size >= CHUNK_CHARS:
            yield _Chunk(contents, f"[{','.join(texts)}]".encode("ascii"))
            contents, texts, size = [], [], 0
    if contents:
        yield _Chunk(contents, f"[{','.join(texts)}]".encode("ascii"))
