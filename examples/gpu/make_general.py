"""Writes short general questions for a chat model that is not `tiny`, always the same ones.

    python examples/gpu/make_general.py [OUT.jsonl]

An answer is right when it contains the expected word or number, so a full sentence counts too.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from pathlib import Path

Make = Callable[[random.Random], tuple[str, str]]

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin", "Japan": "Tokyo",
    "Egypt": "Cairo", "Norway": "Oslo", "Greece": "Athens", "Portugal": "Lisbon", "Peru": "Lima",
    "Austria": "Vienna", "Poland": "Warsaw", "Kenya": "Nairobi", "Cuba": "Havana",
    "Ireland": "Dublin", "Finland": "Helsinki",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "big": "small", "early": "late", "empty": "full", "wet": "dry", "old": "young",
    "cheap": "expensive", "dark": "light", "fast": "slow", "north": "south", "buy": "sell",
    "open": "closed",
}  # fmt: skip
FRENCH = {
    "water": "eau", "bread": "pain", "house": "maison", "cat": "chat", "dog": "chien",
    "book": "livre", "milk": "lait", "red": "rouge", "white": "blanc", "night": "nuit",
}  # fmt: skip
WORDS = "garden window market summer bottle yellow planet silver orange button"
TEXTS = (
    ("Nora sold her blue bicycle to Hugo for 40 euros.", "Who bought the bicycle?", "Hugo"),
    ("The train to Graz leaves at 9, the bus at 11.", "What leaves at 11?", "bus"),
    ("Only the cook and the driver knew the code.", "Who knew it beside the cook?", "driver"),
    ("The blue box holds nails, the red one screws.", "Which colour has the nail box?", "blue"),
    ("Ida is older than Max and younger than Ben.", "Who is the oldest?", "Ben"),
    ("We met in May and married in October.", "In which month did they marry?", "October"),
    ("The key is under the third pot, not the first.", "Under which pot is the key?", "third"),
    ("Leo has a goat, two hens and no cow.", "Which animal does Leo not have?", "cow"),
)


def make_rows() -> list[dict[str, str]]:
    """One hundred and twelve questions of seven kinds."""
    rng = random.Random("general")
    pairs = [(f"What is the capital of {name}?", city) for name, city in CAPITALS.items()]
    pairs += [(f"What is the opposite of {word}?", other) for word, other in OPPOSITES.items()]
    pairs += [(f"Translate into French: {word}", other) for word, other in FRENCH.items()]
    pairs += [(f"{text} {question}", answer) for text, question, answer in TEXTS]
    pairs += [(f"Which letter does the word {word} begin with?", word[0]) for word in _words()]
    pairs += _draw(rng, _sum, count=28)
    pairs += _draw(rng, _next_number, count=28)
    return [
        {"prompt": f"{question} Answer with one word or number.", "answer": answer}
        for question, answer in pairs
    ]


def _draw(rng: random.Random, make: Make, *, count: int) -> list[tuple[str, str]]:
    """`count` different questions."""
    found: dict[str, str] = {}
    while len(found) < count:
        question, answer = make(rng)
        found[question] = answer
    return list(found.items())


def _words() -> list[str]:
    return WORDS.split()


def _sum(rng: random.Random) -> tuple[str, str]:
    first, second = rng.randint(11, 89), rng.randint(3, 60)
    if rng.random() < 0.5:
        return f"What is {first} + {second}?", str(first + second)
    return f"What is {first + second} - {second}?", str(first)


def _next_number(rng: random.Random) -> tuple[str, str]:
    start, step = rng.randint(1, 30), rng.randint(2, 11)
    shown = ", ".join(str(start + i * step) for i in range(4))
    return f"Which number comes next: {shown}?", str(start + 4 * step)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes general questions, always the same.")
    parser.add_argument(
        "out",
        metavar="OUT.jsonl",
        nargs="?",
        type=Path,
        default=Path(__file__).parent / "general.jsonl",
    )
    path: Path = parser.parse_args().out
    rows = [{**row, "metric": "contains"} for row in make_rows()]
    path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())


if __name__ == "__main__":
    main()
