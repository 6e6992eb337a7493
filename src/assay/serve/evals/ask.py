"""Asks a model of this server what a run asks of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.types import ASGIApp

from assay.errors import Problem
from assay.graders import Sample
from assay.graders.chat import read_chat
from assay.graders.grade import GradeFailure
from assay.graders.spec import SpecReader
from assay.graders.template import compile_template, look_up
from assay.serve.batches.ask import ask_patiently
from assay.serve.errors import refuse, refuse_problems
from assay.serve.evals.body import DEFAULT_SEED
from assay.serve.evals.rows import EvalRow

_NOT_ALLOWED = (401, 403)
_PLACE = "data_source.input_messages"


class KeyRefused(Exception):
    """A key may not ask: the refusal's code, and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Asking(Protocol):
    """Makes the messages of a row; raises GradeFailure where its holes lead nowhere."""

    def __call__(self, row: EvalRow) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Answer:
    """What a row's answer is: as graders read it, and as it is shown; or why there is none."""

    sample: Sample | None
    shown: dict[str, Any]
    usage: dict[str, int] = field(default_factory=dict)

    @property
    def is_error(self) -> bool:
        return self.shown["error"] is not None


def build_asking(input_messages: Mapping[str, Any]) -> Asking:
    """How the messages of a row are made.

    Raises:
        ApiError: a template that is none, or has more than texts.
    """
    if input_messages["type"] == "item_reference":
        reference = input_messages["item_reference"]
        path = compile_template(f"{{{{ {reference} }}}}").paths[0]
        return lambda row: _check_messages(look_up(path, Sample(""), row.item), reference)
    problems: list[Problem] = []
    reader = SpecReader({"template": input_messages["template"]}, _PLACE, problems, set())
    chat = read_chat(reader, "template")
    if problems:
        raise refuse_problems(problems)
    if not chat.is_text:
        raise refuse("Parts of text alone are understood.", param=_PLACE)
    if any(path.root == "sample" for _, ps in chat.messages for p in ps for path in p.text.paths):
        raise refuse("What is asked cannot hold the answer (sample).", param=_PLACE)
    return lambda row: chat.render(Sample(""), row.item)


async def ask(
    app: ASGIApp, key_id: str, source: Mapping[str, Any], row: EvalRow, make: Asking
) -> Answer:
    """The answer of a run's model to one row; what is wrong with the row is told in it.

    Raises:
        KeyRefused: the key that began the run may not ask any more.
    """
    params: dict[str, Any] = dict(source.get("sampling_params") or {})
    params.setdefault("seed", DEFAULT_SEED)
    model: str = source["model"]
    try:
        messages = make(row)
    except GradeFailure as failure:
        return _fail(model, params, [], failure.error, failure.detail)
    body = {"model": model, "messages": messages, **params}
    told = await ask_patiently(app, "/v1/chat/completions", body, key_id)
    if told.status == 200:
        return _read_answer(told.body, params, messages)
    error = told.body["error"]
    if told.status in _NOT_ALLOWED or told.code == "insufficient_quota":
        raise KeyRefused(error["code"], error["message"])
    return _fail(model, params, messages, error["code"], error["message"])


def read_given(row: EvalRow) -> Answer:
    """The answer that a row brings."""
    given = row.sample
    if given is None:
        return Answer(None, _show("", {}, [], [], finish_reason=""))
    first: Mapping[str, Any] = next(iter(given.get("choices") or ()), {})
    message = first.get("message") or {}
    text = str(given.get("output_text") or message.get("content") or "")
    calls = given.get("output_tools") or message.get("tool_calls")
    tools = tuple(calls) if isinstance(calls, list) else ()
    sample = Sample(text, output_tools=tools, output_json=given.get("output_json"))
    output = [{"role": "assistant", "content": text}]
    return Answer(sample, _show(given.get("model") or "", {}, [], output, finish_reason=""))


def _read_answer(
    told: Mapping[str, Any], params: Mapping[str, Any], messages: Sequence[dict[str, Any]]
) -> Answer:
    choice, counted = told["choices"][0], told["usage"]
    message = choice["message"]
    usage = {
        "prompt_tokens": counted["prompt_tokens"],
        "completion_tokens": counted["completion_tokens"],
        "total_tokens": counted["total_tokens"],
        "cached_tokens": counted["prompt_tokens_details"]["cached_tokens"],
    }
    sample = Sample(
        message["content"] or "",
        messages=tuple(messages),
        output_tools=tuple(message.get("tool_calls") or ()),
        num_tokens=usage["completion_tokens"],
        finish_reason="length" if choice["finish_reason"] == "length" else "stop",
    )
    output = {key: message[key] for key in ("role", "content", "tool_calls") if key in message}
    reason = choice["finish_reason"]
    shown = _show(told["model"], params, messages, [output], finish_reason=reason, usage=usage)
    return Answer(sample, shown, usage)


def _fail(
    model: str,
    params: Mapping[str, Any],
    messages: Sequence[dict[str, Any]],
    code: str,
    message: str,
) -> Answer:
    shown = _show(model, params, messages, [], finish_reason="")
    return Answer(None, {**shown, "error": {"code": code, "message": message}})


def _show(
    model: str,
    params: Mapping[str, Any],
    messages: Sequence[dict[str, Any]],
    output: list[dict[str, Any]],
    *,
    finish_reason: str,
    usage: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    nothing = dict.fromkeys(
        ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"), 0
    )
    return {
        "model": model,
        "input": [{"role": one["role"], "content": one.get("content")} for one in messages],
        "output": output,
        "finish_reason": finish_reason,
        "usage": usage or nothing,
        "error": None,
        "temperature": params.get("temperature", 1.0),
        "top_p": params.get("top_p", 1.0),
        "max_completion_tokens": params.get("max_completion_tokens"),
        "seed": params.get("seed"),
    }


def _check_messages(value: Any, reference: str) -> list[dict[str, Any]]:
    if isinstance(value, list) and all(isinstance(one, dict) and "role" in one for one in value):
        return value
    raise GradeFailure("invalid_variable_error", f"{reference} is no list of messages")
