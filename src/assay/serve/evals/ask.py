"""Asks a model of this server what a run asks of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import FastAPI
from pydantic import ValidationError

from assay.errors import AssayError, Problem
from assay.graders import Sample
from assay.graders.chat import read_chat
from assay.graders.grade import GradeFailure
from assay.graders.spec import SpecReader
from assay.graders.template import compile_template, look_up
from assay.serve.auth import Principal
from assay.serve.errors import ApiError, refuse, refuse_problems
from assay.serve.evals.body import DEFAULT_SEED
from assay.serve.evals.rows import EvalRow
from assay.serve.inference.chat_body import ChatBody
from assay.serve.inference.inference import Inference
from assay.serve.inference.own import complete_chat

_PLACE = "data_source.input_messages"


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
    app: FastAPI,
    inference: Inference,
    principal: Principal,
    source: Mapping[str, Any],
    row: EvalRow,
    make: Asking,
) -> Answer:
    """The answer of a run's model to one row; what goes wrong with the row is told in it."""
    params: dict[str, Any] = dict(source.get("sampling_params") or {})
    params.setdefault("seed", DEFAULT_SEED)
    messages: list[dict[str, Any]] = []
    try:
        messages = make(row)
        body = ChatBody.model_validate({"model": source["model"], "messages": messages, **params})
        told = await complete_chat(app, inference, body, principal)
    except GradeFailure as failure:
        return _fail(source, params, messages, failure.error, failure.detail)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return _fail(source, params, messages, "invalid_messages", f"{place}: {first['msg']}")
    except ApiError as error:
        return _fail(source, params, messages, error.code, error.message)
    except AssayError as error:
        return _fail(source, params, messages, "invalid_messages", str(error))
    return _read_answer(told, params, messages)


def read_given(row: EvalRow) -> Answer:
    """The answer that a row brings."""
    given = row.sample
    if given is None:
        return Answer(None, _show("", {}, [], [], finish_reason=""))
    first: Mapping[str, Any] = next(iter(given.get("choices") or ()), {})
    message = first.get("message") or {}
    text = given.get("output_text") or message.get("content") or ""
    calls = tuple(given.get("output_tools") or message.get("tool_calls") or ())
    sample = Sample(str(text), output_tools=calls, output_json=given.get("output_json"))
    output = [{"role": "assistant", "content": str(text)}]
    return Answer(sample, _show(str(given.get("model") or ""), {}, [], output, finish_reason=""))


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
    source: Mapping[str, Any],
    params: Mapping[str, Any],
    messages: Sequence[dict[str, Any]],
    code: str,
    message: str,
) -> Answer:
    shown = _show(source["model"], params, messages, [], finish_reason="")
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
        "input": [{"role": one["role"], "content": one["content"]} for one in messages],
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
