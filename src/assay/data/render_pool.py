"""Processes that render chunks of rows; it decides nothing about rows."""

from __future__ import annotations

from assay.chat import ChatTokenizer
from assay.data.worker_pool import WorkerPool, build_command

_COMMAND = build_command("assay.data.render_worker")


class RenderPool(WorkerPool):
    """Each chunk's answer is its rows as `encode_rows` gives them."""

    def __init__(self, tokenizer: ChatTokenizer, num_workers: int) -> None:
        super().__init__(_COMMAND, tokenizer.to_json(), num_workers, doing="tokenises rows")
