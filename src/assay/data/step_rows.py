"""Reads rows whose answers are judged step by step; renders nothing.

An answer's steps are parted by an empty line, in its text as in what a model writes, so that they
can be told apart again: no step holds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.data.chat_rows import read_messages
from assay.data.plain_rows import read_string
from assay.data.preference_rows import read_label
from assay.data.records import Kind, Message, RowCheck, describe, describe_type
from assay.data.tool_rows import parse_if_text

STEP_BREAK = "\n\n"
"""What stands between two steps."""


def split_steps(text: str) -> list[str]:
    """The steps of an answer, without blanks around them; what is empty is none."""
    return [step for step in map(str.strip, text.split(STEP_BREAK)) if step]


def list_prefixes(text: str) -> list[str]:
    """The answer up to the end of each of its steps, the whole of it last."""
    steps = split_steps(text)
    return [STEP_BREAK.join(steps[:end]) for end in range(1, len(steps) + 1)]


def read_steps(
    fields: dict[str, Any], check: RowCheck
) -> tuple[Kind, list[Message], list[bool] | None]:
    """A prompt, the answer that `completions` form, and a label for each; problems go to `check`.

    The prompt is a text (`prompt`), which no template will touch, or an `instruction` or a `prompt`
    of messages, which is a chat's.
    """
    texts = _read_list(fields["completions"], check, "completions")
    told = _read_list(fields["labels"], check, "labels")
    steps = [_read_step(one, check, n) for n, one in enumerate(texts)]
    labels = [read_label(one, check, f"labels[{n}]") for n, one in enumerate(told)]
    if not check.problems and len(steps) != len(labels):
        got = f"{len(labels)} labels for {len(steps)} steps"
        check.refuse("labels", got, "a label for each step", "complete the list")
    kind, before = _read_prompt(fields, check)
    if check.problems:
        return kind, [], None
    answer = {"role": "assistant", "content": STEP_BREAK.join(steps)}
    return kind, [*before, answer], [bool(one) for one in labels]


def _read_list(value: Any, check: RowCheck, key: str) -> list[Any]:
    value = parse_if_text(value, check, key)
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return list(value)
    got = "an empty list" if value == [] else describe_type(value)
    check.refuse(key, got, "a list with one entry for each step")
    return []


def _read_step(value: Any, check: RowCheck, number: int) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or STEP_BREAK in text:
        got = "an empty line within a step" if text else describe(value)
        allowed = "text without empty lines, which part steps from each other"
        check.refuse(f"completions[{number}]", got, allowed, "make it two steps, or one line less")
    return text


def _read_prompt(fields: dict[str, Any], check: RowCheck) -> tuple[Kind, list[Message]]:
    prompt = fields.get("prompt")
    if isinstance(prompt, str) and not prompt.lstrip().startswith("[{"):
        text = read_string(fields, "prompt", check, empty="an empty prompt")
        return "completion", [{"role": "user", "content": text}]
    if prompt is not None:
        given = parse_if_text(prompt, check, "prompt")
        messages = [] if check.problems else read_messages(given, check, key="prompt")
        # Only the answer is judged.
        return "chat", [
            {**one, "weight": 0} if one["role"] == "assistant" else one for one in messages
        ]
    if fields.get("instruction") is None:
        check.refuse("prompt", "steps without a prompt", "a prompt, or an instruction", "add it")
        return "chat", []
    text = read_string(fields, "instruction", check, empty="an empty instruction")
    return "chat", [{"role": "user", "content": text}]
