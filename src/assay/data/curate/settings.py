"""What the user says of rules: severities, actions, allow-lists, options; it knows no row."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.data.curate.finding import ACTIONS, SEVERITIES, Action, Option, Rule, Severity
from assay.data.pathologies import ALL
from assay.errors import DataError, Problem

OFF = "off"


@dataclass(frozen=True)
class RuleSetting:
    """One rule as the user wants it. `severity` None is off.

    `allow` holds texts that are no finding: exact, or ``/regular expression/`` for a whole match.
    `is_applied`: the user named the action, so a run carries it out instead of stopping.
    """

    severity: Severity | None
    action: Action
    allow: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    is_applied: bool = False

    def allows(self, text: str) -> bool:
        """Whether a text that the rule found stands on the allow-list."""
        exact, patterns = self._allowed
        return text in exact or any(pattern.fullmatch(text) for pattern in patterns)

    @cached_property
    def _allowed(self) -> tuple[frozenset[str], list[re.Pattern[str]]]:
        patterns = [one for one in self.allow if _is_pattern(one)]
        exact = frozenset(self.allow) - frozenset(patterns)
        return exact, [re.compile(one[1:-1]) for one in patterns]


@dataclass(frozen=True)
class Settings:
    """Every rule's setting, by name, and the rules whose errors the user accepts."""

    rules: Mapping[str, RuleSetting]
    accept: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> RuleSetting:
        return self.rules[name]

    def is_on(self, name: str) -> bool:
        """Whether the rule is looked for at all."""
        return self.rules[name].severity is not None

    def option(self, rule: str, name: str) -> Any:
        """The value of a rule's option."""
        return self.rules[rule].options[name]

    def carries_out(self, rule: str, action: Action) -> bool:
        """Whether the user named this action, so that a run does it by itself."""
        return self.rules[rule].is_applied and self.rules[rule].action == action

    def accepts(self, rule: str) -> bool:
        """Whether errors of this rule may stand."""
        return ALL in self.accept or rule in self.accept


def resolve_settings(
    rules: Iterable[Rule],
    given: Mapping[str, Any] | None = None,
    *,
    accept: Sequence[str] = (),
    others: Sequence[str] = (),
    key: str = "data.rules",
) -> Settings:
    """The settings of all rules from what a recipe or the command line says.

    Args:
        given: `{rule: value}`, where value is a severity, an action, ``off``, or a mapping with
            any of `severity`, `action`, `allow` and the rule's own options.
        accept: rule names whose errors may stand, or ``all``.
        others: further names that `accept` may hold, which somebody else reads.
        key: the recipe key that problems name.

    Raises:
        DataError: unknown rules, options and values, all at once.
    """
    known = {rule.name: rule for rule in rules}
    problems: list[Problem] = []
    resolved = {name: _default(rule) for name, rule in known.items()}
    for name, value in (given or {}).items():
        if name not in known:
            problems.append(_unknown(f"{key}.{name}", name, known))
            continue
        resolved[name] = _resolve(known[name], value, f"{key}.{name}", problems)
    for name in accept:
        if name != ALL and name not in known and name not in others:
            problems.append(_unknown("data.accept", name, [*known, *others, ALL]))
    if problems:
        raise DataError(problems)
    return Settings(resolved, frozenset(accept))


def locate_paths(rules: Iterable[Rule], given: Mapping[str, Any], base_dir: Path) -> dict[str, Any]:
    """What a recipe says of rules, with options that name a file as paths from `base_dir`."""
    located = dict(given)
    for rule in rules:
        value = located.get(rule.name)
        if isinstance(value, Mapping):
            named = {name: one for name in rule.paths if isinstance(one := value.get(name), str)}
            paths = {name: str(base_dir / Path(one).expanduser()) for name, one in named.items()}
            located[rule.name] = {
                **value,
                **{name: one for name, one in paths.items() if named[name]},
            }
    return located


