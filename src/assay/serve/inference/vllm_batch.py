"""Rows that a vLLM server decodes, for the scheduler that knows the batch in memory alike.

Each row is a streamed request of its own, with its own seed; a row that leaves ends it. What ends a
row (stop tokens, strings, length) is decided here, as for the batch in memory.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from assay.chat import ChatTokenizer
from assay.errors import CheckpointError, GenerationError
from assay.generate.engine import Drawn, Sampling, check_prompts, compute_seed
from assay.generate.live import Extended, LiveRow
from assay.generate.rows import Ends, Row
from assay.generate.schema import Guide
from assay.generate.shifts import Shifts
from assay.generate.vllm import NEUTRAL
from assay.serve.inference.vllm_server import RemoteAdapter, VllmServer

_LOOK_S = 0.05
"""Between looks for rows that come and go, while no token comes."""
_ENDED = "vLLM ended the answer before it was whole"
_TOKEN_ID = re.compile(r"token_id:(\d+)")


@dataclass(frozen=True)
class _Came:
    """What came to a row: a token, or why there will be none."""

    live: LiveRow
    drawn: Drawn | None
    top: list[tuple[int, float]]
    error: str = ""


class VllmBatch:
    """Keeps the contract of `assay.generate.live.LiveBatch` by what `server` streams."""

    def __init__(
        self, server: VllmServer, tokenizer: ChatTokenizer, *, context_len: int | None = None
    ) -> None:
        self.tokenizer, self.context_len, self._server = tokenizer, context_len, server
        self._under_way: set[LiveRow] = set()
        self._came: queue.SimpleQueue[_Came] = queue.SimpleQueue()

    def begin(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        *,
        place: int = 0,
        adapter: Any = None,
        owner: str = "",
        num_top: int = 0,
        guide: Guide | None = None,
        shifts: Shifts | None = None,
    ) -> LiveRow:
        """See `LiveBatch.begin`.

        Raises:
            GenerationError: as there; or the answer is bound to a grammar of calls.
        """
        from torch import Generator

        check_prompts([prompt], sampling, self.context_len)
        if guide is not None and isinstance(guide.source, str):
            raise GenerationError(
                "calls that are forced, or strict, are not bound by vLLM; use tool_choice auto"
            )
        room = (self.context_len or 1 << 30) - len(prompt)
        # The draw is vLLM's; the generator is that of the batch in memory, and is not used.
        row = Row(place, prompt, Generator(), min(sampling.max_new_tokens, room), guide)
        stop_ids = frozenset(sampling.stop_ids or self.tokenizer.eos_ids)
        ends = Ends(stop_ids, sampling.stop, self.tokenizer.decode)
        return LiveRow(row, sampling, ends, adapter, owner, num_top, shifts=shifts)

    @property
    def rows(self) -> list[LiveRow]:
        return list(self._under_way)

    def admit(self, rows: Sequence[LiveRow]) -> list[Extended]:
        """Ask for new rows; their tokens come with later steps."""
        for live in rows:
            self._under_way.add(live)
            name = f"vllm-{live.row.index}"
            threading.Thread(target=self._listen, args=[live], name=name, daemon=True).start()
        return []

    def step(self) -> list[Extended]:
        """What has come since; waits for some of it for a little while."""
        if not self._under_way:
            return []
        told = []
        try:
            came = self._came.get(timeout=_LOOK_S)
            while True:
                if came.live in self._under_way:
                    told.append(self._extend(came))
                came = self._came.get_nowait()
        except queue.Empty:
            return told

    def remove(self, rows: Sequence[LiveRow]) -> None:
        """Let go of rows; their requests end with the next token that comes."""
        self._under_way -= set(rows)

    def clear(self) -> None:
        """Let go of everything."""
        self._under_way.clear()

    def _extend(self, came: _Came) -> Extended:
        live, error = came.live, came.error
        try:
            if came.drawn is not None:
                live.row.extend(came.drawn, live.ends)
        except GenerationError as grown:
            error = str(grown)
        is_last = bool(error) or live.row.is_done
        if is_last:
            self._under_way.discard(live)
        return Extended(live, None if error else came.drawn, came.top, error, is_last)

    def _listen(self, live: LiveRow) -> None:
        """In a thread of the row's own: every token into the queue, or why it failed."""
        try:
            self._follow(live)
        except GenerationError as error:
            self._came.put(_Came(live, None, [], str(error)))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            told = "vLLM answered without token_ids and logprobs, which it tells from 0.10.2 on"
            self._came.put(_Came(live, None, [], told))

    def _follow(self, live: LiveRow) -> None:
        adapter = live.adapter
        if isinstance(adapter, RemoteAdapter):
            try:
                # A server that was started anew has forgotten it.
                self._server.send_adapter(adapter)
            except CheckpointError as error:
                raise GenerationError(str(error)) from error
        num = 0
        with closing(self._server.stream(self._describe(live))) as parts:
            for part in parts:
                for came in self._read(live, part):
                    num += 1
                    self._came.put(came)
                if live not in self._under_way:
                    return
        if num < live.row.max_new_tokens and live in self._under_way:
            self._came.put(_Came(live, None, [], _ENDED))

    def _describe(self, live: LiveRow) -> dict[str, Any]:
        sampling, adapter = live.sampling, live.adapter
        asked: dict[str, Any] = {
            **NEUTRAL,
            "model": adapter.name if adapter is not None else self._server.model,
            "prompt": list(live.row.prompt),
            "max_tokens": live.row.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": compute_seed(sampling, live.row.index),
            "ignore_eos": True,
            "stop_token_ids": sorted(live.ends.stop_ids),
            "logprobs": max(1, live.num_top),
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }
        if live.shifts is not None:
            asked["frequency_penalty"] = live.shifts.frequency
            asked["presence_penalty"] = live.shifts.presence
            asked["logit_bias"] = {str(token_id): bias for token_id, bias in live.shifts.bias}
        if live.row.guide is not None:
            asked["structured_outputs"] = {"json": live.row.guide.source}
        return asked

    def _read(self, live: LiveRow, part: Mapping[str, Any]) -> list[_Came]:
        ids = [int(token_id) for token_id in part.get("token_ids") or ()]
        if not ids:
            return []
        logprobs = [float(one) for one in part["logprobs"]["token_logprobs"]]
        tops = part["logprobs"].get("top_logprobs") or [{}] * len(ids)
        return [
            _Came(live, Drawn(token_id, logprob, logprob), _read_top(top, live.num_top))
            for token_id, logprob, top in zip(ids, logprobs, tops, strict=True)
        ]


def _read_top(top: Mapping[str, float], num: int) -> list[tuple[int, float]]:
    """The likeliest tokens, likeliest first."""
    found = [(_TOKEN_ID.fullmatch(name), float(logprob)) for name, logprob in top.items()]
    pairs = [(int(match[1]), logprob) for match, logprob in found if match]
    return sorted(pairs, key=lambda pair: -pair[1])[:num]
