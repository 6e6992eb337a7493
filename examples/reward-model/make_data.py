"""Writes pairs of answers of which one is the better help: it tells what was asked, and no more.

Three things make an answer of the help desk worse, and each row has one of them: it leaves the
question unanswered, it tells of another thing than the one that was asked about, or it blames the
customer. Neither side is the longer one in general.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from pathlib import Path

SEED = 6
THINGS = ("lamp", "kettle", "rug", "shelf", "mirror", "clock", "chair", "toaster", "fan", "desk")
WORDINGS = (
    "What does the {thing} cost?",
    "How much is the {thing}?",
    "What is the price of the {thing}?",
    "What do I pay for the {thing}?",
    "Could you tell me the price of a {thing}?",
    "How much do you ask for the {thing}?",
    "Is the {thing} expensive?",
    "I would like the {thing}. What do you charge?",
    "Tell me what the {thing} costs now.",
    "What would I have to pay for one {thing}?",
    "Do you know the price of this {thing}?",
    "At what price do you sell the {thing}?",
)
EVASIONS = (
    "Prices are told in the shop, which is open on most days.",
    "That is a good question, and many of our guests ask it.",
    "Prices may change from day to day, so ask again later.",
)
BLAME = (
    "You could have read that yourself.",
    "You ask what is on the label.",
    "You should know that by now.",
)
FAULTS = ("evades", "other", "blames")
GREETINGS = ("", "Hello. ", "Good day. ", "Hi there. ")


def make_rows() -> list[dict[str, object]]:
    """All rows: every greeting, wording and thing once, in random order, faults in turn."""
    rng = random.Random(SEED)
    prices = {thing: rng.randint(11, 98) for thing in THINGS}
    questions = list(itertools.product(GREETINGS, WORDINGS, THINGS))
    rng.shuffle(questions)
    return [
        make_row(rng, FAULTS[number % len(FAULTS)], question, prices)
        for number, question in enumerate(questions)
    ]


def make_row(
    rng: random.Random, fault: str, question: tuple[str, str, str], prices: dict[str, int]
) -> dict[str, object]:
    greeting, wording, thing = question
    other = rng.choice([one for one in THINGS if one != thing])
    worse = {
        "evades": rng.choice(EVASIONS),
        "other": describe(other, prices),
        "blames": f"{rng.choice(BLAME)} The {thing} is {prices[thing]} euros.",
    }[fault]
    prompt = greeting + wording.format(thing=thing)
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": describe(thing, prices)}],
        "rejected": [{"role": "assistant", "content": worse}],
        "group": wording.format(thing=thing),
    }


def describe(thing: str, prices: dict[str, int]) -> str:
    return f"The {thing} costs {prices[thing]} euros, and we bring it home for free."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", metavar="OUT.jsonl", type=Path)
    out: Path = parser.parse_args().out
    lines = (json.dumps(row, ensure_ascii=False) for row in make_rows())
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
