"""The tools of the world: fixed ones, and invented ones. Knows no request and no answer.

A tool is written in a short notation, ``name:kind`` for a required parameter and ``name?:kind``
for an optional one. A kind is a pool of `tool_values`, ``flag`` (boolean), ``2..12`` (integer
range) or ``low|high`` (enum). Invented tools make a model read names from the schemas it is
shown: their verbs, nouns and parameters are held out like every other value.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.lab.world.base import Split
from assay.lab.world.tool_values import (
    NUMBER_DRAWS,
    OPTION_WORDS,
    STRING_DRAWS,
    notation_pool,
    word_pool,
)
from assay.lab.world.values import PRODUCTS, coined, some_word

Schema = dict[str, Any]
Value = str | int | float | bool
_RENAMED_SHARE = 0.2


@dataclass(frozen=True)
class Param:
    """One parameter; `low` and `high` bound an integer, `enum` lists the words of a choice."""

    name: str
    kind: str
    type: Literal["string", "integer", "number", "boolean"]
    required: bool = True
    enum: tuple[str, ...] = ()
    low: int = 0
    high: int = 0

    def draw(self, rng: random.Random, split: Split) -> Value:
        if self.enum:
            return rng.choice(self.enum)
        if self.type == "boolean":
            return rng.random() < 0.5
        if self.type == "integer":
            return rng.randint(self.low, self.high)
        value: Value = (STRING_DRAWS.get(self.kind) or NUMBER_DRAWS[self.kind])(rng, split)
        return value

    def schema(self) -> Schema:
        return {"type": self.type, "enum": list(self.enum)} if self.enum else {"type": self.type}


@dataclass(frozen=True)
class ToolSpec:
    """A tool, its parameters in schema order, and its OpenAI schema under each of its names.

    The schemas are shared between tasks: read them, do not change them.
    """

    name: str
    description: str
    params: tuple[Param, ...]
    aliases: tuple[str, ...] = ()
    schemas: tuple[Schema, ...] = field(default=(), compare=False)

    @property
    def required(self) -> tuple[Param, ...]:
        return tuple(param for param in self.params if param.required)

    def draw_schema(self, rng: random.Random, split: Split) -> Schema:
        """The schema under the usual name two times out of three, else under an alias.

        In training one in five has a name that nobody has met, so that a call's name must be
        read where the tools are offered and cannot be known from the request.
        """
        if split == "train" and rng.random() < _RENAMED_SHARE:
            return self.rename(draw_tool_name(rng))
        return self.schemas[0] if rng.random() < 0.67 else rng.choice(self.schemas)

    def rename(self, name: str) -> Schema:
        """The schema under another name."""
        return {"type": "function", "function": {**self.schemas[0]["function"], "name": name}}


def draw_tool_name(rng: random.Random) -> str:
    """One to three words, common or coined, in snake case."""
    return "_".join(some_word(rng) for _ in range(rng.choice((1, 2, 2, 2, 3))))


def parse_param(notation: str) -> Param:
    """A `Param` from ``name:kind`` or ``name?:kind``."""
    name, kind = notation.split(":")
    required, name = not name.endswith("?"), name.rstrip("?")
    if "|" in kind:
        return Param(name, "enum", "string", required, tuple(kind.split("|")))
    if ".." in kind:
        low, high = kind.split("..")
        return Param(name, "range", "integer", required, (), int(low), int(high))
    if kind == "flag":
        return Param(name, kind, "boolean", required)
    return Param(name, kind, "number" if kind in NUMBER_DRAWS else "string", required)


def build_tool(
    name: str, description: str, params: Sequence[Param], *, aliases: Sequence[str] = ()
) -> ToolSpec:
    """A tool with its schemas, one for each name."""
    parameters = {
        "type": "object",
        "properties": {param.name: param.schema() for param in params},
        "required": [param.name for param in params if param.required],
    }
    schemas = tuple(
        {
            "type": "function",
            "function": {"name": each, "description": description, "parameters": parameters},
        }
        for each in (name, *aliases)
    )
    return ToolSpec(name, description, tuple(params), tuple(aliases), schemas)


def _tool(names: str, description: str, params: str) -> ToolSpec:
    name, *aliases = names.split()
    return build_tool(name, description, [parse_param(p) for p in params.split()], aliases=aliases)


_FIXED = (
    _tool(
        "get_weather weather_lookup",
        "Get the weather in a city.",
        "city:city unit?:celsius|fahrenheit",
    ),
    _tool("lookup_order get_order order_status", "Look up an order.", "order_id:order"),
    _tool("refund_order issue_refund", "Refund an order.", "order_id:order amount?:amount"),
    _tool(
        "cancel_order stop_order",
        "Cancel an order.",
        "order_id:order reason?:late|damaged|unwanted",
    ),
    _tool("send_email mail_send", "Send an email.", "to:email subject:topic urgent?:flag"),
    _tool(
        "send_message message_person", "Send a message to a person.", "name:person text:sentence"
    ),
    _tool(
        "create_ticket open_ticket",
        "Create a support ticket.",
        "title:problem priority:low|normal|high",
    ),
    _tool("search_articles find_articles", "Search the articles.", "query:topic limit?:2..20"),
    _tool(
        "create_event add_event",
        "Add an event to the calendar.",
        "title:topic date:date time:clock minutes?:10..90",
    ),
    _tool("set_reminder remind_me", "Set a reminder.", "text:chore time:clock"),
    _tool(
        "convert_currency exchange_money",
        "Convert money to another currency.",
        "amount:amount source:currency target:currency",
    ),
    _tool(
        "convert_unit unit_convert",
        "Convert a value to another unit.",
        "value:2..500 source:unit target:unit",
    ),
    _tool("translate_text translate", "Translate a text.", "text:sentence language:language"),
    _tool("check_stock stock_level", "Check the stock of a product.", "product:product city?:city"),
    _tool("track_parcel parcel_status", "Track a parcel.", "parcel_id:parcel"),
    _tool("read_file open_file", "Read a file.", "path:path"),
    _tool("write_file save_file", "Write a text to a file.", "path:path text:sentence"),
    _tool("delete_file remove_file", "Delete a file.", "path:path"),
    _tool("run_query query_table", "Read rows from a table.", "table:table limit:2..100"),
    _tool(
        "restart_service service_restart",
        "Restart a service.",
        "service:service environment:production|staging|development",
    ),
    _tool(
        "book_table reserve_table",
        "Book a table at a restaurant.",
        "restaurant:restaurant people:2..12 time:clock outside?:flag",
    ),
    _tool("set_thermostat set_heating", "Set the heating of a room.", "room:room degrees:degrees"),
    _tool("set_light switch_light", "Switch a light on or off.", "room:room on:flag"),
    _tool("get_user find_user user_lookup", "Get the record of a user.", "name:person"),
    _tool(
        "update_address change_address",
        "Change the address of a user.",
        "user_id:user address:address",
    ),
    _tool("transfer_money send_money", "Transfer money to a person.", "to:person amount:amount"),
    _tool("get_balance account_balance", "Get the balance of an account.", "account_id:account"),
    _tool("start_timer set_timer", "Start a timer.", "minutes:2..90"),
    _tool(
        "find_route plan_route",
        "Find a route between two cities.",
        "start:city end:city mode?:car|train|bike",
    ),
    _tool(
        "add_to_cart cart_add",
        "Put a product in the cart.",
        "product:product quantity:2..12 gift?:flag",
    ),
)
TOOLS: dict[str, ToolSpec] = {tool.name: tool for tool in _FIXED}

_VERBS = word_pool(
    "verb",
    """polish paint count stack fold sort scan load lift mark measure mix move pack press print
    repair rinse roll seal shake spin store swap test trim wrap weigh label lock open close clean
    copy merge split adjust align inspect launch pause rotate sync""",
)
_NOUNS = word_pool(
    "noun",
    """pump engine panel filter valve crate barrel tower fence motor battery cable sensor robot
    drone wheel tray ribbon boiler ticket album folder badge poster tunnel bridge garden anchor
    sample record channel stream queue bucket profile session job batch parcel window""",
)
_INVENTED_PARAMS = notation_pool(
    "param",
    """color:color size:2..60 count:2..40 floor:2..30 weight:amount owner:person place:city
    silent:flag code:code level:2..9 room:room day:date hour:clock size_limit:2..99 fast:flag
    user_name:person start_date:date note:topic width:2..90 depth:2..90 speed:2..99 safe:flag
    target:code dry_run:flag min_count:2..20 price:amount contact:email host_city:city
    team:person file_path:path style:* mode:* shape:* side:* kind:* grade:*""",
)
_INVENTED_PARAMS.seen += [
    # texts that begin with digits, so that what needs quotes must be read in the schema
    *("begin_time:clock", "alarm:clock", "opening:clock", "due_date:date", "zip_code:digits"),
    *("pin:digits", "phone:digits", "serial:digits"),
]


@dataclass(frozen=True)
class InventedTool:
    """An invented tool and the two words of its name."""

    verb: str
    noun: str
    spec: ToolSpec

    @property
    def schema(self) -> Schema:
        return self.spec.schemas[0]


def draw_invented(
    rng: random.Random,
    split: Split,
    *,
    verb: str | None = None,
    noun: str | None = None,
    required: bool = False,
) -> InventedTool:
    """A tool ``verb_noun`` with one to three parameters; `required` makes all of them required."""
    verb = verb or _VERBS.draw(rng, split)
    noun = noun or _draw_noun(rng, split)
    drawn = _INVENTED_PARAMS.sample(rng, split, rng.randint(1, 3))
    notations = {notation.split(":")[0]: notation for notation in drawn}.values()
    params = [
        _invented_param(rng, split, notation, required or i == 0 or rng.random() < 0.6)
        for i, notation in enumerate(notations)
    ]
    tool = build_tool(f"{verb}_{noun}", f"{verb.capitalize()} the {noun}.", params)
    return InventedTool(verb, noun, tool)


def _draw_noun(rng: random.Random, split: Split) -> str:
    """A product, a plain noun, or (where no held-out word is measured) a coined word."""
    kind = rng.random()
    if kind < 0.3 and split != "values":
        return coined(rng)
    return (PRODUCTS if kind > 0.65 else _NOUNS).draw(rng, split)


def _invented_param(rng: random.Random, split: Split, notation: str, required: bool) -> Param:
    name, kind = notation.split(":")
    if kind == "*":
        kind = "|".join(OPTION_WORDS.sample(rng, split, 3))
    return parse_param(f"{name}{'' if required else '?'}:{kind}")