def merge_rules(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe says of rules, and `above` it the command line, member by member."""
    return {
        **below,
        **{
            name: {**expand_setting(below[name]), **expand_setting(value)}
            if name in below
            else value
            for name, value in above.items()
        },
    }


def expand_setting(value: Any) -> dict[str, Any]:
    """The members of a setting; a bare word is a severity or ``off``, else an action."""
    if isinstance(value, Mapping):
        return dict(value)
    return {"severity" if value == OFF or value in SEVERITIES else "action": value}


def require_range(
    settings: Settings, rule: str, option: str, *, least: float, most: float = float("inf")
) -> None:
    """Refuse an option of a rule that is on and lies outside of what makes sense.

    Raises:
        DataError: the option is below `least` or above `most`.
    """
    value = settings.option(rule, option)
    if not settings.is_on(rule) or least <= value <= most:
        return
    allowed = f"at least {least:g}" if most == float("inf") else f"{least:g} to {most:g}"
    key = f"data.rules.{rule}.{option}"
    raise DataError(Problem(repr(value), allowed, "correct the value", key=key))


def _default(rule: Rule) -> RuleSetting:
    return RuleSetting(rule.severity, rule.action, (), dict(rule.options))


def _unknown(key: str, name: str, known: Iterable[str]) -> Problem:
    near = difflib.get_close_matches(name, list(known), n=1)
    do = f"did you mean {near[0]}?" if near else "`assay data rules` lists all"
    return Problem(f"no such rule, {name!r}", "the name of a rule", do, key=key)


def _resolve(rule: Rule, value: Any, key: str, problems: list[Problem]) -> RuleSetting:
    setting = _default(rule)
    members = expand_setting(value)
    severity, action = setting.severity, setting.action
    allow, options = setting.allow, dict(setting.options)
    for name, member in members.items():
        place = f"{key}.{name}" if isinstance(value, Mapping) else key
        if name == "severity" and member == OFF:
            severity = None
        elif name == "severity" and member in SEVERITIES:
            severity = member
        elif name == "action" and member in ACTIONS:
            action = member
        elif name == "allow" and isinstance(member, list | tuple):
            allow = _read_allow(member, place, problems)
        elif name in options:
            options[name] = _read_option(member, options[name], place, problems)
        else:
            problems.append(_wrong(name, member, place, [*options]))
    return RuleSetting(severity, action, allow, options, "action" in members)


def _read_allow(given: Sequence[Any], key: str, problems: list[Problem]) -> tuple[str, ...]:
    texts = tuple(str(one) for one in given)
    for text in texts:
        try:
            re.compile(text[1:-1] if _is_pattern(text) else "")
        except re.error as error:
            do = "correct it, or leave the slashes out for an exact text"
            problems.append(Problem(f"{text!r}: {error}", "/a regular expression/", do, key=key))
    return texts


def _is_pattern(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _read_option(value: Any, default: Option, key: str, problems: list[Problem]) -> Any:
    wanted = type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is tuple and isinstance(value, list | tuple):
        return tuple(str(one) for one in value)
    if type(value) is not wanted:
        names = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
        allowed = f"{names.get(wanted, 'a list of texts')}; the default is {default!r}"
        problems.append(Problem(repr(value), allowed, "correct the value", key=key))
        return default
    return value


def _wrong(name: str, member: Any, key: str, options: Sequence[str]) -> Problem:
    if name == "severity":
        return Problem(repr(member), ", ".join([*SEVERITIES, OFF]), "use one of these", key=key)
    if name == "action":
        allowed = f"{', '.join(SEVERITIES)}, {OFF}; or an action: {', '.join(ACTIONS)}"
        return Problem(repr(member), allowed, "use one of these", key=key)
    if name == "allow":
        return Problem(repr(member), "a list of texts", "write […]", key=key)
    allowed = ", ".join(["severity", "action", "allow", *options])
    return Problem(f"an unknown member {name!r}", allowed, "remove it", key=key)
