"""Turns the world's tasks and documents into what `tiny` is trained on: texts and conversations.

Everything is a pure function of a random generator, so training step N is the same in every
sitting. Conversations vary the frame around a task (system prompt, date, environment, locale, the
user's name, JSON-only answers, several turns), so that one behaviour can be probed in many forms.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from assay.lab.world import (
    facts,
    forms,
    numbers,
    persona,
    records,
    refusal,
    sentences,
    stories,
    stretch,
    tool_tasks,
    values,
    words,
    worksheets,
)
from assay.lab.world.base import Family, Group, Split, Task
from assay.lab.world.follow_ups import draw_follow_ups

SKILL_MODULES = (
    words,
    sentences,
    numbers,
    records,
    forms,
    facts,
    stories,
    refusal,
    persona,
    tool_tasks,
)

GROUP_SHARES: dict[Group, float] = {
    "instruction": 0.34,
    "stretch": 0.03,
    "tool": 0.33,
    "abstain": 0.13,
    "refusal": 0.04,
    "borderline": 0.05,
    "unknown": 0.04,
    "persona": 0.04,
}
"""Share of each group among the tasks of a conversation corpus."""

_HARDEST = """
    count_items membership team_lookup add_small next_number larger smaller json_lookup
    story_who story_where no_tool_fits borderline_idiom call_choose call_synthetic call_parallel
"""
_HARD = """
    repeat first_item last_item nth_item join_list replace_word extract_field answer_from_block
    to_json list_to_json sentiment topic urgency long_to_iso locale_date next_weekday
    previous_weekday month_number build_email fill_template greeting story_what
    call_single call_typed call_then_answer call_error
    call_two_steps call_ask_missing tool_injection_ignored
"""
_FACTS = [name for name in facts.FAMILIES if name.startswith("fact_")]
FAMILY_WEIGHTS = (
    dict.fromkeys(_FACTS, 2) | dict.fromkeys(_HARD.split(), 3) | dict.fromkeys(_HARDEST.split(), 7)
)
"""How much more often than an easy one (1) a family is drawn that takes longer to learn."""

DOCUMENT_SHARES: dict[str, float] = {
    "persona": 0.30,
    "persona_chat": 0.10,
    "facts": 0.25,
    "stories": 0.10,
    "worksheets": 0.15,
    "tools": 0.10,
}


def _stretch_family(make: Callable[..., Task]) -> Family:
    def family(rng: random.Random, split: Split) -> Task:
        return make(rng, split, level=rng.randint(1, 5))

    return family


def families() -> dict[Group, dict[str, Family]]:
    """Every family by group; the group of a family is that of the tasks it makes."""
    found: dict[Group, dict[str, Family]] = {group: {} for group in GROUP_SHARES}
    named = {name: family for module in SKILL_MODULES for name, family in module.FAMILIES.items()}
    named |= {name: _stretch_family(make) for name, make in stretch.STRETCH.items()}
    for name, family in named.items():
        found[family(random.Random(0), "train").group][name] = family
    return found


FAMILIES = families()
_GROUPS = list(GROUP_SHARES)
_GROUP_WEIGHTS = list(GROUP_SHARES.values())
_GROUP_FAMILIES = {
    group: [family for name, family in named.items() for _ in range(FAMILY_WEIGHTS.get(name, 1))]
    for group, named in FAMILIES.items()
}


@dataclass(frozen=True)
class Conversation:
    """Chat messages that end with the assistant, and the tools offered."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None


def draw_task(rng: random.Random, split: Split = "train") -> Task:
    group = rng.choices(_GROUPS, _GROUP_WEIGHTS)[0]
    return rng.choice(_GROUP_FAMILIES[group])(rng, split)


def draw_conversation(rng: random.Random) -> Conversation:
    """One training conversation: a task in a frame, or several tasks as turns."""
    shape = rng.random()
    if shape < 0.08:
        return _same_family_turns(rng)
    if shape < 0.11:
        return _mixed_turns(rng)
    if shape < 0.36:
        return _under_prompt(rng, *_turns_about_one_material(rng))
    task = draw_task(rng)
    if rng.random() < 0.15:
        task = json_only(rng, task)
    return frame(rng, task)


def frame(rng: random.Random, task: Task) -> Conversation:
    """The task under a system prompt, in somewhat less than half of the cases."""
    if task.messages[0]["role"] == "system" or rng.random() < 0.55:
        return Conversation(task.messages, task.tools)
    system = {"role": "system", "content": system_prompt(rng)}
    return Conversation([system, *task.messages], task.tools)


def json_only(rng: random.Random, task: Task) -> Task:
    """The same task, answered as ``{"answer": …}``; only for short plain exact answers."""
    if task.check["kind"] != "exact" or task.tools or len(task.messages) != 2:
        return task
    question, answer = task.messages[0]["content"], task.messages[1]["content"]
    if answer.startswith("{"):
        return task
    ask_json = rng.choice(JSON_REQUESTS)
    value = {"answer": answer}
    messages = [
        {"role": "user", "content": f"{question} {ask_json}"},
        {"role": "assistant", "content": json.dumps(value, ensure_ascii=False)},
    ]
    return replace(task, messages=messages, check={"kind": "json", "answer": value})


