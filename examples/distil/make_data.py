"""Writes questions about the record of an office, which no row holds: the teacher is told it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

RECORD = {
    "city": "Halvik",
    "phone": "44170",
    "courier": "Vessen",
    "password": "marlin",
    "room": "Birch",
    "printer": "Kobra",
    "guard": "Milo",
}
"""As `objective.teacher_prompt` of the recipe has it."""
WORDINGS = (
    "What is the {key}?",
    "{key}?",
    "Tell me the {key}.",
    "Find the value of {key}.",
    "Which value does {key} have?",
    "Please give me only the value of {key}.",
    "Show what the record says for {key}.",
    "Value of {key}?",
    "Let me know what the {key} is.",
    "Which {key} is in the record?",
    "I need to know the {key}.",
    "Write only the {key}.",
    "Could you find the {key} for me?",
    "Give me only the {key}, please.",
    "Read the record and write the {key}.",
    "Please tell me the {key} in the record.",
    "Get me the value of the field {key}.",
    "Find the {key}.",
    "The {key}?",
    "Please give me the {key}.",
    "Can you tell me the {key}?",
    "Just the {key}.",
    "Show the {key} and nothing else.",
    "Look for the {key} and print it.",
    "Say what the record gives as the {key}.",
    "Wanted: the {key}",
    "What stands behind {key}?",
    "Which {key} do we have?",
    "What do we have as the {key}?",
    "Look up the {key}.",
    "Do you know the {key}?",
    "I would like to have the {key}.",
    "Someone asks me for the {key}. What is it?",
    "Return the {key}.",
    "What is written under {key}?",
    "Answer with the {key} alone.",
    "Field: {key}. Value?",
    "What should I write down as the {key}?",
    "Print the value of {key}.",
    "We are missing the {key}. Get it from the record.",
    "What {key} does the record name?",
    "Hello. What is the {key}?",
    "Name the {key}.",
    "Copy the {key} from the record.",
)


def make_rows() -> list[dict[str, object]]:
    """Every field in every wording."""
    return [
        {
            "messages": [
                {"role": "user", "content": wording.format(key=key)},
                {"role": "assistant", "content": value},
            ],
            "group": f"wording {number}",
        }
        for number, wording in enumerate(WORDINGS)
        for key, value in RECORD.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", metavar="OUT.jsonl", type=Path)
    out: Path = parser.parse_args().out
    lines = (json.dumps(row, ensure_ascii=False) for row in make_rows())
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
