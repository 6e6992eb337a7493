"""Tasks about tools: when to call one, which, with what, and when not to. Judges no answer.

Arguments are JSON text in the order of the schema, with the optional parameters that the request
does not name left out.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from assay.lab.world.base import Family, Group, Split, Task, ask
from assay.lab.world.tool_documents import document
from assay.lab.world.tool_invented import Request, invented_request, invented_twin
from assay.lab.world.tool_missing import MISSING
from assay.lab.world.tool_requests import FULL, SHORT
from assay.lab.world.tool_results import (
    ERRORS,
    INJECTIONS,
    INVENTED_FIELDS,
    NEIGHBOURS,
    NO_TOOL_ANSWERS,
    NOTES,
    PARALLEL,
    REPLIES,
    SMALL_TALK,
    THINGS,
    TWO_STEPS,
    UNCOVERED,
)
from assay.lab.world.tool_schemas import (
    TOOLS,
    Param,
    Schema,
    ToolSpec,
    Value,
    draw_invented,
    parse_param,
)
from assay.lab.world.tool_turns import (
    Message,
    call_message,
    draw_args,
    draw_request,
    offer,
    result_message,
)
from assay.lab.world.tool_values import NUMBER_DRAWS, STRING_DRAWS
from assay.lab.world.values import ANIMALS, CITIES, COLOURS, FRUITS, JOBS, PRODUCTS

__all__ = ["FAMILIES", "document", "several_requests"]

_NAMES = list(TOOLS)
_UNCOVERED_WORDS = {
    "city": CITIES,
    "animal": ANIMALS,
    "colour": COLOURS,
    "job": JOBS,
    "product": PRODUCTS,
    "fruit": FRUITS,
}
_TYPED = [
    tool.name
    for tool in TOOLS.values()
    if tool.name in FULL or any(param.type != "string" or param.enum for param in tool.params)
]


def _call_check(request: Request) -> dict[str, Any]:
    return {"kind": "tool_call", "name": request.name, "arguments": request.args}


def _call_task(family: str, request: Request, tools: list[Schema]) -> Task:
    messages = [{"role": "user", "content": request.text}, call_message(request)]
    return Task(family, "tool", messages, _call_check(request), tools)


def _after_result(
    family: str,
    group: Group,
    request: Request,
    result: dict[str, Value],
    answer: str,
    *,
    tools: list[Schema],
    check: dict[str, Any] | None = None,
) -> Task:
    messages = [
        {"role": "user", "content": request.text},
        call_message(request),
        result_message(request, result),
        {"role": "assistant", "content": answer},
    ]
    return Task(family, group, messages, check or {"kind": "exact", "answer": answer}, tools)


def call_single(rng: random.Random, split: Split) -> Task:
    """One tool, or the right one of two."""
    request = draw_request(rng, split, rng.choice(_NAMES), full=rng.random() < 0.3)
    tools = offer(rng, split, [request.schema], rng.randint(0, 1), avoid=[request.tool])
    return _call_task("call_single", request, tools)


def call_choose(rng: random.Random, split: Split) -> Task:
    """The right tool among three to five."""
    request = draw_request(rng, split, rng.choice(_NAMES), full=rng.random() < 0.3)
    tools = offer(rng, split, [request.schema], rng.randint(2, 4), avoid=[request.tool])
    return _call_task("call_choose", request, tools)


def call_typed(rng: random.Random, split: Split) -> Task:
    """Integers, numbers, booleans, enums, and optional parameters that are named or left out."""
    request = draw_request(rng, split, rng.choice(_TYPED), full=rng.random() < 0.6)
    tools = offer(rng, split, [request.schema], rng.randint(0, 2), avoid=[request.tool])
    return _call_task("call_typed", request, tools)


def call_synthetic(rng: random.Random, split: Split) -> Task:
    """An invented tool, often beside one that shares its verb or its noun."""
    invented = draw_invented(rng, split)
    request = invented_request(rng, split, invented)
    wanted = [request.schema]
    if rng.random() < 0.5:
        wanted.append(invented_twin(rng, split, invented).schema)
    tools = offer(rng, split, wanted, rng.randint(0, 5 - len(wanted)))
    return _call_task("call_synthetic", request, tools)


def call_parallel(rng: random.Random, split: Split) -> Task:
    """Two calls in one turn: one tool twice, or two tools."""
    if rng.random() < 0.5:
        first, second, text = _same_tool_twice(rng, split)
        wanted, avoid = [first.schema], [first.tool]
    else:
        first, second = _two_requests(rng, split)
        text = f"{first.text} {second.text}"
        wanted, avoid = [first.schema, second.schema], [first.tool, second.tool]
    tools = offer(rng, split, wanted, rng.randint(0, 2), avoid=avoid)
    calls = [{"name": each.name, "arguments": each.args} for each in (first, second)]
    messages = [{"role": "user", "content": text}, call_message(first, second)]
    return Task("call_parallel", "tool", messages, {"kind": "tool_calls", "calls": calls}, tools)


def _same_tool_twice(rng: random.Random, split: Split) -> tuple[Request, Request, str]:
    name = rng.choice(list(PARALLEL))
    tool = TOOLS[name]
    schema = tool.draw_schema(rng, split)
    param = tool.required[0]
    pair = draw_args(rng, split, (param, Param("b", param.kind, param.type)))
    a, b = pair.values()
    if split == "train" and rng.random() < 0.4:
        text = _asked_once_for_both(rng, name, param.name, f"{a}", f"{b}")
    else:
        text = PARALLEL[name].draw(rng, split).format(a=a, b=b)
    first, second = (Request("", schema, {param.name: value}, name) for value in (a, b))
    return first, second, text


def _asked_once_for_both(rng: random.Random, name: str, param: str, a: str, b: str) -> str:
    """For training: the wording for one value, with two in its place or the second one after it."""
    wording = SHORT[name].draw(rng, "train")
    if rng.random() < 0.5:
        both = rng.choice(("{a} and {b}", "{a} and also {b}", "{a} as well as {b}", "{a}, {b}"))
        return wording.format(**{param: both.format(a=a, b=b)})
    text = wording.format(**{param: a})
    also = rng.choice(("And {b}?", "And the same for {b}.", "{b} too, please.", "Also {b}."))
    return f"{text if text[-1] in '.?' else f'{text}.'} {also.format(b=b)}"


def _two_requests(rng: random.Random, split: Split) -> tuple[Request, Request]:
    """Two complete sentences, so names that end in a colon and open text are not joined."""
    names = rng.sample(list(REPLIES), 2)
    first, second = (draw_request(rng, split, name) for name in names)
    if first.text[-1] not in ".?":
        first = Request(first.text + ".", first.schema, first.args, first.tool)
    if rng.random() < 0.2:
        second = invented_request(rng, split, draw_invented(rng, split))
    return first, second


def _answered(rng: random.Random, split: Split) -> tuple[Request, dict[str, Value], str]:
    """A request, its result, and the answer; one time in four the tool is invented."""
    if rng.random() < 0.25:
        request = invented_request(rng, split, draw_invented(rng, split))
        fields = [parse_param(f) for f in INVENTED_FIELDS.sample(rng, split, rng.randint(1, 2))]
        result = draw_args(rng, split, fields)
        parts = [f"the {key} is {value}" for key, value in result.items()]
        return request, result, f"T{' and '.join(parts)[1:]}."
    name = rng.choice(list(REPLIES))
    request, reply = draw_request(rng, split, name), REPLIES[name]
    result = draw_args(rng, split, reply.fields)
    answer = reply.answer.format(**request.args, **result)
    if rng.random() < 0.4:
        result = {**request.args, **result}
    return request, result, answer


def call_then_answer(rng: random.Random, split: Split) -> Task:
    """The answer that copies the result of the call."""
    request, result, answer = _answered(rng, split)
    if rng.random() < 0.3:
        result["note"] = rng.choice(NOTES)
    tools = offer(rng, split, [request.schema], rng.randint(0, 2), avoid=[request.tool])
    return _after_result("call_then_answer", "tool", request, result, answer, tools=tools)


def call_error(rng: random.Random, split: Split) -> Task:
    """A result that reports an error, and an answer that says so."""
    name = rng.choice(list(THINGS))
    request = draw_request(rng, split, name)
    wordings, answer = rng.choice(ERRORS)
    error = wordings.draw(rng, split)
    forms: tuple[dict[str, Value], ...] = (
        {"error": error},
        {"ok": False, "error": error},
        {"status": "error", "message": error},
        {**request.args, "error": error},
    )
    answer = answer.format(thing=THINGS[name].format(**request.args))
    tools = offer(rng, split, [request.schema], rng.randint(0, 2), avoid=[name])
    return _after_result("call_error", "tool", request, rng.choice(forms), answer, tools=tools)


def call_two_steps(rng: random.Random, split: Split) -> Task:
    """The second call of two, with a value from the first one's result."""
    steps = rng.choice(TWO_STEPS)
    first_tool, second_tool = TOOLS[steps.first], TOOLS[steps.second]
    first_args = draw_args(rng, split, first_tool.required)
    rest = [param for param in second_tool.required if param.name != steps.second_param]
    rest_args = draw_args(rng, split, rest)
    result = draw_args(rng, split, [steps.link])
    while result[steps.link.name] in rest_args.values():
        result = draw_args(rng, split, [steps.link])
    joined = {**rest_args, steps.second_param: result[steps.link.name]}
    second_args = {param.name: joined[param.name] for param in second_tool.required}
    text = steps.requests.draw(rng, split).format(**first_args, **rest_args)
    first = Request(text, first_tool.draw_schema(rng, split), first_args, steps.first)
    second = Request("", second_tool.draw_schema(rng, split), second_args, steps.second)
    messages = [
        {"role": "user", "content": text},
        call_message(first),
        result_message(first, {**first_args, **result} if rng.random() < 0.4 else result),
        call_message(second, first_id=2),
    ]
    wanted, avoid = [first.schema, second.schema], [steps.first, steps.second]
    tools = offer(rng, split, wanted, rng.randint(0, 2), avoid=avoid)
    return Task("call_two_steps", "tool", messages, _call_check(second), tools)


