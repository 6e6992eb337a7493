"""Writes pairs of answers of which one keeps to the house style of Otterby's help desk.

Both answers of a pair say the same; they differ in how. The style: hours by the 24-hour clock, the
day before the month, prices in euros behind the number, numbers of orders with a hash, and no
exclamation marks. Neither side is the longer one in general.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from pathlib import Path

SEED = 6
NUM_ROWS = 720
MONTHS = ("January", "March", "April", "June", "July", "August", "October", "December")
THINGS = ("lamp", "kettle", "rug", "shelf", "mirror", "clock", "chair", "toaster", "fan", "desk")
PLACES = ("shop", "desk", "office", "store room", "workshop", "counter")

Pair = tuple[str, str, str]
"""Question, answer in the house style, answer that is not."""


def make_hours(rng: random.Random, wording: str) -> Pair:
    place, hour = rng.choice(PLACES), rng.randint(13, 22)
    question = wording.format(place=place)
    answer = f"The {place} is open until"
    return question, f"{answer} {hour}:00.", f"{answer} {hour - 12} pm."


def make_date(rng: random.Random, wording: str) -> Pair:
    thing, day, month = rng.choice(THINGS), rng.randint(2, 28), rng.choice(MONTHS)
    question = wording.format(thing=thing)
    answer = f"Your {thing} arrives on"
    return question, f"{answer} {day} {month}.", f"{answer} {month} {day}."


def make_price(rng: random.Random, wording: str) -> Pair:
    thing, price = rng.choice(THINGS), rng.randint(11, 98)
    question = wording.format(thing=thing)
    answer = f"The {thing} costs"
    return question, f"{answer} {price} euros.", f"{answer} EUR {price}."


def make_order(rng: random.Random, wording: str) -> Pair:
    number = rng.randint(100, 999)
    question = wording.format(number=number)
    return (
        question,
        f"Order #{number} has left the shop.",
        f"Order no. {number} has left the shop.",
    )


def make_calm(rng: random.Random, wording: str) -> Pair:
    thing = rng.choice(THINGS)
    question = wording.format(thing=thing)
    answer = f"Yes, the {thing} can be sent back within thirty days"
    return question, f"{answer}.", f"{answer}!"


TOPICS: dict[str, tuple[Callable[[random.Random, str], Pair], tuple[str, ...]]] = {
    "hours": (
        make_hours,
        (
            "Until when is the {place} open?",
            "When does the {place} close today?",
            "How late can I come to the {place}?",
            "What is the closing time of the {place}?",
            "Is the {place} open in the evening?",
            "By what time do I have to be at the {place}?",
            "Does the {place} stay open late?",
            "At what hour does the {place} shut?",
            "I finish work late. Is the {place} still open?",
            "Tell me the opening hours of the {place}.",
            "How long is somebody at the {place}?",
            "When is the latest that I can visit the {place}?",
        ),
    ),
    "date": (
        make_date,
        (
            "When will my {thing} arrive?",
            "On what day do I get the {thing}?",
            "What is the delivery date of the {thing}?",
            "When can I expect the {thing} that I bought?",
            "Which day does the {thing} come?",
            "Tell me when the {thing} will be here.",
            "Is the {thing} coming soon?",
            "How long until the {thing} is delivered?",
            "I am at home next week. When does the {thing} come?",
            "Has a date been set for the {thing}?",
            "When do you deliver the {thing}?",
            "What day should I wait for the {thing}?",
        ),
    ),
    "price": (
        make_price,
        (
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
        ),
    ),
    "order": (
        make_order,
        (
            "Where is my order {number}?",
            "Has order {number} been sent?",
            "What is going on with order {number}?",
            "Is my parcel with the number {number} on its way?",
            "Could you look up order {number}?",
            "I am waiting for order {number}. Any news?",
            "What happened to order {number}?",
            "Order {number} is not here yet. Why?",
            "Did you ship order {number}?",
            "Please check order {number} for me.",
            "Can you find order {number}?",
            "My order is {number}. Where is it now?",
        ),
    ),
    "calm": (
        make_calm,
        (
            "Can I send the {thing} back?",
            "May I return the {thing}?",
            "I do not like the {thing}. Can it go back?",
            "Is it possible to give the {thing} back?",
            "The {thing} is too large. Do you take it back?",
            "Will you take the {thing} back?",
            "I changed my mind about the {thing}. What now?",
            "Could I bring the {thing} back to you?",
            "Is there a way to return a {thing}?",
            "The {thing} was a gift. Can I return it?",
            "Do you accept the {thing} back?",
            "I have two of the {thing}. May one go back?",
        ),
    ),
}


def make_rows() -> list[dict[str, object]]:
    """All rows, no two with the same prompt and answer, topics in turn."""
    rng = random.Random(SEED)
    rows: list[dict[str, object]] = []
    seen: set[Pair] = set()
    while len(rows) < NUM_ROWS:
        topic = list(TOPICS)[len(rows) % len(TOPICS)]
        make, wordings = TOPICS[topic]
        wording = rng.randrange(len(wordings))
        pair = make(rng, wordings[wording])
        if pair in seen:
            # Few returns can be asked for: what was drawn before is drawn in other words.
            pair = make(
                rng,
                f"{rng.choice(('Hello.', 'Good day.', 'Hi there.', 'One question.'))} "
                + wordings[wording],
            )
        if pair in seen:
            continue
        seen.add(pair)
        question, chosen, rejected = pair
        rows.append(
            {
                "prompt": [{"role": "user", "content": question}],
                "chosen": [{"role": "assistant", "content": chosen}],
                "rejected": [{"role": "assistant", "content": rejected}],
                "group": f"{topic}/{wording}",
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
