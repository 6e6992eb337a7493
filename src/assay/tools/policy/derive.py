"""Derives a policy from training rows: the tools, arguments, destinations and budgets they show."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.tools.channels import Channel
from assay.tools.policy.check import check_call, find_orders
from assay.tools.policy.learn import (
    LeftOut,
    find_outward,
    leads,
    learn_content,
    learn_destination,
    spread,
    texts_of,
)
from assay.tools.policy.narrow import MIN_CALLS, narrow_parameters
from assay.tools.policy.rules import ArgumentRule, Policy, ToolRule
from assay.tools.policy.seen import Seen, TrainingRow, list_seen

MAX_CHECKED = 2000
_ROOM = 4
"""Conversations are longer than training rows: so many times the calls of the longest row."""
_MIN_IN_CONVERSATION = 20


@dataclass(frozen=True)
class Derived:
    """A policy, and how the rows' own calls fare by it.

    Attributes:
        num_calls: calls in the rows.
        num_checked, num_passed: of those that were checked by the policy (at most `MAX_CHECKED`).
        left_out: calls from which nothing was learned; worth a look, since a planted call is one.
    """

    policy: Policy
    num_calls: int
    num_checked: int
    num_passed: int
    left_out: tuple[LeftOut, ...]


def derive_policy(rows: Iterable[TrainingRow]) -> Derived:
    """The policy that allows what `rows` show; without a call in them it denies all."""
    every = list_seen(rows)
    by_tool: dict[str, list[Seen]] = defaultdict(list)
    for seen in every:
        by_tool[seen.call.name].append(seen)
    left_out: list[LeftOut] = []
    kept: list[Seen] = []
    arguments: dict[str, dict[str, ArgumentRule]] = {}
    for name, calls in by_tool.items():
        own, arguments[name], odd = _learn_tool(name, calls)
        kept += own
        left_out += odd
    kept.sort(key=lambda seen: (seen.row, seen.turn))
    policy = _build(kept, arguments)
    checked = spread(every, MAX_CHECKED)
    num_passed = sum(check_call(policy, one.before, one.call).outcome == "pass" for one in checked)
    return Derived(policy, len(every), len(checked), num_passed, tuple(left_out))


def _learn_tool(
    name: str, calls: Sequence[Seen]
) -> tuple[list[Seen], dict[str, ArgumentRule], list[LeftOut]]:
    """The calls that are learned from, the rules of what leads out, and what was left out."""
    honest = [seen for seen in calls if not find_orders(seen.before, seen.call)]
    left_out = []
    if len(honest) < len(calls):
        reason = "a tool's result orders the call"
        left_out.append(LeftOut(name, "", reason, "", len(calls) - len(honest)))
    outward = find_outward(honest)
    rules: dict[str, ArgumentRule] = {}
    refused: dict[str, dict[str, int]] = {}
    leading = [
        key
        for key in outward
        if leads(key, [t for one in spread(honest) for t in texts_of(one, key)])
    ]
    for key in leading:
        rules[key], refused[key] = learn_destination(outward[key], key, spread(honest))
        left_out += [
            LeftOut(name, key, "nobody named the destination", text, num)
            for text, num in refused[key].items()
        ]
    honest = [seen for seen in honest if not _is_refused(seen, refused)]
    return honest, {**rules, **_learn_contents(outward, leading, honest)}, left_out


def _learn_contents(
    outward: Mapping[str, tuple[Channel, ...]], leading: Sequence[str], honest: Sequence[Seen]
) -> dict[str, ArgumentRule]:
    return {
        key: learn_content(channels, key, spread(honest))
        for key, channels in outward.items()
        if key not in leading
    }


def _is_refused(seen: Seen, refused: Mapping[str, Mapping[str, int]]) -> bool:
    return any(text in texts for key, texts in refused.items() for text in texts_of(seen, key))


def _build(kept: Sequence[Seen], arguments: Mapping[str, dict[str, ArgumentRule]]) -> Policy:
    by_tool: dict[str, list[Seen]] = defaultdict(list)
    for seen in kept:
        by_tool[seen.call.name].append(seen)
    if not by_tool:
        return Policy()
    after = _find_order(kept)
    rules = {
        name: _build_rule(name, calls, arguments[name], after.get(name, ()))
        for name, calls in sorted(by_tool.items())
    }
    return Policy(
        tools=rules,
        max_per_turn=2 * _count_most(kept, by_turn=True),
        max_per_conversation=_leave_room(_count_most(kept, by_turn=False)),
    )


def _build_rule(
    name: str, calls: Sequence[Seen], arguments: dict[str, ArgumentRule], after: tuple[str, ...]
) -> ToolRule:
    parameters = narrow_parameters(
        _list_schemas(name, calls), [one.call.arguments for one in calls], arguments
    )
    in_turn = _count_most(calls, by_turn=True)
    is_known = bool(arguments) and len(calls) >= MIN_CALLS
    return ToolRule(
        parameters=parameters,
        arguments={key: rule for key, rule in arguments.items() if key in parameters["properties"]},
        after=after,
        # What leads out is not called more often in a turn than rows show.
        max_per_turn=in_turn if is_known else 2 * in_turn,
        max_per_conversation=_leave_room(_count_most(calls, by_turn=False)),
    )


def _leave_room(most: int) -> int:
    return max(_MIN_IN_CONVERSATION, _ROOM * most)


def _count_most(calls: Iterable[Seen], *, by_turn: bool) -> int:
    """The most calls of one row, or of one turn of a row."""
    counts = Counter((one.row, one.turn if by_turn else 0) for one in calls)
    return max(counts.values(), default=0)


def _list_schemas(name: str, calls: Sequence[Seen]) -> list[Mapping[str, Any]]:
    """The different parameters with which the rows offer a tool, the most frequent first."""
    spelled: Counter[str] = Counter()
    for seen in spread(calls):
        for tool in seen.tools:
            spec = tool.get("function") or tool
            if spec.get("name") == name and isinstance(spec.get("parameters"), Mapping):
                spelled[json.dumps(spec["parameters"], sort_keys=True)] += 1
    return [json.loads(text) for text, _ in spelled.most_common()]


def _find_order(calls: Sequence[Seen]) -> dict[str, tuple[str, ...]]:
    """For tools with enough calls, those that had always been called before."""
    always: dict[str, set[str]] = {}
    num: Counter[str] = Counter()
    for seen in calls:
        name = seen.call.name
        before = set(seen.before.called) - {name}
        always[name] = before if name not in always else always[name] & before
        num[name] += 1
    known = {seen.call.name for seen in calls}
    return {
        name: tuple(sorted(found & known))
        for name, found in always.items()
        if found & known and num[name] >= MIN_CALLS
    }
