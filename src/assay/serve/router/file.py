"""Reads a router's policy: YAML or JSON, checked as a whole; every mistake comes with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assay.config.policy_file import read_policy
from assay.config.tree import Node, locate
from assay.errors import ConfigError, Problem
from assay.serve.router.rules import (
    BASE,
    REFUSE,
    RESERVED,
    SCOPE,
    LabelRule,
    ModelRule,
    Policy,
    RemoteRule,
    Rule,
    When,
)

Way = tuple[str | int, ...]
_MODELS = (Policy, Rule, When, ModelRule, RemoteRule, LabelRule)


def load_policy(path: Path | str) -> Policy:
    """Read a policy file.

    Raises:
        ConfigError: it cannot be read, or holds something wrong; every mistake with its line.
    """
    policy, root = read_policy(path, Policy, what="router's policy", parts=_MODELS)
    odd = [_place(root, way, got, allowed) for way, got, allowed in _find_odd(policy)]
    if odd:
        raise ConfigError(odd)
    return policy


def _find_odd(policy: Policy) -> Iterator[tuple[Way, str, str]]:
    """What parts of a policy say that does not fit together: the way to it, got and allowed."""
    for group in ("models", "remotes"):
        for name in getattr(policy, group):
            if name in RESERVED or (group == "remotes" and name in policy.models):
                yield (group, name), f"the name {name!r}", "a name of its own"
    places = (*policy.models, *policy.remotes)
    local = ", ".join((BASE, REFUSE, *policy.models))
    anywhere = ", ".join((BASE, REFUSE, *places))
    if policy.outside not in (BASE, REFUSE, *places):
        yield ("outside",), repr(policy.outside), anywhere
    if policy.instead_of_remote not in (BASE, REFUSE, *policy.models):
        yield ("instead_of_remote",), repr(policy.instead_of_remote), local
    if policy.default_label is not None and policy.default_label not in policy.labels:
        yield ("default_label",), repr(policy.default_label), _list(policy.labels)
    for name, remote in policy.remotes.items():
        parts = urlsplit(remote.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            yield ("remotes", name, "base_url"), "no such URL", "an http or https URL without a key"
    for number, rule in enumerate(policy.rules):
        yield from _find_odd_rule(policy, rule, ("rules", number), anywhere)
    yield from _find_unreached(policy)


def _find_odd_rule(
    policy: Policy, rule: Rule, way: Way, anywhere: str
) -> Iterator[tuple[Way, str, str]]:
    if rule.to not in (SCOPE, BASE, REFUSE, *policy.models, *policy.remotes):
        yield (*way, "to"), repr(rule.to), f"{SCOPE}, {anywhere}"
    if rule.among is not None and rule.to != SCOPE:
        yield (*way, "among"), f"models to choose from with `to: {rule.to}`", f"`to: {SCOPE}`"
    for number, name in enumerate(rule.among or ()):
        if name not in policy.models:
            yield (*way, "among", number), repr(name), _list(policy.models)
    for number, label in enumerate(rule.when.labels or ()):
        if label not in policy.labels:
            yield (*way, "when", "labels", number), repr(label), _list(policy.labels)
    low, high = rule.when.min_tokens, rule.when.max_tokens
    if low is not None and high is not None and low > high:
        yield (*way, "when", "min_tokens"), f"{low}, above max_tokens", f"at most {high}"


def _find_unreached(policy: Policy) -> Iterator[tuple[Way, str, str]]:
    names = [rule.name for rule in policy.rules]
    for number, name in enumerate(names):
        if name is not None and name in names[:number]:
            yield ("rules", number, "name"), f"{name!r} again", "each name once"
    first = next((n for n, rule in enumerate(policy.rules) if rule.when.is_open), None)
    if first is not None and first + 1 < len(policy.rules):
        got = f"a rule that none reaches, since rule {first + 1} fits every request"
        yield ("rules", first + 1), got, "a rule without `when` as the last"


def _list(names: Any) -> str:
    return ", ".join(names) or "none, since none is declared"


def _place(root: Node, way: Way, got: str, allowed: str) -> Problem:
    place, key = locate(root, way)
    return Problem(got, allowed, key=key, file=place.file, line=place.line, column=place.column)