def call_ask_missing(rng: random.Random, split: Split) -> Task:
    """A required value is missing, so the answer asks for it."""
    missing = rng.choice(MISSING)
    tool: ToolSpec = TOOLS[missing.tool]
    args = draw_args(rng, split, tool.required)
    text = missing.requests.draw(rng, split).format(**args)
    tools = offer(rng, split, [tool.draw_schema(rng, split)], rng.randint(0, 3), avoid=[tool.name])
    check = {"kind": "no_tool_call", "answer": missing.question}
    return ask("call_ask_missing", "abstain", text, missing.question, check=check, tools=tools)


class _Unfit(NamedTuple):
    """What a user says that needs no tool on offer, the answer, the names of the tools not to
    offer, and tools that come near to what is wanted."""

    text: str
    answer: str
    avoid: list[str]
    near: list[Schema]


def _draw_unfit(rng: random.Random, split: Split) -> _Unfit:
    kind = rng.random()
    small_talk, uncovered = (0.15, 0.3) if split == "train" else (0.3, 0.5)
    if kind < small_talk:
        text, answer = SMALL_TALK.draw(rng, split)
        return _Unfit(text, answer, [], [])
    if kind < uncovered:
        words = {name: pool.draw(rng, split) for name, pool in _UNCOVERED_WORDS.items()}
        text, answer = UNCOVERED.draw(rng, split).format(**words), rng.choice(NO_TOOL_ANSWERS)
        return _Unfit(text, answer, [], [])
    near: list[Schema] = []
    if rng.random() < (0.3 if split == "train" else 0.15):
        invented = draw_invented(rng, split)
        request = invented_request(rng, split, invented, by_name=False)
        if split == "train" and rng.random() < 0.5:
            near = [invented_twin(rng, split, invented).schema]
    else:
        request = draw_request(rng, split, rng.choice(_NAMES))
    avoid = [request.tool, *NEIGHBOURS.get(request.tool, ())]
    return _Unfit(request.text, rng.choice(NO_TOOL_ANSWERS), avoid, near)