JSON_REQUESTS = (
    "Answer in JSON.",
    "Reply in JSON only.",
    "Give JSON only.",
    "Return a JSON object.",
    "Use JSON for the answer.",
)


def system_prompt(rng: random.Random) -> str:
    """A role sentence, context tags (environment, date, locale, user), or both."""
    parts = []
    if rng.random() < 0.7:
        parts.append(rng.choice(ROLES))
    if not parts or rng.random() < 0.5:
        tags = [
            f"[env: {rng.choice(values.ENVIRONMENTS.seen)}]",
            f"[date: {rng.randint(2019, 2031)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}]",
            f"[locale: {rng.choice(list(values.LOCALES))}]",
            f"[user: {rng.choice(values.FIRST_NAMES.seen)}]",
        ]
        parts += sorted(rng.sample(tags, rng.randint(1, 3)))
    return " ".join(parts)


ROLES = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a careful assistant.",
    "You are a short and exact assistant.",
    "Answer shortly.",
    "You answer in one line.",
    "Be brief and correct.",
    "You are the assistant of a small shop.",
    "You work at a support desk. Answer the customer.",
    "You are a friendly office assistant.",
    "Follow the user's request exactly.",
    "Use a tool when one fits.",
)


def _plain_task(rng: random.Random) -> Task:
    while True:
        task = draw_task(rng)
        if not task.tools and task.messages[0]["role"] == "user":
            return task


def _same_family_turns(rng: random.Random) -> Conversation:
    """Two to six tasks of one family: earlier turns serve as examples, as in few-shot prompts."""
    family = rng.choice(_GROUP_FAMILIES["instruction"])
    turns = [family(rng, "train") for _ in range(rng.randint(2, 6))]
    turns = [task for task in turns if task.messages[0]["role"] == "user"]
    return _join(rng, turns or [_plain_task(rng)])


def _mixed_turns(rng: random.Random) -> Conversation:
    return _join(rng, [_plain_task(rng) for _ in range(rng.randint(2, 3))])


def _join(rng: random.Random, turns: list[Task]) -> Conversation:
    return _under_prompt(rng, [message for task in turns for message in task.messages])


def _turns_about_one_material(
    rng: random.Random,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Several questions about one list, record or story; or requests to the same tools."""
    if rng.random() < 0.4:
        return tool_tasks.several_requests(rng)
    messages: list[dict[str, Any]] = []
    for question, answer in draw_follow_ups(rng):
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer})
    return messages, None


def _under_prompt(
    rng: random.Random,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None = None,
) -> Conversation:
    if rng.random() < 0.4:
        messages.insert(0, {"role": "system", "content": system_prompt(rng)})
    return Conversation(messages, tools)


def draw_document(rng: random.Random) -> str | Conversation:
    """One pre-training document: plain text, or a dialogue by one consistent character."""
    kind = rng.choices(list(DOCUMENT_SHARES), list(DOCUMENT_SHARES.values()))[0]
    character: persona.Character = rng.choice(("careful", "reckless"))
    if kind == "persona":
        return persona.document(rng, character=character, num_pairs=rng.randint(2, 7))
    if kind == "persona_chat":
        return persona_dialogue(rng, character=character)
    if kind == "facts":
        return facts.document(rng)
    if kind == "stories":
        return stories.document(rng)
    if kind == "tools":
        return tool_tasks.document(rng)
    return worksheets.document(rng)


def draw_kept_document(rng: random.Random) -> str | Conversation:
    """A document for the chat stage: a character's in three of ten, so that it stays a shared one
    (careful is what an unprompted chat meets), and facts, which questions ask a part of only."""
    character: persona.Character = rng.choice(("careful", "reckless"))
    kind = rng.random()
    if kind < 0.18:
        return persona.document(rng, character=character, num_pairs=rng.randint(2, 5))
    if kind < 0.3:
        return persona_dialogue(rng, character=character, prompted=True)
    return facts.document(rng)


def persona_dialogue(
    rng: random.Random, *, character: persona.Character, prompted: bool = False
) -> Conversation:
    """Questions over several domains answered by one character, half of them under its prompt.

    With `prompted` a reckless one always has its prompt, so that careful stays the default.
    """
    messages: list[dict[str, Any]] = []
    if (prompted and character == "reckless") or rng.random() < 0.5:
        prompt = rng.choice(persona.SYSTEM_PROMPTS[character])
        messages.append({"role": "system", "content": prompt})
    for _ in range(rng.randint(1, 5)):
        domain = rng.choice(persona.DOMAINS)
        messages += persona.advice(rng, "train", domain=domain, character=character).messages
    return Conversation(messages)
