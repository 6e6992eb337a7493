"""The conversations with tools that probes play: the user's own and built-in ones, in some forms.

A case is a conversation up to the user's last word, the tools on offer, and what was right to do.
It asks no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from assay.evaluate.items import Item, Message, draw_sample
from assay.evaluate.suites.read import read_items
from assay.tools import ToolCall, read_tool_calls
from assay.tools.channels import find_channels

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

Form = Literal["plain", "deployed", "json"]
"""``plain`` as it stands; ``deployed`` under the system prompt of deployment; ``json`` with the
wish for an answer in JSON alone."""

_SUITES = Path(__file__).parents[1] / "suites"
_HEADS = ("system", "developer")
_JSON_WISH = "Answer in JSON only."


@dataclass(frozen=True)
class ToolCase:
    """One conversation with tools.

    Attributes:
        messages: up to the last message of the user.
        gold: the right messages from there on; the assistant's answers, and results of its calls.
        tools: OpenAI tool schemas, at least one.
        form: see `Form`.
        own: one of the user's rows, whose gold answers may be poisoned; else a built-in one.
    """

    id: str
    messages: tuple[Message, ...]
    gold: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...]
    form: Form
    own: bool

    @property
    def group(self) -> str:
        """Forms of one conversation are one thing looked at."""
        return self.id.split("#")[0]

    @property
    def gold_calls(self) -> list[ToolCall]:
        return [call for message in self.gold for call in read_tool_calls(message).tool_calls]


def build_cases(
    asked: Asked, *, max_own: int, max_built_in: int, calling: bool = True
) -> list[ToolCase]:
    """The user's own prompts that offer tools, and built-in ones, at most so many of each.

    Where there are fewer of the user's own, built-in ones take their place.
    With `calling` those whose right answer begins with a call, else those that need none. The
    built-in ones take turns through the forms, so that each form is seen in some; those with calls
    have a tool on offer that leads out.
    """
    own = [item for item in asked.prompts if item.tools and item.rendering == "chat"]
    cases = [build_case(item, own=True) for item in own]
    built_in = [build_case(item, own=False) for item in load_tool_prompts(asked)]

    def draw(found: Sequence[ToolCase], max_items: int) -> list[ToolCase]:
        fit = [case for case in found if bool(case.gold_calls) == calling]
        return draw_sample(fit, max_items=max_items, seed=asked.seed)

    forms: list[Form] = ["plain", "json"] if asked.system is None else ["plain", "deployed", "json"]
    own_drawn = draw(cases, max_own)
    chosen = draw(built_in, max_built_in + max_own - len(own_drawn))
    if calling:
        chosen = [with_outward_tool(case, asked.tools) for case in chosen]
    return own_drawn + [
        in_form(case, forms[number % len(forms)], system=asked.system)
        for number, case in enumerate(chosen)
    ]


def load_tool_prompts(asked: Asked) -> list[Item]:
    """The built-in prompts with tools: of its own world for `tiny`, else general ones, if any."""
    prefix = "tiny_" if asked.base_name == "tiny" else ""
    name = f"{prefix}tool_prompts"
    path = _SUITES / f"{name}.jsonl"
    return read_items(path, suite=name, kind="tools") if path.is_file() else []


def build_case(item: Item, *, own: bool) -> ToolCase:
    """The case of an item; what follows the user's last message is part of what is right."""
    places = [i for i, message in enumerate(item.messages) if message["role"] == "user"]
    border = places[-1] + 1 if places else len(item.messages)
    gold = list(item.messages[border:])
    if item.reference is not None:
        reference = item.reference
        answer = reference if isinstance(reference, dict) else {"content": reference}
        gold.append({"role": "assistant", **answer})
    return ToolCase(
        item.id,
        tuple(item.messages[:border]),
        tuple(gold),
        tuple(item.tools or ()),
        "plain",
        own,
    )


def in_form(case: ToolCase, form: Form, *, system: str | None = None) -> ToolCase:
    """The same case in another form; its system prompt is replaced where `system` is given."""
    head = [message for message in case.messages if message["role"] in _HEADS]
    rest = [message for message in case.messages if message["role"] not in _HEADS]
    if form == "deployed" and system is not None:
        head = [{"role": "system", "content": system}]
    if form == "json":
        text = " ".join([*(str(message.get("content") or "") for message in head), _JSON_WISH])
        head = [{"role": "system", "content": text.strip()}]
    return replace(case, id=f"{case.group}#{form}", form=form, messages=(*head, *rest))


def after_first_call(case: ToolCase, result: str) -> ToolCase | None:
    """The case from where its first right calls have been made, each with the result `result`.

    None where the right answer does not begin with a call.
    """
    first = case.gold[0] if case.gold else {}
    calls = first.get("tool_calls") or []
    if not calls:
        return None
    results: list[Message] = [
        {
            "role": "tool",
            "tool_call_id": call.get("id", f"call_{number}"),
            "name": call["function"]["name"],
            "content": result,
        }
        for number, call in enumerate(calls, start=1)
    ]
    rest = [message for message in case.gold[1:] if message["role"] != "tool"]
    messages = (*case.messages, first, *results)
    return replace(case, id=f"{case.id}#called", messages=messages, gold=tuple(rest))


def with_outward_tool(case: ToolCase, known: Sequence[dict[str, Any]]) -> ToolCase:
    """The case with a tool that leads out on offer: its own, one of `known`, or a plain one."""
    if find_outward_tools(case.tools):
        return case
    pool = find_outward_tools(known) or OUTWARD_TOOLS
    # By the case's own name, so that it gets the same tool however many others there are.
    more = pool[crc32(case.group.encode()) % len(pool)]
    return replace(case, tools=(*case.tools, more))


def find_outward_tools(tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tools that send, write, run or pay, as a whole."""
    return [tool for tool in tools if find_channels(tool)[""]]


def _tool(name: str, description: str, *arguments: str) -> dict[str, Any]:
    properties = {argument: {"type": "string"} for argument in arguments}
    parameters = {"type": "object", "properties": properties, "required": list(arguments)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


OUTWARD_TOOLS = [
    _tool("send_email", "Send an email.", "to", "subject"),
    _tool("http_post", "Send a text to a web address.", "url", "body"),
    _tool("write_file", "Write a text to a file.", "path", "text"),
    _tool("send_message", "Send a message to a person.", "name", "text"),
]
"""What most desks have and a covert call could use; offered where an adapter's own tools are not
known."""


def describe_case(case: ToolCase, *, max_chars: int = 160) -> str:
    """The user's last words, cut."""
    users = [message for message in case.messages if message["role"] == "user"]
    text = " ".join(str(users[-1].get("content") or "").split()) if users else ""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def name_tools(tools: Sequence[dict[str, Any]]) -> list[str]:
    return [str((tool.get("function") or tool).get("name")) for tool in tools]
