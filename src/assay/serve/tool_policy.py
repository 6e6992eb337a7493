"""Enforces a tool policy on chat answers, whole or streamed; `assay guard` and the server share it.

Calls are held back until they are whole and allowed; text goes on at once, up to where it may begin
to spell a call. What was decided is told by places and rules alone, so it may be logged and shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.serve.held_logprobs import Entry, HeldLogprobs
from assay.serve.spelled import Spelled
from assay.tools.calls import CallError, ToolCall, build_call
from assay.tools.parse import parse_tool_calls
from assay.tools.policy import Breach, Conversation, Decision, Policy, check_call
from assay.tools.policy.conversation import read_text

FIELD = "tool_policy"
"""Of a choice: what was decided about its calls, where not all passed untouched."""
Json = dict[str, Any]
_CHOICE_KEYS = ("index", "message", "delta", "finish_reason", "logprobs", "stop_reason")
_MESSAGE_KEYS = (
    "role",
    "content",
    "refusal",
    "tool_calls",
    "function_call",
    "reasoning",
    "reasoning_content",
    "annotations",
)


@dataclass
class Enforcement:
    """The calls of one choice, judged one after another as they come.

    Attributes:
        policy, conversation: the latter grows by each call that is allowed.
        decisions: of all calls so far.
    """

    policy: Policy
    conversation: Conversation
    decisions: list[Decision] = field(default_factory=list)

    def judge(self, value: Mapping[str, Any]) -> Json | None:
        """The call as it may go on, or None; `value` is one entry of ``tool_calls``."""
        try:
            call = _read_call(value)
        except CallError:
            self._deny_unreadable()
            return None
        decision = check_call(self.policy, self.conversation, call)
        self.decisions.append(decision)
        if not decision.is_allowed:
            return None
        self.conversation = self.conversation.add_calls([decision.call])
        return _write_call(value, decision)

    def allows_text(self, text: str) -> bool:
        """Whether a text that spells calls may go on: all of them pass as they are."""
        parsed = parse_tool_calls(text)
        for _ in parsed.errors:
            self._deny_unreadable()
        passed = not parsed.errors
        for call in parsed.tool_calls:
            decision = check_call(self.policy, self.conversation, call)
            self.decisions.append(decision)
            # A text cannot be redacted call by call.
            passed = passed and decision.outcome in ("pass", "flag")
            if decision.is_allowed:
                self.conversation = self.conversation.add_calls([decision.call])
        return passed

    def _deny_unreadable(self) -> None:
        action = self.policy.choose_action("unreadable", "")
        # What cannot be read cannot be checked, so it is blocked whatever the policy says.
        breach = Breach("unreadable", "block", evidence={"asked": action})
        self.decisions.append(Decision("block", ToolCall("", {}), "", (breach,)))

    @property
    def num_blocked(self) -> int:
        return sum(not decision.is_allowed for decision in self.decisions)

    def describe(self) -> list[Json]:
        """Every decision that is no plain pass, for a response or a log."""
        return [one.to_json() for one in self.decisions if one.outcome != "pass"]

    def explain(self) -> str:
        """What a person is told of the blocked calls; "" where there are none."""
        denied = [one for one in self.decisions if not one.is_allowed]
        if not denied:
            return ""
        told = "; ".join(
            f"{one.tool or 'a tool that the policy does not know'}"
            f" ({', '.join(dict.fromkeys(breach.kind for breach in one.breaches))})"
            for one in denied
        )
        return f"The tool policy blocked {_count(len(denied), 'call')}: {told}."


def enforce_choice(choice: Mapping[str, Any], enforcement: Enforcement) -> Json:
    """A choice of a whole answer without the calls that are denied.

    Where a call is denied, ``refusal`` says so, and the choice ends with ``stop`` if none is left.
    """
    message = _keep(choice.get("message") or {}, _MESSAGE_KEYS)
    kept = [enforcement.judge(value) for value in _list_calls(message)]
    left = [value for value in kept if value is not None]
    if "tool_calls" in message:
        message["tool_calls"] = left
    if not left:
        message.pop("tool_calls", None)
    if message.get("function_call"):
        message["function_call"] = _judge_legacy(message["function_call"], enforcement)
        if message["function_call"] is None:
            del message["function_call"]
    if message.get("content") is not None:
        message["content"] = _filter_text(read_text(message["content"]), enforcement)
    return _finish({**_keep(choice, _CHOICE_KEYS), "message": message}, message, enforcement)


def _filter_text(text: str, enforcement: Enforcement) -> str | None:
    spelled = Spelled()
    shown = spelled.feed(text)
    held = spelled.finish()
    if held.spells_call and not enforcement.allows_text(held.text):
        return shown or None
    return shown + held.text


def _finish(choice: Json, message: Json, enforcement: Enforcement) -> Json:
    if explained := enforcement.explain():
        message["refusal"] = explained
        has_calls = message.get("tool_calls") or message.get("function_call")
        if choice.get("finish_reason") in ("tool_calls", "function_call") and not has_calls:
            choice["finish_reason"] = "stop"
    if told := enforcement.describe():
        choice[FIELD] = told
        choice.pop("logprobs", None)  # they spell the calls, too
    return choice


def _keep(value: Mapping[str, Any], keys: Sequence[str]) -> Json:
    """The known keys: what another one spells cannot be judged."""
    return {key: value[key] for key in keys if key in value}


@dataclass
class ChoiceStream:
    """A streamed choice: takes each of its parts, and gives those that may go on now."""

    enforcement: Enforcement
    _calls: dict[int, Json] = field(default_factory=dict)
    _legacy: Json = field(default_factory=dict)
    _spelled: Spelled = field(default_factory=Spelled)
    _logprobs: HeldLogprobs = field(default_factory=HeldLogprobs)
    _ended: bool = False

    def feed(self, choice: Mapping[str, Any]) -> list[Json]:
        """What goes on of one ``choices`` entry of a chunk; calls go on whole, before the end."""
        if self._ended:
            return []
        bare = _keep(choice, _CHOICE_KEYS)
        delta = _keep(bare.pop("delta", None) or {}, _MESSAGE_KEYS)
        logprobs, reason = bare.pop("logprobs", None), bare.pop("finish_reason", None)
        self._hold(delta)
        # Log-probabilities spell their tokens, so they go with the text that these make.
        self._logprobs.add(logprobs)
        more = _write_logprobs(self._logprobs.take())
        parts = [{**bare, "delta": delta, **more, "finish_reason": None}] if delta or more else []
        if reason is None:
            return parts
        rest = self._release()
        parts += [{**bare, "delta": one, "finish_reason": None} for one in rest]
        if not self.enforcement.describe() and (
            more := _write_logprobs(self._logprobs.take_rest())
        ):
            parts.append({**bare, "delta": {}, **more, "finish_reason": None})
        return [*parts, self._end(bare, str(reason), rest)]

    def _hold(self, delta: Json) -> None:
        """Take calls, and text that may spell one, out of `delta`."""
        self._hold_calls(delta)
        if not delta.get("content"):
            return
        delta["content"] = self._spelled.feed(read_text(delta["content"]))
        self._logprobs.send(delta["content"])
        if not delta["content"]:
            del delta["content"]

    def _hold_calls(self, delta: Json) -> None:
        for value in delta.pop("tool_calls", None) or ():
            if isinstance(value, Mapping):
                index = value.get("index")
                place = index if isinstance(index, int) else len(self._calls)
                _merge(self._calls.setdefault(place, {}), value)
        legacy = delta.pop("function_call", None)
        if isinstance(legacy, Mapping):
            _merge(self._legacy, {"function": legacy})

    def _release(self) -> list[Json]:
        """The parts that end the choice: text held back, and the calls that are allowed."""
        parts: list[Json] = []
        held = self._spelled.finish()
        if held.text and (not held.spells_call or self.enforcement.allows_text(held.text)):
            parts.append({"content": held.text})
        judged = [self.enforcement.judge(self._calls[place]) for place in sorted(self._calls)]
        allowed = [value for value in judged if value is not None]
        if allowed:
            calls = [{"index": place, **value} for place, value in enumerate(allowed)]
            parts.append({"tool_calls": calls})
        if self._legacy:
            legacy = _judge_legacy(self._legacy.get("function", {}), self.enforcement)
            parts += [{"function_call": legacy}] if legacy else []
        if explained := self.enforcement.explain():
            parts.append({"refusal": explained})
        self._ended = True
        return parts

    def _end(self, bare: Json, reason: str, rest: Sequence[Json]) -> Json:
        has_calls = any("tool_calls" in one or "function_call" in one for one in rest)
        denied = self.enforcement.num_blocked and not has_calls
        if denied and reason in ("tool_calls", "function_call"):
            reason = "stop"
        told = self.enforcement.describe()
        more = {FIELD: told} if told else {}
        return {**bare, "delta": {}, "finish_reason": reason, **more}


def _write_logprobs(entries: Sequence[Entry]) -> Json:
    return {"logprobs": {"content": list(entries), "refusal": None}} if entries else {}


def _merge(held: Json, part: Mapping[str, Any]) -> None:
    """Add a part of a call to what is held of it: texts of name and arguments are joined."""
    for key, value in part.items():
        if key in ("function", "custom") and isinstance(value, Mapping):
            inner = held.setdefault(key, {})
            for name, text in value.items():
                is_more = isinstance(text, str) and isinstance(inner.get(name), str)
                inner[name] = inner[name] + text if is_more else text
        elif key != "index" and value is not None and key not in held:
            held[key] = value


def _list_calls(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    calls = message.get("tool_calls")
    return [one if isinstance(one, Mapping) else {} for one in calls or ()]


def _judge_legacy(value: Any, enforcement: Enforcement) -> Json | None:
    """As `Enforcement.judge`, of a ``function_call`` of the interface before tools."""
    judged = enforcement.judge({"function": value if isinstance(value, Mapping) else {}})
    return judged["function"] if judged else None


def _read_call(value: Mapping[str, Any]) -> ToolCall:
    """A call of a function; a custom tool's input is the argument ``input``.

    Raises:
        CallError: it is neither.
    """
    custom = value.get("custom")
    if isinstance(custom, Mapping):
        return build_call({"name": custom.get("name"), "arguments": {"input": custom.get("input")}})
    if not isinstance(value.get("function"), Mapping):
        raise CallError("a call needs a function")
    return build_call(value["function"])


def _write_call(value: Mapping[str, Any], decision: Decision) -> Json:
    """The call for the client: known keys alone, the arguments as they were read.

    They are written anew, so that no doubled key means one thing to the policy and another to the
    client.
    """
    call = decision.call
    head = {"id": value["id"]} if isinstance(value.get("id"), str) else {}
    if isinstance(value.get("custom"), Mapping):
        inner = {"name": call.name, "input": call.arguments.get("input")}
        return {**head, "type": "custom", "custom": inner}
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {**head, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
