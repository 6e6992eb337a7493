"""The output of one response in the making: items, and the events that tell how they grow.

Text, reasoning and calls follow one another; where one ends and another begins, an item is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.runs.store.ids import new_id
from assay.serve.inference.choices import Delta

Event = dict[str, Any]
# By kind of an item with text: its type, its part's type, the part's key, and its events' names.
_KINDS = {
    "text": ("message", "output_text", "text", "response.output_text"),
    "refusal": ("message", "refusal", "refusal", "response.refusal"),
    "reasoning": ("reasoning", "reasoning_text", "text", "response.reasoning_text"),
}


class Output:
    """Takes what came to a choice, and tells it as events without their numbers."""

    def __init__(self, *, with_logprobs: bool = False) -> None:
        self.items: list[dict[str, Any]] = []
        self._with_logprobs = with_logprobs
        self._open: dict[str, Any] | None = None
        self._kind = "text"
        self._untold: list[dict[str, Any]] = []

    def take(self, delta: Delta) -> Iterator[Event]:
        """The events of what came."""
        self._untold += delta.logprobs
        yield from self._add_text("reasoning", delta.reasoning)
        yield from self._add_text("text", delta.content)
        for call in delta.tool_calls:
            yield from self._add_call(call)
        yield from self._add_text("refusal", delta.refusal)

    def end(self, *, is_cut: bool) -> Iterator[Event]:
        """The events of the end; `is_cut` where the length ended it."""
        if not self.items:
            yield from self._go_on("text")
        yield from self._close("incomplete" if is_cut else "completed")

    def drop_logprobs(self) -> None:
        """Leave log-probabilities out of the items."""
        for item in self.items:
            for part in item.get("content", ()):
                if "logprobs" in part:
                    part["logprobs"] = []

    def _go_on(self, kind: str) -> Iterator[Event]:
        """An open item of this kind."""
        if self._open is not None and self._kind == kind:
            return
        yield from self._close("completed")
        self._kind = kind
        is_message = _KINDS[kind][0] == "message"
        told: dict[str, Any] = {"role": "assistant"} if is_message else {"summary": []}
        item: dict[str, Any] = {
            "id": new_id("msg_" if is_message else "rs_"),
            "type": _KINDS[kind][0],
            "status": "in_progress",
            **told,
        }
        yield self._begin({**item, "content": []})
        assert self._open is not None
        self._open["content"] = [self._build_part()]
        yield self._tell("response.content_part.added", part=self._build_part())

    def _begin(self, item: dict[str, Any]) -> Event:
        self._open = item
        self.items.append(item)
        place = len(self.items) - 1
        return {"type": "response.output_item.added", "output_index": place, "item": dict(item)}

    def _build_part(self) -> dict[str, Any]:
        """A part without text yet."""
        _, kind, key, _ = _KINDS[self._kind]
        plain: dict[str, Any] = {"annotations": []} if self._kind == "text" else {}
        told: dict[str, Any] = {"logprobs": []} if self._has_logprobs else {}
        return {"type": kind, key: "", **plain, **told}

    @property
    def _has_logprobs(self) -> bool:
        return self._with_logprobs and self._kind == "text"

    def _add_text(self, kind: str, text: str) -> Iterator[Event]:
        if not text:
            return
        yield from self._go_on(kind)
        assert self._open is not None
        part = self._open["content"][0]
        part[_KINDS[kind][2]] += text
        told: dict[str, Any] = {}
        if kind == "text":
            told["logprobs"], self._untold = self._untold, []
        if self._has_logprobs:
            part["logprobs"] += told["logprobs"]
        yield self._tell(f"{_KINDS[kind][3]}.delta", delta=text, **told)

    def _add_call(self, call: dict[str, Any]) -> Iterator[Event]:
        # Log-probabilities of a call's tokens are of no text.
        self._untold = []
        yield from self._close("completed")
        arguments = call["function"]["arguments"]
        named = {"call_id": call["id"], "name": call["function"]["name"], "arguments": ""}
        item = {"id": new_id("fc_"), "type": "function_call", "status": "in_progress", **named}
        yield self._begin(item)
        item["arguments"] = arguments
        place = {"item_id": item["id"], "output_index": len(self.items) - 1}
        yield {"type": "response.function_call_arguments.delta", **place, "delta": arguments}
        done = {"name": item["name"], "arguments": arguments}
        yield {"type": "response.function_call_arguments.done", **place, **done}
        yield from self._close("completed")

    def _close(self, status: str) -> Iterator[Event]:
        item = self._open
        if item is None:
            return
        item["status"] = status
        if item["type"] != "function_call":
            yield from self._end_part(item["content"][0])
        place = len(self.items) - 1
        yield {"type": "response.output_item.done", "output_index": place, "item": dict(item)}
        self._open = None

    def _end_part(self, part: dict[str, Any]) -> Iterator[Event]:
        _, _, key, name = _KINDS[self._kind]
        told: dict[str, Any] = {}
        if self._has_logprobs:
            part["logprobs"] += self._untold
        if self._kind == "text":
            told["logprobs"], self._untold = part.get("logprobs", []), []
        yield self._tell(f"{name}.done", **{key: part[key]}, **told)
        yield self._tell("response.content_part.done", part=dict(part))

    def _tell(self, kind: str, **values: Any) -> Event:
        assert self._open is not None
        place = {"item_id": self._open["id"], "output_index": len(self.items) - 1}
        return {"type": kind, **place, "content_index": 0, **values}
