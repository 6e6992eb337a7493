"""One choice of an answer, collected from its row's tokens: text, calls, log-probabilities, end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.chat import ChatTokenizer
from assay.chat.token_bytes import find_token_bytes
from assay.generate.pieces import Pieces
from assay.runs.store.ids import new_id
from assay.serve.inference.policing import Policing
from assay.serve.tool_policy import FIELD, ChoiceStream
from assay.tools.calls import ToolCall
from assay.tools.streamed import Part, StreamedAnswer

if TYPE_CHECKING:
    from assay.generate.live import Extended, LiveRow

_LEAST_LOGPROB = -9999.0
"""What OpenAI writes for a token that is next to impossible; JSON has no infinity."""


@dataclass(frozen=True)
class Reading:
    """How answers are read: with calls or as they are, and what is told of their tokens.

    `is_plain` leaves reasoning in the text, too. With `policing` each call is checked before it is
    told.
    """

    is_plain: bool = False
    has_tools: bool = False
    in_reasoning: bool = False
    most_calls: int | None = None
    with_logprobs: bool = False
    policing: Policing | None = None


@dataclass(frozen=True)
class Delta:
    """What came to a choice; `finish_reason` with the last of it.

    `refusal` says which calls were denied, and `decisions` what the tool policy decided about all
    that did not simply pass; both come with the end.
    """

    content: str = ""
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    refusal: str = ""
    decisions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return self == Delta()


class Choice:
    """Takes what a step made of its row, and gives what a client is to see."""

    def __init__(self, live: LiveRow, tokenizer: ChatTokenizer, reading: Reading) -> None:
        self.live, self._tokenizer, self._reading = live, tokenizer, reading
        self._pieces = Pieces(tokenizer.decode, live.sampling.stop)
        self._answer = StreamedAnswer(
            has_tools=reading.has_tools, in_reasoning=reading.in_reasoning
        )
        self.policing = reading.policing
        self._policed = PolicedStream(self.policing) if self.policing else None
        self._untold: list[tuple[int, int, dict[str, Any]]] = []
        self._num_bytes = self._num_shown = self._num_calls = 0
        self.num_tokens = 0

    def take(self, told: Sequence[Extended]) -> Delta:
        """The next tokens, in order; the last may end the choice."""
        delta = self._collect(told)
        return delta if self._policed is None else self._policed.take(delta)

    def _collect(self, told: Sequence[Extended]) -> Delta:
        ids = []
        for one in told:
            if one.drawn is not None and one.drawn.token_id not in self.live.ends.stop_ids:
                ids.append(one.drawn.token_id)
                if self._reading.with_logprobs:
                    self._keep_logprob(one)
        self.num_tokens += len(ids)
        if not told or not told[-1].is_last:
            piece = self._pieces.add(ids) if ids else ""
            return self._tell(self._read(piece) if piece else Part(), piece)
        text = self._tokenizer.decode(self.live.row.token_ids)
        text = text if self.live.row.text is None else self.live.row.text
        piece = self._pieces.end(text)
        first = self._read(piece)
        last = Part() if self._reading.is_plain else self._answer.end()
        part = Part(
            first.content + last.content, first.tool_calls + last.tool_calls, last.reasoning
        )
        return self._tell(part, piece, is_last=True)

    def _read(self, piece: str) -> Part:
        return Part(piece) if self._reading.is_plain else self._answer.add(piece)

    def _tell(self, part: Part, piece: str, *, is_last: bool = False) -> Delta:
        self._num_shown += len(piece.encode())
        calls = [self._build_call(call) for call in self._limit(part.tool_calls)]
        reason = self._find_reason() if is_last else None
        return Delta(part.content, part.reasoning, calls, self._take_logprobs(is_last), reason)

    def _limit(self, calls: Sequence[ToolCall]) -> Sequence[ToolCall]:
        most = self._reading.most_calls
        return calls if most is None else calls[: max(0, most - self._num_calls)]

    def _build_call(self, call: ToolCall) -> dict[str, Any]:
        index, self._num_calls = self._num_calls, self._num_calls + 1
        arguments = json.dumps(call.arguments, ensure_ascii=False)
        return {
            "index": index,
            "id": new_id("call_"),
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }

    def _find_reason(self) -> str:
        row = self.live.row
        if self._num_calls:
            return "tool_calls"
        return "stop" if row.stop_token is not None or row.text is not None else "length"

    def _keep_logprob(self, one: Extended) -> None:
        assert one.drawn is not None
        entry = self._describe(one.drawn.token_id, one.drawn.logprob)
        entry["top_logprobs"] = [self._describe(*pair) for pair in one.top]
        start = self._num_bytes
        self._num_bytes += len(entry["bytes"])
        self._untold.append((start, self._num_bytes, entry))

    def _take_logprobs(self, is_last: bool) -> list[dict[str, Any]]:
        """Those of the text that was shown: what is held back, or cut off, is not told."""
        shown = self._num_shown
        if self._reading.has_tools:
            ready = len(self._untold)
        elif is_last:
            ready = sum(start < shown for start, _, _ in self._untold)
        else:
            ready = sum(end <= shown for _, end, _ in self._untold)
        taken = [entry for _, _, entry in self._untold[:ready]]
        self._untold = self._untold[ready:]
        return taken

    def _describe(self, token_id: int, logprob: float) -> dict[str, Any]:
        content = find_token_bytes(self._tokenizer, token_id)
        return {
            "token": content.decode("utf-8", "replace"),
            "logprob": max(logprob, _LEAST_LOGPROB),
            "bytes": list(content),
        }


class PolicedStream:
    """What of a choice may go on under a policy, part by part; no part of a denied call does."""

    def __init__(self, policing: Policing) -> None:
        self._stream = ChoiceStream(policing.begin())

    def take(self, delta: Delta) -> Delta:
        """What goes on of `delta`, and of what was held back before."""
        told: dict[str, Any] = {
            "content": delta.content,
            "reasoning_content": delta.reasoning,
            "tool_calls": delta.tool_calls,
        }
        choice = {
            "index": 0,
            "delta": {key: value for key, value in told.items() if value},
            "logprobs": {"content": delta.logprobs},
            "finish_reason": delta.finish_reason,
        }
        return join_deltas([_read_part(part) for part in self._stream.feed(choice)])


def _read_part(part: Mapping[str, Any]) -> Delta:
    delta = part["delta"]
    return Delta(
        delta.get("content") or "",
        delta.get("reasoning_content") or "",
        delta.get("tool_calls") or [],
        (part.get("logprobs") or {}).get("content") or [],
        part["finish_reason"],
        delta.get("refusal") or "",
        part.get(FIELD) or [],
    )


def join_deltas(deltas: Sequence[Delta]) -> Delta:
    """All of them as one."""
    return Delta(
        "".join(one.content for one in deltas),
        "".join(one.reasoning for one in deltas),
        [call for one in deltas for call in one.tool_calls],
        [entry for one in deltas for entry in one.logprobs],
        deltas[-1].finish_reason if deltas else None,
        "".join(one.refusal for one in deltas),
        [decision for one in deltas for decision in one.decisions],
    )


def describe_decisions(delta: Delta) -> dict[str, Any]:
    """Of a choice what the tool policy decided, where not all calls passed untouched."""
    return {FIELD: delta.decisions} if delta.decisions else {}


def count_usage(choices: Sequence[Choice]) -> dict[str, Any]:
    """Tokens of the prompt, once, and of all choices; those that were known are told apart."""
    prompt = len(choices[0].live.row.prompt)
    completion = sum(choice.num_tokens for choice in choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": choices[0].live.num_known, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
