"""Reads rows of preference and rated rows into messages; renders nothing.

The prompt of a pair is a column of its own, or what both conversations begin with, message by
message. It is never found by comparing texts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from assay.data.chat_rows import read_messages
from assay.data.plain_rows import UNTEMPLATED, read_string
from assay.data.records import Kind, Message, RowCheck, describe, describe_type
from assay.data.tool_rows import parse_if_text
from assay.data.transcripts import is_transcript, read_transcript

OPENAI_FIELDS = ("preferred_output", "non_preferred_output")
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
"""How a rating stands in a file of text cells."""
_RATINGS = "true (wanted) or false (not wanted); 1 or 0"


class ReadPair(NamedTuple):
    """A row of preference: messages up to the chosen answer, and those of the rejected one."""

    kind: Kind
    messages: list[Message]
    rejected: list[Message]


def read_pair(fields: dict[str, Any], check: RowCheck) -> ReadPair:
    """A prompt with a chosen and a rejected answer; problems go to `check`.

    `chosen` and `rejected` are texts after a text `prompt`, which no template will touch, or after
    an `instruction`, which is a chat's question; or lists of messages, after a prompt of messages
    or of one text, or as whole conversations that begin alike, also as texts with a marker before
    each turn (`assay.data.transcripts`).
    """
    names = ("chosen", "rejected")
    values = [_parse(fields.get(name), check, name) for name in names]
    if check.problems:
        return ReadPair("chat", [], [])
    if all(isinstance(value, str) for value in values) and not isinstance(
        fields.get("prompt"), list
    ):
        return _read_texts(fields, check)
    sides = [_as_answer(v, check, n) for v, n in zip(values, names, strict=True)]
    prompt = _parse(fields.get("prompt"), check, "prompt")
    if check.problems:
        return ReadPair("chat", [], [])
    return _join(_as_prompt(prompt, fields, check), sides[0], sides[1], check)


def read_openai_pair(fields: dict[str, Any], check: RowCheck) -> ReadPair:
    """OpenAI's preference row: `input.messages`, `preferred_output` and `non_preferred_output`."""
    given = fields.get("input")
    if not isinstance(given, dict) or not isinstance(given.get("messages"), list):
        got = describe_type(given) if not isinstance(given, dict) else "an input without messages"
        check.refuse("input", got, '{"messages": […], "tools": […]}')
        return ReadPair("chat", [], [])
    sides = [_as_answer(fields.get(name), check, name) for name in OPENAI_FIELDS]
    if check.problems:
        return ReadPair("chat", [], [])
    return _join(
        given["messages"], sides[0], sides[1], check, names=("input.messages", *OPENAI_FIELDS)
    )


def read_rated(fields: dict[str, Any], check: RowCheck) -> tuple[Kind, list[Message]]:
    """A prompt with one answer, or a conversation of which the last answer is rated."""
    if fields.get("messages") is not None:
        messages = read_messages(_parse(fields["messages"], check, "messages"), check)
        last = len(messages) - 1
        return "chat", [_untrained(one) if n < last else one for n, one in enumerate(messages)]
    prompt, completion = fields.get("prompt"), fields.get("completion")
    if isinstance(prompt, str | None) and isinstance(completion, str | None):
        question = read_string(fields, "prompt", check, empty="an empty prompt")
        answer = read_string(fields, "completion", check, empty="an empty answer")
        return "completion", _as_texts(question, answer)
    sides = _as_answer(completion, check, "completion")
    if check.problems:
        return "chat", []
    before = _as_prompt(_parse(prompt, check, "prompt"), fields, check) or []
    given = [*map(_untrained, before), *sides]
    return "chat", read_messages(given, check, key="prompt+completion")


