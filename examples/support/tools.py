"""The desk's own tools, how customers ask for them, and what they answer; draws nothing."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
_TEXT = {"type": "string"}


def _tool(name: str, description: str, **properties: Schema) -> Schema:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


REASONS: dict[str, tuple[str, ...]] = {
    "broken": ("it is broken", "it does not work", "it has a crack", "it came in pieces"),
    "wrong": ("it is the wrong colour", "it is the wrong size", "you sent the wrong one"),
    "late": ("it came too late", "it was a week late", "it arrived after the party"),
    "unwanted": ("I do not need it", "I changed my mind", "I do not like it", "I have two now"),
}
"""Reason of a return as the tool names it: how customers say it."""

TEAMS: dict[str, tuple[str, ...]] = {
    "manager": (
        "I want to talk to your boss about order {order}.",
        "Your answer on order {order} is not good enough. Who is the manager?",
        "I want to complain about you and order {order}.",
        "Please give order {order} to the manager.",
    ),
    "repairs": (
        "The item of order {order} must be repaired.",
        "Please give order {order} to the people who repair things.",
        "Can somebody repair what I got with order {order}?",
        "Order {order} needs a repair.",
    ),
    "refunds": (
        "I still have no refund for order {order}.",
        "Somebody must look at the refund of order {order}.",
        "My money for order {order} never came back.",
        "Please ask the refund team about order {order}.",
    ),
}
"""Team that `escalate` calls: the requests that mean it."""

TOOLS: dict[str, Schema] = {
    tool["function"]["name"]: tool
    for tool in (
        _tool("find_order", "Find an order.", order_id=_TEXT),
        _tool(
            "start_return",
            "Open a return.",
            order_id=_TEXT,
            reason={"type": "string", "enum": list(REASONS)},
        ),
        _tool("change_city", "Send an order to another city.", order_id=_TEXT, city=_TEXT),
        _tool("book_pickup", "Collect a return.", order_id=_TEXT, day=_TEXT),
        _tool("send_invoice", "Send an invoice.", order_id=_TEXT, email=_TEXT),
        _tool(
            "escalate",
            "Call a team.",
            order_id=_TEXT,
            team={"type": "string", "enum": list(TEAMS)},
        ),
    )
}

REQUESTS: dict[str, tuple[str, ...]] = {
    "find_order": (
        "Where is my order {order}?",
        "What is the status of order {order}?",
        "Please check order {order}.",
        "When does order {order} arrive?",
        "I am waiting for {order}. Where is it?",
        "Is order {order} packed yet?",
        "Did you send {order} already?",
        "I ordered a {good}, the number is {order}. Where is it?",
        "Can you look at order {order} for me?",
        "{order} is late. What happened?",
        "Any news of order {order}?",
        "Has my {good} left? The order is {order}.",
        "Tell me where {order} is.",
    ),
    "start_return": (
        "I want to return order {order}, {reason}.",
        "Please take back order {order}: {reason}.",
        "Open a return for {order}. The reason: {reason}.",
        "I am sending {order} back because {reason}.",
        "The {good} of order {order} must go back, {reason}.",
        "Return order {order}, please. You see, {reason}.",
        "I do not keep order {order}: {reason}.",
        "About order {order}: {reason}. I want to send it back.",
        "Can I send back {order}? I bought a {good} and {reason}.",
        "Start a return of {order}, {reason}.",
        "{order} goes back to you, {reason}.",
    ),
    "change_city": (
        "Please send order {order} to {city}.",
        "Order {order} should go to {city}.",
        "I moved to {city}. Change order {order}, please.",
        "Change the city of order {order} to {city}.",
        "Bring {order} to {city} and not to my old address.",
        "My new city is {city}. The order is {order}.",
        "Can order {order} be delivered in {city}?",
        "The {good} of order {order} must go to {city}.",
        "Please deliver {order} to my flat in {city}.",
        "I live in {city} now, so send {order} there.",
        "For order {order} the right city is {city}.",
    ),
    "book_pickup": (
        "Please collect order {order} on {day}.",
        "Can the driver collect {order} on {day}?",
        "On {day} I am at home. Collect order {order}, please.",
        "Pick up the return of {order} on {day}.",
        "I want order {order} collected on {day}.",
        "The {good} of order {order} can be collected on {day}.",
        "Send a driver on {day} to take back {order}.",
        "Book a pickup for order {order}, {day} please.",
        "{day} is a good day to collect {order}.",
        "Come on {day} and collect the return of order {order}.",
    ),
    "send_invoice": (
        "Send the invoice of order {order} to {email}.",
        "I need the invoice for {order}. My email is {email}.",
        "Please email me the invoice of {order}: {email}.",
        "My office needs the bill of order {order}. Send it to {email}.",
        "Can you send the invoice for order {order} to {email}?",
        "The invoice of {order} must go to {email}.",
        "I lost the invoice of order {order}. Write to {email}.",
        "{email} should get the invoice of order {order}.",
        "Invoice for {order} to {email}, please.",
        "No invoice came with order {order}. I am {email}.",
    ),
}
"""Tool: the requests that hold every value it needs."""

MISSING: dict[str, tuple[str, ...]] = {
    "find_order": (
        "Where is my order?",
        "When does my {good} arrive?",
        "Please check my order.",
        "My {good} is late. Where is it?",
        "Can you look at the order of my {good}?",
        "Did you send my {good} already?",
        "What is the status of the {good} that I ordered?",
    ),
    "change_city": (
        "Please send my order to {city}.",
        "I moved to {city}. Change my order.",
        "My {good} should go to {city}.",
        "Can you deliver my order in {city}?",
        "Bring the {good} to {city}, please.",
        "The right city for my {good} is {city}.",
    ),
    "send_invoice": (
        "Send my invoice to {email}.",
        "I need an invoice for my {good}. My email is {email}.",
        "Please email me the bill: {email}.",
        "The invoice for the {good} must go to {email}.",
        "I lost my invoice. Write to {email}.",
    ),
    "book_pickup": (
        "Please collect my {good} on {day}.",
        "Can the driver come on {day} to collect my return?",
        "Pick up the {good} on {day}.",
        "Book a pickup for {day}.",
    ),
}
"""Tool: requests without the order number."""

ASK_NUMBER = "Please tell me your order number. It starts with OT."
GIVE_NUMBER: tuple[str, ...] = (
    "{order}",
    "It is {order}.",
    "The number is {order}.",
    "Sorry, {order}.",
    "My order is {order}.",
    "Order {order}",
)

RESULTS: dict[str, tuple[tuple[Schema, str], ...]] = {
    "find_order": (
        ({"status": "packed", "day": "{day}"}, "Order {order} is packed and leaves on {day}."),
        ({"status": "sent", "day": "{day}"}, "Order {order} is on its way. It comes on {day}."),
        ({"status": "done", "day": "{day}"}, "Order {order} was delivered on {day}."),
        ({"status": "hold", "day": "{day}"}, "Order {order} is out of stock until {day}."),
    ),
    "start_return": (({"label": "{label}"}, "Your return is open. The label is {label}."),),
    "change_city": (
        ({"ok": True}, "Done. Order {order} now goes to {city}."),
        ({"ok": False}, "Sorry, order {order} has left already."),
    ),
    "book_pickup": (({"hour": "{hour}"}, "We collect it on {day} at {hour}."),),
    "send_invoice": (
        ({"ok": True}, "Done. The invoice is on its way to {email}."),
        ({"ok": False}, "Sorry, there is no invoice for order {order} yet."),
    ),
    "escalate": (({"ticket": "{label}"}, "I called the {team} team. Your ticket is {label}."),),
}
"""Tool: what it may answer, and how the desk says it."""
