"""Which answers may teach: corrected ones, and well-rated ones; and why the others may not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.data.records import canonical_json
from assay.pipeline.feedback.said import Said, gather

Message = dict[str, Any]
MIN_SCORE = 0.75
_KEPT = ("role", "content", "reasoning_content", "tool_calls")
_WHOLE = ("stop", "tool_calls")


@dataclass(frozen=True)
class Candidate:
    """One answer that may teach, and what should have been said in its place where that is known.

    `messages` are what was asked; earlier answers in them are not learned again.
    """

    completion_id: str
    choice: int
    kind: Literal["correction", "rated"]
    model: str
    messages: list[Message]
    tools: list[dict[str, Any]] | None
    answer: Message
    correction: Message | None
    score: float | None
    comments: tuple[str, ...] = ()

    @property
    def thread(self) -> str:
        """What turns of one conversation have in common: how it begins."""
        begins = []
        for message in self.messages:
            begins.append(message)
            if message["role"] == "user":
                break
        return hashlib.sha256(canonical_json(begins).encode()).hexdigest()[:16]

    @property
    def is_pair(self) -> bool:
        """Whether it shows which of two answers is better; one that says nothing is none."""
        if self.correction is None or _is_empty(self.answer):
            return False
        return _bare(self.correction) != _bare(self.answer)


@dataclass
class Gathered:
    """Candidates, and how many answers were left out for which reason."""

    candidates: list[Candidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def gather_candidates(
    found: Iterable[tuple[Any, Sequence[Any]]], *, min_score: float = MIN_SCORE
) -> Gathered:
    """Candidates of stored completions with their feedback (`iterate_completions`), in order."""
    gathered = Gathered()
    for completion, entries in found:
        for choice in completion.response["choices"]:
            said = gather(completion, entries, choice["index"])
            if said.odd_rating is not None:
                gathered.left_out["a rating in the metadata that is no number"] += 1
            reason = _find_reason(choice, said, min_score)
            if reason is None:
                gathered.candidates.append(_build(completion, choice, said))
            else:
                gathered.left_out[reason] += 1
    return gathered


def _find_reason(choice: Mapping[str, Any], said: Said, min_score: float) -> str | None:
    """Why a choice teaches nothing; None where it may."""
    if said.correction is not None:
        return None
    if said.score is None:
        return "neither rated nor corrected"
    if said.score < min_score:
        return "rated low, and not corrected"
    if min(said.scores) < 0.5:
        return "rated well and badly"
    if choice.get("tool_policy") or choice["message"].get("refusal"):
        return "rated well, though calls of it were denied"
    if choice["finish_reason"] not in _WHOLE:
        return "rated well, though it was cut off"
    if _is_empty(choice["message"]):
        return "rated well, though it is empty"
    return None


def _build(completion: Any, choice: Mapping[str, Any], said: Said) -> Candidate:
    request = completion.request
    correction = said.correction
    return Candidate(
        completion.id,
        choice["index"],
        "rated" if correction is None else "correction",
        completion.model,
        [_unlearned(message) for message in request["messages"]],
        request.get("tools") if request.get("tool_choice") != "none" else None,
        _bare(choice["message"]),
        None if correction is None else _bare(correction),
        said.score,
        said.comments,
    )


def _bare(message: Mapping[str, Any]) -> Message:
    """An answer's own content, without what is said about it."""
    kept = {key: message[key] for key in _KEPT if message.get(key) not in (None, "", [])}
    return {"role": "assistant", "content": "", **kept}


def _is_empty(message: Mapping[str, Any]) -> bool:
    return not (message.get("content") or "").strip() and not message.get("tool_calls")


def _unlearned(message: Message) -> Message:
    return {**message, "weight": 0} if message["role"] == "assistant" else message
