"""Items of the Responses interface as they are kept and shown, and the chat that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from assay.runs.store.ids import new_id
from assay.serve.errors import ApiError, explain_validation, refuse
from assay.serve.inference.chat_body import ChatBody
from assay.serve.responses.body import (
    AnyItem,
    CallItem,
    CallOutputItem,
    MessageItem,
    NamedChoice,
    ReasoningItem,
    RefusalPart,
    ResponseBody,
    TextFormat,
    TextPart,
)

_PARAMS = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "tool_choice.function.name": "tool_choice.name",
}


@dataclass(frozen=True)
class Conversation:
    """The chat that a request asks, and by message the parameter that it came from."""

    body: ChatBody
    params: list[str]

    def rename(self, error: ApiError) -> ApiError:
        """A refusal of the chat as one of the request."""
        param = error.param or ""
        head, _, rest = param.partition("messages.")
        if not head and rest:
            error.param = self.params[int(rest.split(".")[0])]
        else:
            error.param = _PARAMS.get(param, error.param)
        return error


def keep_input(given: str | list[AnyItem]) -> list[dict[str, Any]]:
    """What was asked as items with ids of their own."""
    if isinstance(given, str):
        given = [MessageItem(role="user", content=given)]
    return [_keep(item) for item in given]


def build_conversation(
    body: ResponseBody, known: Sequence[dict[str, Any]], asked: Sequence[dict[str, Any]]
) -> Conversation:
    """A chat of the instructions, what is `known` of earlier responses, and what is `asked`."""
    messages: list[dict[str, Any]] = []
    params: list[str] = []
    if body.instructions:
        messages.append({"role": "system", "content": body.instructions})
        params.append("instructions")
    reasoning = ""
    for place, item in enumerate([*known, *asked]):
        if item["type"] == "reasoning":
            reasoning += "".join(part["text"] for part in item.get("content") or ())
            continue
        message = _to_message(item)
        if reasoning and message["role"] == "assistant":
            message["reasoning_content"], reasoning = reasoning, ""
        if item["type"] == "function_call" and messages and messages[-1]["role"] == "assistant":
            # A turn's text and calls are one message.
            messages[-1].setdefault("tool_calls", []).extend(message["tool_calls"])
            continue
        messages.append(message)
        number = place - len(known)
        whole = isinstance(body.input, str)
        is_asked = "input" if whole else f"input.{number}"
        params.append(is_asked if number >= 0 else "previous_response_id")
    return Conversation(_build_chat(body, messages), params)


def _build_chat(body: ResponseBody, messages: list[dict[str, Any]]) -> ChatBody:
    with_logprobs = body.include is not None or body.top_logprobs is not None
    given: dict[str, Any] = {
        "model": body.model,
        "messages": messages,
        "max_completion_tokens": body.max_output_tokens,
        "parallel_tool_calls": body.parallel_tool_calls,
        "seed": body.seed,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "logprobs": with_logprobs or None,
        "top_logprobs": body.top_logprobs,
    }
    if body.tools:
        given["tools"] = [
            {"type": "function", "function": tool.model_dump(exclude={"type"}, exclude_none=True)}
            for tool in body.tools
        ]
    if isinstance(body.tool_choice, NamedChoice):
        given["tool_choice"] = {"type": "function", "function": {"name": body.tool_choice.name}}
    elif body.tools or body.tool_choice not in (None, "auto"):
        given["tool_choice"] = body.tool_choice
    if body.text is not None and body.text.format is not None:
        given["response_format"] = _to_format(body.text.format)
    try:
        return ChatBody.model_validate(given)
    except ValidationError as error:
        told = explain_validation(error.errors())
        param = _PARAMS.get(told.param or "", "input")
        raise refuse(told.message, param=param, code=told.code) from None


def _to_format(asked: TextFormat) -> dict[str, Any]:
    if asked.type != "json_schema":
        return {"type": asked.type}
    schema = asked.model_dump(exclude={"type"}, exclude_none=True, by_alias=True)
    return {"type": "json_schema", "json_schema": schema}


def _to_message(item: dict[str, Any]) -> dict[str, Any]:
    if item["type"] == "function_call":
        function = {"name": item["name"], "arguments": item["arguments"]}
        call = {"id": item["call_id"], "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if item["type"] == "function_call_output":
        return {"role": "tool", "tool_call_id": item["call_id"], "content": _join(item["output"])}
    return {"role": item["role"], "content": _join(item["content"])}


def _join(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", part.get("refusal", "")) for part in content)


def _keep(item: MessageItem | CallItem | CallOutputItem | ReasoningItem) -> dict[str, Any]:
    status = item.status or "completed"
    if isinstance(item, CallItem):
        call = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
        return {"id": item.id or new_id("fc_"), "type": item.type, "status": status, **call}
    if isinstance(item, CallOutputItem):
        told = item.output
        shown = told if isinstance(told, str) else _keep_parts(told, "input_text")
        named: dict[str, Any] = {"call_id": item.call_id, "output": shown}
        return {"id": item.id or new_id("fco_"), "type": item.type, "status": status, **named}
    if isinstance(item, ReasoningItem):
        reasoning = item.model_dump(exclude_none=True, exclude={"id", "status"})
        return {**reasoning, "id": item.id or new_id("rs_"), "status": status}
    kind = "output_text" if item.role == "assistant" else "input_text"
    message = {"role": item.role, "status": status, "content": _keep_parts(item.content, kind)}
    return {"id": item.id or new_id("msg_"), "type": "message", **message}


def _keep_parts(content: str | Sequence[TextPart | RefusalPart], kind: str) -> list[dict[str, Any]]:
    """Parts in the form that they are shown in: of the assistant's text or of others'."""
    if isinstance(content, str):
        content = [TextPart(type="input_text", text=content)]
    plain: dict[str, Any] = {"annotations": []} if kind == "output_text" else {}
    return [
        {"type": "refusal", "refusal": part.refusal}
        if isinstance(part, RefusalPart)
        else {"type": kind, "text": part.text, **plain}
        for part in content
    ]
