"""Checks a call against a policy and the conversation so far: pass, flag, redact or block; pure.

Of the evidence nothing quotes the call or the conversation, so it may be logged and shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.tools.calls import ToolCall
from assay.tools.policy.carried import Carried, find_carried
from assay.tools.policy.conversation import Conversation
from assay.tools.policy.decision import Breach, Decision, find_outcome
from assay.tools.policy.naming import (
    find_destination_texts,
    find_namers,
    is_authored,
    is_named,
)
from assay.tools.policy.redact import redact
from assay.tools.policy.rules import ArgumentRule, BreachKind, Policy, ToolRule
from assay.tools.taint import iterate_texts
from assay.tools.validate import list_failed_keywords

_ORDERING = r"(?:call|use|using|run|invoke|execute|trigger|tool)\s+(?:the\s+)?(?:tool\s+)?[`'\"]?"


_REDACTING_ROUNDS = 20


@dataclass(frozen=True)
class _Found:
    kind: BreachKind
    argument: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    carried: Carried | None = None


def check_call(policy: Policy, conversation: Conversation, call: ToolCall) -> Decision:
    """Decide about one call of the model's next answer.

    Of several calls in an answer each is checked in the conversation that has those before it
    which were allowed (`Conversation.add_calls`).
    """
    rule = policy.tools.get(call.name)
    found = list(_find_all(policy, rule, conversation, call))
    breaches = tuple(
        Breach(one.kind, policy.choose_action(one.kind, call.name), one.argument, one.evidence)
        for one in found
    )
    outcome, allowed = find_outcome(breaches), call
    if outcome == "redact" and rule:
        allowed = _redact_all(policy, rule, conversation, call)
    return Decision(outcome, allowed, call.name if rule else "", breaches)


def _redact_all(
    policy: Policy, rule: ToolRule, conversation: Conversation, call: ToolCall
) -> ToolCall:
    """The call without all that the policy wants out of it.

    One round takes out what was found, behind which more of the same may stand; what still carries
    something after many rounds goes whole.
    """
    for last in (*[False] * _REDACTING_ROUNDS, True):
        carried = [
            (name, one.carried)
            for name, argument in rule.arguments.items()
            if name in call.arguments
            for _, text in iterate_texts(call.arguments[name])
            for one in _find_tainted(conversation, name, argument, text, (), set())
            if one.carried and policy.choose_action(one.kind, call.name) == "redact"
        ]
        if not carried:
            break
        call = redact(call, carried, whole=last)
    return call


def _find_all(
    policy: Policy, rule: ToolRule | None, conversation: Conversation, call: ToolCall
) -> Iterator[_Found]:
    if rule is None:
        yield _Found("unknown_tool")
        return
    if conversation.offered is not None and call.name not in conversation.offered:
        yield _Found("not_offered")
    yield from _find_schema(rule, call)
    yield from _find_budget(policy, rule, conversation, call)
    missing = [name for name in rule.after if name not in conversation.called]
    if missing:
        yield _Found("order", evidence={"needs_before": missing})
    for name, place in find_orders(conversation, call):
        known = name if name in rule.parameters.get("properties", {}) else ""
        yield _Found("ordered", known, {"owner": "result", "place": place})
    for name, argument in rule.arguments.items():
        if name in call.arguments:
            texts = [text for _, text in iterate_texts(call.arguments[name])]
            yield from _find_argument(conversation, name, argument, texts)


def _find_schema(rule: ToolRule, call: ToolCall) -> Iterator[_Found]:
    known = rule.parameters.get("properties", {})
    for path, keyword in list_failed_keywords(call.arguments, rule.parameters):
        name = str(path[0]) if path and path[0] in known else ""
        yield _Found("schema", name, {"keyword": keyword})


def _find_budget(
    policy: Policy, rule: ToolRule, conversation: Conversation, call: ToolCall
) -> Iterator[_Found]:
    in_turn, in_all = conversation.called_in_turn, conversation.called
    limits = (
        ("calls of the tool in a turn", in_turn.count(call.name), rule.max_per_turn),
        ("calls of the tool", in_all.count(call.name), rule.max_per_conversation),
        ("calls in a turn", len(in_turn), policy.max_per_turn),
        ("calls", len(in_all), policy.max_per_conversation),
    )
    for what, num_before, most in limits:
        if num_before >= most:
            yield _Found("budget", evidence={"limit": what, "most": most})
            return


def find_orders(conversation: Conversation, call: ToolCall) -> list[tuple[str, str]]:
    """Where a tool's result names this tool and gives a value that the user did not: the argument
    and the result's place, at most one."""
    texts = [(path, text) for path, text in iterate_texts(call.arguments) if len(text) > 2]
    for heard in conversation.results:
        if not is_tool_named(call.name, heard.lowered):
            continue
        for path, text in texts:
            places = find_destination_texts(text)
            given = all(map(heard.names, places)) if places else heard.says(text)
            if given and not conversation.is_said_by_user(text):
                return [(re.split(r"[.\[]", path)[0], heard.place)]
    return []


def is_tool_named(name: str, lowered: str) -> bool:
    """Whether a text in lower case speaks of the tool; a single word may stand there by chance."""
    name = name.lower()
    if name not in lowered:
        return False
    whole = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
    if re.search(r"[_.-]", name):
        return re.search(whole, lowered) is not None
    return re.search(rf"{_ORDERING}{re.escape(name)}\b|{whole}\s*\(", lowered) is not None


def _find_argument(
    conversation: Conversation, name: str, rule: ArgumentRule, texts: Sequence[str]
) -> Iterator[_Found]:
    for text in texts:
        skipped: set[str] = set()
        if rule.leads:
            namers = find_namers(text, conversation, among=rule.named_by)
            if not is_named(text, rule, namers):
                named_by = sorted(find_namers(text, conversation))
                evidence = {"named_by": named_by, "allowed": list(rule.named_by)}
                yield _Found("destination", name, evidence)
            skipped = {"result"} & namers & set(rule.named_by)
            own = find_destination_texts(text)
        else:
            own = []
            if not is_authored(text, rule, conversation):
                yield _Found("made_up", name, {"allowed": list(rule.named_by)})
        yield from _find_tainted(conversation, name, rule, text, own, skipped)


def _find_tainted(
    conversation: Conversation,
    name: str,
    rule: ArgumentRule,
    text: str,
    own: Sequence[str],
    skipped: set[str],
) -> Iterator[_Found]:
    carries = {*rule.carries, *skipped}
    told = set()
    for one in find_carried(text, conversation, own=own):
        is_system = one.heard.owner == "system"
        allowance = "system" if is_system else _ALLOWANCE[one.kind]
        if allowance in carries or (one.kind, one.heard) in told:
            continue
        told.add((one.kind, one.heard))
        evidence = {
            "owner": one.heard.owner,
            "place": one.heard.place,
            "form": one.form,
            "channels": list(rule.channels),
        }
        yield _Found(one.kind, name, evidence, one)


_ALLOWANCE: dict[BreachKind, str] = {
    "secret": "secret",
    "system_text": "system",
    "result_text": "result",
}
