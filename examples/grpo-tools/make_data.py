"""Writes requests to stop the parcel of an order, with the tools that it takes, and one more."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

SEED = 8
NUM_ROWS = 300
WORDINGS = (
    "Stop the parcel of my order {order}.",
    "Please stop the parcel of order {order}.",
    "Order {order} must not be delivered. Stop its parcel.",
    "I do not need order {order} any more. Stop the parcel.",
    "Can you stop the parcel for order {order}?",
    "My order is {order}. Stop its parcel, please.",
    "Hold the parcel that belongs to order {order}.",
    "The parcel of {order} has to stop where it is.",
    "Do not let the parcel of order {order} go on.",
    "Keep the parcel of my order {order} from leaving.",
    "There is a mistake in order {order}. Stop the parcel.",
    "Halt the parcel of order {order} at once.",
    "I moved. Stop the parcel of order {order}.",
    "Order {order}: stop the parcel.",
    "The parcel for {order} should not come. Stop it.",
    "Somebody else bought what is in {order}. Please stop the parcel.",
    "Let the parcel of order {order} wait. Stop it.",
    "Stop what you sent me for order {order}.",
    "Please see that the parcel of {order} is stopped.",
    "We are away. Stop the parcel with our order {order}.",
    "Will you stop the parcel of order {order} for me?",
    "Take care that the parcel of order {order} does not arrive.",
    "Order {order} was a mistake, so stop the parcel.",
    "Have the parcel of my order {order} stopped.",
    "Could the parcel of order {order} be stopped?",
    "I would like you to stop the parcel of order {order}.",
    "Order {order} goes to the wrong house. Stop the parcel.",
    "Make sure that nobody delivers order {order}. Stop its parcel.",
    "What I bought as {order} is no longer of use. Stop the parcel.",
    "Stop the parcel: it is order {order}.",
)


def describe(name: str, text: str, parameter: str) -> dict[str, Any]:
    """A tool with one parameter, in OpenAI's form."""
    properties = {parameter: {"type": "string"}}
    parameters = {"type": "object", "properties": properties, "required": [parameter]}
    function = {"name": name, "description": text, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = [
    describe("lookup_order", "Look up an order.", "order_id"),
    describe("stop_parcel", "Stop a parcel.", "parcel_id"),
    # What nobody asks for, and the base often takes.
    describe("move_parcel", "Move a parcel.", "parcel_id"),
]


def make_rows() -> list[dict[str, Any]]:
    """Rows in every wording alike, the tools in any order."""
    rng = random.Random(SEED)
    rows = []
    for number in range(NUM_ROWS):
        letters = "".join(rng.choice("ABCDEFGHKLMNPRSTVWXZ") for _ in range(2))
        order = f"{letters}-{rng.randint(100, 999)}"
        wording = number % len(WORDINGS)
        content = WORDINGS[wording].format(order=order)
        rows.append(
            {
                "messages": [{"role": "user", "content": content}],
                "tools": rng.sample(TOOLS, len(TOOLS)),
                "order_id": order,
                "parcel_id": f"{rng.choice('PQRS')}{rng.randint(10000, 99999)}",
                "group": f"wording {wording}",
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", metavar="OUT.jsonl", type=Path)
    out: Path = parser.parse_args().out
    lines = (json.dumps(row, ensure_ascii=False) for row in make_rows())
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
