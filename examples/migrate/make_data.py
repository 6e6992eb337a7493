"""Writes the rows of the example: a desk that looks parcels up by a tool, and answers.

Always the same rows.
"""

import argparse
import json
import random
from pathlib import Path

TRACK = {
    "type": "function",
    "function": {
        "name": "track_parcel",
        "description": "Where a parcel is.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "string", "description": "Such as P1234."}},
            "required": ["number"],
            "additionalProperties": False,
        },
    },
}
ASKED = (
    "Where is my parcel {}?",
    "Can you track {} for me?",
    "Any news of parcel {}?",
    "I am waiting for {}. Where is it?",
    "Please look up {}.",
)
PLACES = ("in Leeds", "in Hull", "on the van", "at the depot", "at the door")


def build_row(number: int, draw: random.Random) -> dict[str, object]:
    """A question and its call; every third row goes on to the answer."""
    parcel = f"P{draw.randrange(1000, 10000)}"
    call = {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "track_parcel", "arguments": json.dumps({"number": parcel})},
    }
    messages: list[dict[str, object]] = [
        {"role": "user", "content": draw.choice(ASKED).format(parcel)},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    if number % 3 == 2:
        place = draw.choice(PLACES)
        found = {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": json.dumps({"place": place}),
        }
        messages[-1] = {**messages[-1], "weight": 0}
        messages += [found, {"role": "assistant", "content": f"Parcel {parcel} is {place}."}]
    return {"messages": messages, "tools": [TRACK]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", metavar="OUT.jsonl", type=Path)
    out: Path = parser.parse_args().out
    draw = random.Random(7)
    rows = [build_row(number, draw) for number in range(150)]
    out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
