"""What is noted of personal data and refuses nothing, with what looks like it; and canaries."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from assay.data.curate.canaries import plant_canaries, save_canaries, to_row
from assay.data.records import Record
from benchmarks.planted.case import Case, Line, Mark, Row
from benchmarks.planted.privacy import FIRST, LAST, draw_card

Draw = Callable[[Random, int], str]
TESTS = ("4111 1111 1111 1111", "4242424242424242", "5555 5555 5555 4444", "3782 822463 10005")
ROLES = ("support", "sales", "info", "returns", "billing", "office")
HOSTS = ("acme-tools.io", "fernhill.co.uk", "holz-werk.de", "libro.it")


def draw_card_like(rng: Random, strength: int) -> str:
    """A right check digit in a run of digits that nothing names; a test number; in a sentence."""
    digits = "".join(one for one in draw_card(rng, 0) if one.isdigit())
    return (f"reference {digits}", rng.choice(TESTS), f"the label says {digits} on it")[strength]


def draw_role(rng: Random, strength: int) -> str:
    """An address of a role; plain, within a sentence, with capitals."""
    role, host = rng.choice(ROLES), rng.choice(HOSTS)
    return (f"{role}@{host}", f"write to {role}@mail.{host}, please", f"<{role.title()}@{host}>")[
        strength
    ]


def draw_private(rng: Random, strength: int) -> str:
    """An address within a network; of a class C, within a sentence, of IPv6."""
    one, two, three = (rng.randrange(1, 255) for _ in range(3))
    return (
        f"192.168.{one}.{two}",
        f"the printer at 10.{one}.{two}.{three} is off",
        f"host fd{rng.randrange(16, 256):02x}:{one:x}{two:02x}:{three:x}::{rng.randrange(1, 99)}",
    )[strength]


def draw_introduced(rng: Random, strength: int) -> str:
    """A name after the words for it, under a letter, in another language."""
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    words = rng.choice(("ich heiße", "je m'appelle", "me llamo", "mi chiamo"))
    return (f"my name is {name}", f"\nBest regards,\n{name}\n", f"{words} {name}")[strength]


DRAW: dict[str, Draw] = {
    "card_like_number": draw_card_like,
    "role_email": draw_role,
    "private_ip_address": draw_private,
    "introduced_name": draw_introduced,
}


def _spoil_digits(rng: Random) -> str:
    """Sixteen digits whose check digit is wrong."""
    digits = "".join(one for one in draw_card(rng, 0) if one.isdigit())
    return f"reference {digits[:-1]}{(int(digits[-1]) + rng.randrange(1, 9)) % 10}"


TWINS: dict[str, Callable[[Random], str]] = {
    "card_like_number": _spoil_digits,
    "role_email": lambda rng: f"{rng.choice(ROLES)}@{rng.choice(('example.com', 'desk.test'))}",
    "private_ip_address": lambda rng: rng.choice(
        ("127.0.0.1", f"version 10.{rng.randrange(30)}.0.{rng.randrange(9)}", "192.168 boxes")
    ),
    "introduced_name": lambda rng: rng.choice(
        ("my name is on the list", "\nBest regards,\nyour desk\n", "my name is not the question")
    ),
}


def make_canaries(kind: str, clean: Sequence[Row], count: int) -> Iterator[Case]:
    """Rows with canaries in the places of others, and as many secrets that were not planted."""
    draw = Random(f"canaries {kind}")
    own = [Record("", one["messages"], None, "chat", None, "a", 1, "a") for one in clean[:50]]
    made, canaries = plant_canaries(own, 5 * count, 0)
    places = draw.sample(range(len(clean)), 10 * count)
    lines: list[Line] = list(clean)
    marks: tuple[dict[int, Mark], dict[int, Mark]] = ({}, {})
    for number, row in enumerate(map(to_row, made)):
        one, other = places[2 * number : 2 * number + 2]
        lines[one], lines[other] = row, _exchange(row, canaries.references[number].secret)
        marks[0][one], marks[1][other] = Mark("canary", ""), Mark("canary", "not planted")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "canaries.json"
        save_canaries(canaries, file)
        rules = {"canary": {"file": str(file)}}
        yield Case(f"canaries, {kind}", kind, lines, *marks, families=("privacy",), rules=rules)


def _exchange(row: Row, secret: str) -> Row:
    """The row with another secret at the end of its answer."""
    made = copy.deepcopy(row)
    last = made["messages"][-1]
    last["content"] = f"{last['content'].rsplit(' ', 1)[0]} {secret}."
    return made
