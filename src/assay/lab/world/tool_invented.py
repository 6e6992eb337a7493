"""How people ask for an invented tool, and what a request is; knows no task."""

from __future__ import annotations

import random
from dataclasses import dataclass

from assay.lab.world.base import Split, phrasings
from assay.lab.world.tool_schemas import InventedTool, Schema, Value, draw_invented


@dataclass(frozen=True)
class Request:
    """A user's text, the schema of the tool it needs, and the arguments of the right call.

    `tool` is the tool's usual name; `name` the one in the schema, which may be an alias.
    """

    text: str
    schema: Schema
    args: dict[str, Value]
    tool: str

    @property
    def name(self) -> str:
        name: str = self.schema["function"]["name"]
        return name


_PLAIN = phrasings(
    "invented.plain",
    "{Verb} the {noun} with {args}.",
    "Please {verb} the {noun} with {args}.",
    "Can you {verb} the {noun}? Use {args}.",
    "I want you to {verb} the {noun} with {args}.",
    "{Verb} the {noun}, please. Use {args}.",
    "I need you to {verb} the {noun}. Use {args}.",
    "Please {verb} the {noun}: {args}.",
    more=(
        "Task: {verb} the {noun}. Values: {args}",
        "I would like you to {verb} the {noun}. Take {args}.",
        "Could you {verb} the {noun} for me, with {args}?",
        "{Verb} the {noun} ({args}).",
        "With {args}, {verb} the {noun}.",
        "It is time to {verb} the {noun}. The values are {args}.",
        "The {noun} is what you should {verb}, with {args}.",
        "The values are {args}, so {verb} the {noun} like that.",
        "Someone has to {verb} the {noun}. Please do it with {args}.",
        "Here are the values: {args}. Now {verb} the {noun}.",
        "The job is to {verb} the {noun}. Details: {args}.",
        "We must {verb} the {noun} today, {args}.",
        "Help me to {verb} the {noun} with these: {args}.",
        "Go and {verb} the {noun}. It should be {args}.",
        "I need {args} when you {verb} the {noun}.",
        "Let us {verb} the {noun}: {args}.",
        "Time to {verb} the {noun}! {args}.",
        "The {noun} needs somebody to {verb} it. Set {args}.",
        "{Verb} this {noun} now, {args}.",
        "You may {verb} the {noun}, if you take {args}.",
        "Make sure to {verb} the {noun}. I want {args}.",
        "Next step: {verb} the {noun}, {args}.",
    ),
)
_BY_NAME = phrasings(
    "invented.by name",
    "Call {name} with {args}.",
    "Use {name} with {args}.",
    "Run {name} with {args}.",
    "Please use the tool {name}: {args}.",
    "Use the tool {name} with {args}.",
    more=(
        "Could you start {name}? The values are {args}.",
        "Tool: {name}. Values: {args}",
        "I would like to see {name} called with {args}.",
        "{name}, please, with {args}.",
        "With {args}, make a call to {name}.",
        "Let {name} do it, with {args}.",
        "I need the tool {name} for this: {args}.",
        "The right tool is {name}. Give it {args}.",
        "Task for {name}: {args}",
        "Take {name} and set {args}.",
        "Here are {args}. Pass them on to {name}.",
        "Try {name}. Its values: {args}.",
        "Start {name}: {args}.",
        "Apply {name} now, {args}.",
        "Do a {name} with {args}, please.",
        "Have {name} run. I want {args}.",
        "{name}({args})",
        "Next step: {name}, {args}.",
    ),
)
_PAIRS = ("{} {}", "{} {}", "{} set to {}", "{} = {}", "{}: {}")


def _said(rng: random.Random, value: Value) -> str:
    if isinstance(value, bool):
        return rng.choice(("true", "yes", "on") if value else ("false", "no", "off"))
    return str(value)


def invented_request(
    rng: random.Random, split: Split, tool: InventedTool, *, by_name: bool | None = None
) -> Request:
    """A request that names the required arguments and about half of the optional ones."""
    args: dict[str, Value] = {
        param.name: param.draw(rng, split)
        for param in tool.spec.params
        if param.required or rng.random() < 0.5
    }
    pair = rng.choice(_PAIRS)
    said = [pair.format(name.replace("_", " "), _said(rng, args[name])) for name in args]
    rng.shuffle(said)
    listed = f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]
    by_name = rng.random() < 0.25 if by_name is None else by_name
    text = (_BY_NAME if by_name else _PLAIN).draw(rng, split)
    text = text.format(
        verb=tool.verb,
        Verb=tool.verb.capitalize(),
        noun=tool.noun,
        name=tool.spec.name,
        args=listed,
    )
    return Request(text, tool.schema, args, tool.spec.name)


def invented_twin(rng: random.Random, split: Split, tool: InventedTool) -> InventedTool:
    """Another invented tool that shares the verb or the noun."""
    while True:
        same_verb = rng.random() < 0.5
        twin = draw_invented(
            rng,
            split,
            verb=tool.verb if same_verb else None,
            noun=None if same_verb else tool.noun,
        )
        if twin.spec.name != tool.spec.name:
            return twin
