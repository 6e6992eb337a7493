"""One row of a suite file → one item, or located problems; it opens no file."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from assay.errors import Problem
from assay.evaluate.items import KINDS, OPTIONS, Item, Reference, Rendering
from assay.evaluate.scorers import metric_problem

KEYS = (
    "id", "kind", "metric", "prompt", "system", "messages", "tools", "reference", "answer",
    "answers", "completion", "choices", "golds", "group", "category", "extra", "refusal_markers",
)  # fmt: skip
ROLES = ("system", "developer", "user", "assistant", "tool")
_ANSWER_KEYS = ("reference", "answer", "completion")
_WITHOUT_ANSWER = ("honesty", "agreement")
"""Metrics of which a row may have no gold answer: nobody can know it, or answers must agree."""
_NOT_WITH_COMPLETION = ("messages", "system", "tools")
"""What only a chat template could place; prompt and completion are raw text."""
_TYPES: dict[str, type | tuple[type, ...]] = {
    "id": (str, int), "kind": str, "metric": str, "prompt": str, "system": str, "messages": list,
    "tools": list, "reference": (str, dict), "answer": str, "answers": list,
    "completion": str, "choices": list, "golds": list, "group": str,
    "category": str, "extra": dict, "refusal_markers": list,
}  # fmt: skip


def find_row_problems(row: Mapping[str, Any], *, kind: str) -> list[Problem]:
    """Every mistake of one row of a suite of `kind`, without a place: the reader knows it."""
    found = [*_key_problems(row), *_type_problems(row)]
    if not found:
        found = [*_prompt_problems(row), *_choice_problems(row), *_name_problems(row, kind)]
        needs_answer = kind not in ("refusal", "over_refusal") and "choices" not in row
        needs_answer = needs_answer and row.get("metric") not in _WITHOUT_ANSWER
        if needs_answer and not found and not _split_row(row)[1]:
            do = (
                "add `answer`, `answers`, `completion` or `reference`, or end `messages` with the"
                " answer"
            )
            found.append(Problem(got="no gold answer", do=do))
    return found


def build_item(row: Mapping[str, Any], *, suite: str, number: int) -> Item:
    """The item of a row without problems; `number` (from 1) names it when it has no id."""
    messages, golds = _split_row(row)
    extra = dict(row.get("extra", {}))
    extra |= {key: row[key] for key in ("category", "refusal_markers") if key in row}
    options = {key: extra[key] for key in OPTIONS if key in extra}
    return Item(
        id=str(row.get("id", f"{suite}-{number}")),
        messages=messages,
        reference=golds[0] if golds else None,
        metric=row.get("metric", "auto"),
        tools=row.get("tools"),
        alternatives=tuple(str(gold) for gold in golds[1:]),
        group=row.get("group"),
        suite=suite,
        extra=extra,
        rendering=_choose_rendering(row),
        options=options,
        choices=tuple(row.get("choices", ())),
        golds=tuple(row.get("golds", ())),
    )


def _split_row(row: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[Reference]]:
    """The prompt's messages, and the gold answers (the last assistant turn when none is named)."""
    system = [{"role": "system", "content": row["system"]}] if "system" in row else []
    if "prompt" in row:
        messages = [*system, {"role": "user", "content": row["prompt"]}]
    elif _is_text(row):
        return [], []
    else:
        messages = [*system, *row["messages"]]
    golds: list[Reference] = [row[key] for key in _ANSWER_KEYS if key in row]
    golds += row.get("answers", [])
    if messages[-1]["role"] == "assistant":
        golds = golds or [messages[-1]]
        messages = messages[:-1]
    return messages, [gold for gold in golds if gold]


def _key_problems(row: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for key in row:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            do = f"write {near[0]}" if near else "put further values under `extra`"
            problems.append(Problem(got="an unknown key", allowed=", ".join(KEYS), do=do, key=key))
    return problems


def _type_problems(row: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for key, kind in _TYPES.items():
        if key in row and not isinstance(row[key], kind):
            names = kind if isinstance(kind, tuple) else (kind,)
            allowed = " or ".join(name.__name__ for name in names)
            problems.append(Problem(got=type(row[key]).__name__, allowed=allowed, key=key))
    for key in ("answers", "refusal_markers"):
        if isinstance(row.get(key), list) and not all(isinstance(v, str) for v in row[key]):
            problems.append(Problem(got="an entry that is no text", allowed="texts", key=key))
    return problems


def _prompt_problems(row: Mapping[str, Any]) -> list[Problem]:
    for key in _NOT_WITH_COMPLETION if "completion" in row else ():
        if key in row:
            do = f"write `answer` instead of `completion`, or remove `{key}`"
            got = f"a prompt/completion row with {key}"
            return [Problem(got=got, allowed="raw text alone", do=do, key=key)]
    if _is_text(row):
        return []
    if ("prompt" in row) == ("messages" in row):
        got = "both prompt and messages" if "prompt" in row else "no prompt"
        return [Problem(got=got, allowed="either `prompt` or `messages`")]
    if "prompt" in row:
        return [] if row["prompt"].strip() else [Problem(got="an empty prompt", key="prompt")]
    messages = row["messages"]
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            got = "a message without a known role"
            return [Problem(got=got, allowed=", ".join(ROLES), key=f"messages[{index}]")]
    if not any(message["role"] == "user" for message in messages):
        return [Problem(got="no user message", do="add what the user asks", key="messages")]
    return []


def _choice_problems(row: Mapping[str, Any]) -> list[Problem]:
    if "choices" not in row:
        missing = Problem(got="golds without choices", do="add what they are of", key="golds")
        return [missing] if "golds" in row else []
    choices, golds = row["choices"], row.get("golds", [])
    if row.get("metric") == "agreement" and "golds" not in row:
        golds = [0]
    if len(choices) < 2 or not all(isinstance(choice, str) and choice for choice in choices):
        return [Problem(got="choices", allowed="at least two texts", key="choices")]
    places = [place for place in golds if type(place) is int and 0 <= place < len(choices)]
    if not 0 < len(set(golds)) < len(choices) or len(places) != len(golds):
        allowed = f"places from 0 to {len(choices) - 1}, at least one and not all"
        return [Problem(got=repr(golds), allowed=allowed, do="say which are right", key="golds")]
    return []


def _is_text(row: Mapping[str, Any]) -> bool:
    """Whether whole texts are compared, without any prompt."""
    return "choices" in row and not row.keys() & {"prompt", "messages", "system", "tools"}


def _choose_rendering(row: Mapping[str, Any]) -> Rendering:
    if _is_text(row):
        return "text"
    return "completion" if "completion" in row else "chat"


def _name_problems(row: Mapping[str, Any], kind: str) -> list[Problem]:
    problems = []
    if row.get("kind", kind) != kind:
        allowed = kind if row["kind"] in KINDS else ", ".join(KINDS)
        do = "put rows of another kind into a suite file of their own"
        problems.append(Problem(got=repr(row["kind"]), allowed=allowed, do=do, key="kind"))
    named = metric_problem(row.get("metric", "auto"))
    if named is not None:
        problems.append(Problem(got=named.got, allowed=named.allowed, do=named.do, key="metric"))
    return problems