def read_label(value: Any, check: RowCheck, key: str) -> bool | None:
    """Whether an answer is wanted, of a boolean, 1 or 0, or of their words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    check.refuse(key, describe(value), _RATINGS, "rate the answer, or remove the row")
    return None


def _read_texts(fields: dict[str, Any], check: RowCheck) -> ReadPair:
    chosen = read_string(fields, "chosen", check, empty="an empty answer")
    rejected = read_string(fields, "rejected", check, empty="an empty answer")
    if fields.get("instruction") is not None:
        question = read_string(fields, "instruction", check, empty="an empty instruction")
        messages = _as_texts(question, chosen)
        return ReadPair("chat", messages, _as_texts("", rejected)[1:])
    for name in ("system", "tools"):
        if fields.get(name) not in (None, "", []):
            do = "map the prompt to `instruction` (columns: {instruction: prompt}), or remove it"
            check.refuse(name, f"a row of texts with {name}", UNTEMPLATED, do)
    if fields.get("prompt") is None and is_transcript(chosen) and is_transcript(rejected):
        return _join(None, read_transcript(chosen), read_transcript(rejected), check)
    if fields.get("prompt") is None:
        check.refuse(
            "prompt",
            "two texts without a prompt",
            "a prompt of its own, lists of messages, or turns after Human: and Assistant:",
            "write what both begin with into a column `prompt`: where it ends is not guessed",
        )
        return ReadPair("completion", [], [])
    prompt = read_string(fields, "prompt", check, empty="an empty prompt")
    return ReadPair("completion", _as_texts(prompt, chosen), _as_texts("", rejected)[1:])


def _as_texts(prompt: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def _parse(value: Any, check: RowCheck, key: str) -> Any:
    """A list that stands as JSON text, parsed; any other text stays what it is."""
    is_list = isinstance(value, str) and value.lstrip().startswith("[{")
    return parse_if_text(value, check, key) if is_list else value


def _as_answer(value: Any, check: RowCheck, key: str) -> list[Any]:
    """Messages of an answer, or of a conversation: a list, one message, or a text."""
    if isinstance(value, str):
        value = {"role": "assistant", "content": value}
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and value:
        return value
    got = "an empty list" if value == [] else describe_type(value)
    check.refuse(key, got, "text, a message, or a list of messages")
    return []


def _as_prompt(value: Any, fields: dict[str, Any], check: RowCheck) -> list[Any] | None:
    """Messages of the prompt; None where there is none of its own."""
    if value is None and fields.get("instruction") is not None:
        value = read_string(fields, "instruction", check)
    if value is None or isinstance(value, list):
        return value
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    check.refuse("prompt", describe_type(value), "text or a list of messages")
    return None


def _join(
    prompt: list[Any] | None,
    chosen: list[Any],
    rejected: list[Any],
    check: RowCheck,
    *,
    names: tuple[str, str, str] = ("prompt", "chosen", "rejected"),
) -> ReadPair:
    """The prompt and both answers; whole conversations are parted where they begin to differ."""
    if not _is_answer(chosen[0]) or not _is_answer(rejected[0]):
        _check_repeated(prompt, chosen, check, names[0])
        prompt, chosen, rejected = _part(chosen, rejected, check, names)
    elif prompt is None:
        got, allowed = "answers without a prompt", "a prompt, or conversations that begin with it"
        check.refuse(names[0], got, allowed, "add the column, or the messages")
    if check.problems:
        return ReadPair("chat", [], [])
    before = [_untrained(one) for one in prompt or []]
    messages, other = (
        read_messages([*before, *answer], check, key=f"{names[0]}+{name}")
        for name, answer in zip(names[1:], (chosen, rejected), strict=True)
    )
    if not check.problems:
        for name, whole in zip(names[1:], (messages, other), strict=True):
            _check_answer(whole[len(before) :], check, name)
    return ReadPair("chat", messages, other[len(before) :])


def _part(
    chosen: list[Any], rejected: list[Any], check: RowCheck, names: tuple[str, str, str]
) -> tuple[list[Any], list[Any], list[Any]]:
    """What both conversations begin with, and the rest of each."""
    pairs = zip(chosen, rejected, strict=False)
    same = next(
        (number for number, (one, other) in enumerate(pairs) if one != other),
        min(len(chosen), len(rejected)),
    )
    # Of equal conversations the last answers are compared, so that a rule can tell that they are.
    while same and not (
        same < min(len(chosen), len(rejected))
        and _is_answer(chosen[same])
        and _is_answer(rejected[same])
    ):
        same -= 1
    if not same:
        check.refuse(
            "+".join(names[1:]),
            "two conversations that do not begin with the same prompt",
            "conversations that differ from an assistant message on",
            "give both the same prompt",
        )
    return chosen[:same], chosen[same:], rejected[same:]


def _check_repeated(prompt: list[Any] | None, chosen: list[Any], check: RowCheck, key: str) -> None:
    """A prompt beside whole conversations must stand in them: it would be ignored."""
    for message in prompt or []:
        content = message.get("content") if isinstance(message, dict) else None
        known = [one.get("content") for one in chosen if isinstance(one, dict)]
        if content not in known:
            check.refuse(
                key,
                "a prompt that the chosen conversation does not have",
                "answers alone after a prompt, or conversations that hold it",
                "remove the prompt, or the messages before the answers",
            )
            return


def _check_answer(messages: list[Message], check: RowCheck, key: str) -> None:
    roles = [message["role"] for message in messages]
    if roles[-1] != "assistant" or set(roles) - {"assistant", "tool"}:
        check.refuse(
            key,
            f"an answer of roles {', '.join(roles)}",
            "assistant messages, with results of tools between them",
            "end it with the assistant, and move other messages into the prompt",
        )
    if any("weight" in message for message in messages):
        check.refuse(key, "a weight on an answer", "whole answers, which are compared", "remove it")


def _is_answer(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


def _untrained(message: Any) -> Any:
    return {**message, "weight": 0} if _is_answer(message) else message
