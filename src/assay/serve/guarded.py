"""One chat request under a policy: what is read of it, and what of its answer may go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from assay.serve.errors import refuse
from assay.serve.tool_policy import ChoiceStream, Enforcement, enforce_choice
from assay.tools.policy import Conversation, Decision, Policy

_TOP_KEYS = (
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    "system_fingerprint",
    "service_tier",
    "error",
)
Report = Callable[[int, Decision], None]
"""Told of each call that did not simply pass, with the index of its choice."""


def read_asked(body: bytes) -> dict[str, Any]:
    """The request as far as it decides what may be called; the upstream checks the rest.

    Raises:
        ApiError: it is no JSON object, or its messages or tools are no lists of objects.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise refuse("The body is not JSON.", code="invalid_json") from error
    if not isinstance(asked, dict):
        raise refuse("The body must be a JSON object.")
    if not _is_objects(asked.get("messages")):
        raise refuse("messages must be a list of objects.", param="messages")
    for key in ("tools", "functions"):
        if asked.get(key) is not None and not _is_objects(asked[key]):
            raise refuse(f"{key} must be a list of objects.", param=key)
    return asked


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


class Guarded:
    """Enforces `policy` on the answer to one request, for each of its choices apart."""

    def __init__(self, policy: Policy, asked: Mapping[str, Any], report: Report) -> None:
        offered = [*(asked.get("tools") or ()), *(asked.get("functions") or ())]
        self._policy, self._report = policy, report
        self._conversation = Conversation.read(asked["messages"], offered)
        self._streams: dict[int, ChoiceStream] = {}

    def enforce(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """A whole answer as it may go on."""
        kept = _keep_known(answer)
        choices = []
        for place, choice in enumerate(_list_choices(answer)):
            enforcement = self._begin()
            choices.append(enforce_choice(choice, enforcement))
            self._tell(place, enforcement, 0)
        return {**kept, "choices": choices}

    def feed(self, chunk: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks that go on in place of one of a stream."""
        kept = _keep_known(chunk)
        choices = _list_choices(chunk)
        parts = [part for choice in choices for part in self._feed_choice(choice)]
        usage = kept.pop("usage", None)
        chunks = [{**kept, "choices": [part]} for part in parts]
        if not choices or (not chunks and usage is not None):
            chunks.append({**kept, "choices": []} if "choices" in chunk else kept)
        if usage is not None:
            chunks[-1]["usage"] = usage
        return chunks

    def _feed_choice(self, choice: Mapping[str, Any]) -> list[dict[str, Any]]:
        index = choice.get("index")
        place = index if isinstance(index, int) else 0
        stream = self._streams.setdefault(place, ChoiceStream(self._begin()))
        num_before = len(stream.enforcement.decisions)
        parts = stream.feed(choice)
        self._tell(place, stream.enforcement, num_before)
        return parts

    def _begin(self) -> Enforcement:
        return Enforcement(self._policy, self._conversation)

    def _tell(self, place: int, enforcement: Enforcement, num_told: int) -> None:
        for decision in enforcement.decisions[num_told:]:
            if decision.outcome != "pass":
                self._report(place, decision)


def _keep_known(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in _TOP_KEYS if key in answer}


def _list_choices(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = answer.get("choices")
    return [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