def no_tool_fits(rng: random.Random, split: Split) -> Task:
    """A request for a tool that is not offered or does not exist, or small talk beside tools."""
    num_tools = rng.randint(1, 5)
    unfit = _draw_unfit(rng, split)
    num_others = max(num_tools - len(unfit.near), 0)
    tools = offer(rng, split, unfit.near, num_others, avoid=unfit.avoid)
    check = {"kind": "no_tool_call"}
    return ask("no_tool_fits", "abstain", unfit.text, unfit.answer, check=check, tools=tools)


def several_requests(rng: random.Random) -> tuple[list[Message], list[Schema]]:
    """For training: one to three requests to the same tools, among turns that no tool fits."""
    unfit = [_draw_unfit(rng, "train") for _ in range(rng.randint(1, 3))]
    avoid = {name for each in unfit for name in each.avoid}
    asked: list[tuple[Request, dict[str, Value], str]] = []
    num_asked = rng.randint(1, 3)
    while len(asked) < num_asked:
        request, result, answer = _answered(rng, "train")
        if request.tool not in avoid:
            avoid.add(request.tool)
            asked.append((request, result, answer))
    turns: list[list[Message]] = []
    for call_id, (request, result, answer) in enumerate(asked, start=1):
        called = call_message(request, first_id=call_id)
        returned = result_message(request, result, call_id=call_id)
        turns.append([_says("user", request.text), called, returned, _says("assistant", answer)])
    for each in unfit:
        turn = [_says("user", each.text), _says("assistant", each.answer)]
        turns.insert(rng.randint(0, len(turns)), turn)
    wanted = [request.schema for request, _, _ in asked]
    tools = offer(rng, "train", wanted, rng.randint(0, 2), avoid=sorted(avoid))
    return [message for turn in turns for message in turn], tools


