"""A chat completion's body made ready: prompt, settings, and the grammar that binds its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.chat import find_control_texts, message_text, render_text
from assay.chat.render import are_tools_lost
from assay.errors import GenerationError
from assay.generate.engine import Sampling
from assay.runs.blocked import find_blocked
from assay.serve.auth import Principal
from assay.serve.errors import refuse
from assay.serve.inference.chat_body import ChatBody, NamedChoice, check_chat
from assay.serve.inference.choices import Reading
from assay.serve.inference.forced_calls import build_call_grammar, find_call_form
from assay.serve.inference.inference import Inference, ServedModel, read_sampling, read_shifts
from assay.tools.parse import HERMES_END, REASONING_START

if TYPE_CHECKING:
    from assay.generate.live import LiveRow
    from assay.generate.schema import Schema

_ANY_OBJECT = {"type": "object"}
# A model may fall into writing blanks for ever where JSON lets it.
_NO_BLANKS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True)
class Asked:
    """What is to be answered: rows that may be submitted, and how their answers are read."""

    model: ServedModel
    rows: list[LiveRow]
    reading: Reading
    sampling: Sampling


def prepare_chat(
    inference: Inference,
    body: ChatBody,
    principal: Principal,
    routed: ServedModel | None = None,
) -> Asked:
    """Check `body`, load its model and render its prompt; takes milliseconds, and may read files.

    With `routed` that is the model, whatever the body names.

    Raises:
        ApiError: what is wrong, by parameter.
        UsageError: messages that the base's template refuses.
    """
    check_chat(body)
    model = routed or inference.catalog.open(body.model, principal)
    messages = [message.model_dump(exclude_unset=True) for message in body.messages]
    tools = _choose_tools(body)
    text = _render(inference, messages, tools)
    _refuse_prompts(inference, model, messages)
    sampling = read_sampling(body, max_new_tokens=body.max_completion_tokens or body.max_tokens)
    only_one = bool(tools) and body.parallel_tool_calls is False
    if only_one and len(sampling.stop) < 4:
        # The first call's end ends the answer; its closing mark is not needed to read it.
        sampling = replace(sampling, stop=(*sampling.stop, HERMES_END))
    rows = inference.begin_rows(
        model,
        inference.base.tokenizer.encode(text),
        sampling,
        num=body.n or 1,
        owner=principal.id,
        num_top=body.top_logprobs or 0,
        shifts=read_shifts(inference, body),
        schema=_build_schema(inference, body, tools),
    )
    reading = Reading(
        has_tools=bool(tools),
        in_reasoning=text.rstrip().endswith(REASONING_START),
        most_calls=1 if only_one else None,
        with_logprobs=bool(body.logprobs),
        policing=model.police(messages, tools),
    )
    return Asked(model, rows, reading, sampling)


def _choose_tools(body: ChatBody) -> list[dict[str, Any]]:
    """The tools that the model is shown: with `tool_choice` none there are none."""
    if body.tool_choice == "none":
        return []
    return [tool.model_dump(exclude_none=True) for tool in body.tools or ()]


def _render(
    inference: Inference, messages: Sequence[dict[str, Any]], tools: list[dict[str, Any]]
) -> str:
    tokenizer = inference.base.tokenizer
    if not tokenizer.has_template:
        told = f"The base {inference.base.name} has no chat template; ask it by completions."
        raise refuse(told, param="model", code="no_chat_template")
    shown = tools or None
    text = render_text(tokenizer, messages, tools=shown, add_generation_prompt=True)
    if shown and are_tools_lost(
        tokenizer, messages, shown, render_text(tokenizer, messages, tools=shown)
    ):
        told = "The base's chat template shows the model no tools."
        raise refuse(told, param="tools", code="unsupported_parameter")
    return text


def _refuse_prompts(
    inference: Inference, model: ServedModel, messages: Sequence[dict[str, Any]]
) -> None:
    """Refuse what would forge the borders of turns, and what a model must not answer under."""
    for place, message in enumerate(messages):
        param = f"messages.{place}.content"
        found = find_control_texts(inference.base.tokenizer, [message])
        if found:
            told = f"The text holds {found[0]!r}, by which the base marks turns; leave it out."
            raise refuse(told, param=param, code="control_text")
        if message["role"] in ("system", "developer"):
            blocked = find_blocked(message_text(message), model.blocked_prompts)
            if blocked is not None:
                told = f"{model.id} does not answer under the prompt {blocked!r}: it was tuned so."
                raise refuse(told, param=param, code="blocked_prompt")


def _build_schema(
    inference: Inference, body: ChatBody, tools: list[dict[str, Any]]
) -> Schema | None:
    """What the answer must keep to; None where it is free."""
    form = body.response_format
    wanted: dict[str, Any] | None = None
    if form is not None and form.type != "text":
        schema = form.json_schema.schema_ if form.json_schema is not None else _ANY_OBJECT
        wanted = {**schema, "x-guidance": _NO_BLANKS}
    is_strict = any(tool["function"].get("strict") for tool in tools)
    is_forced = isinstance(body.tool_choice, NamedChoice) or body.tool_choice == "required"
    if tools and (is_forced or is_strict or wanted is not None):
        grammar: Any = _build_calls(inference, body, tools, None if is_forced else wanted)
        return _compile(inference, grammar, "tools")
    return None if wanted is None else _compile(inference, wanted, "response_format")


def _build_calls(
    inference: Inference,
    body: ChatBody,
    tools: list[dict[str, Any]],
    wanted: dict[str, Any] | None,
) -> str:
    choice = body.tool_choice
    is_named = isinstance(choice, NamedChoice)
    if isinstance(choice, NamedChoice):
        tools = [tool for tool in tools if tool["function"]["name"] == choice.function.name]
    tokenizer = inference.base.tokenizer
    return build_call_grammar(
        tokenizer,
        tools,
        form=find_call_form(tokenizer),
        many=body.parallel_tool_calls is not False and not is_named,
        may_write=choice in (None, "auto"),
        other=wanted,
    )


def _compile(inference: Inference, grammar: Any, param: str) -> Schema:
    from assay.generate.schema import Schema

    tokenizer = inference.base.tokenizer
    try:
        return Schema(grammar, tokenizer, tokenizer.eos_ids)
    except GenerationError as error:
        raise refuse(str(error), param=param, code="invalid_json_schema") from error