def _says(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def tool_injection_ignored(rng: random.Random, split: Split) -> Task:
    """A result that carries an order of its own; the answer keeps to the user's question."""
    request, result, answer = _answered(rng, split)
    wanted_tool, template = INJECTIONS.draw(rng, split)
    draws = {**STRING_DRAWS, **NUMBER_DRAWS}
    words = {kind: draws[kind](rng, split) for kind in _kinds(template)}
    key, text = rng.choice(("note", "comment", "message", "info")), template.format(**words)
    result = {key: text, **result} if rng.random() < 0.4 else {**result, key: text}
    wanted, avoid = [request.schema], [request.tool, wanted_tool]
    if wanted_tool != request.tool:
        wanted.append(TOOLS[wanted_tool].draw_schema(rng, split))
    tools = offer(rng, split, wanted, rng.randint(0, 2), avoid=avoid)
    check = {"kind": "no_tool_call", "answer": answer}
    family = "tool_injection_ignored"
    return _after_result(family, "abstain", request, result, answer, tools=tools, check=check)


def _kinds(template: str) -> list[str]:
    return [part.split("}")[0] for part in template.split("{")[1:]]


FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (
        call_single,
        call_choose,
        call_typed,
        call_synthetic,
        call_parallel,
        call_then_answer,
        call_error,
        call_two_steps,
        call_ask_missing,
        no_tool_fits,
        tool_injection_ignored,
    )
}
