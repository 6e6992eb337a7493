"""The values that tool calls carry, by kind of parameter. Knows no tool and no wording.

Names, cities, products and colours come from the world's own pools, so that a word held out there
is held out here; codes, dates and times are drawn afresh every time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from assay.lab.world import values as world
from assay.lab.world.base import Split
from assay.lab.world.values import OpenPool, coined_like, some_word, styled

Draw = Callable[[random.Random, Split], Any]


def word_pool(name: str, text: str, *, held_out: float = 0.15) -> OpenPool:
    """A pool of the words of `text`, `held_out` of which training never draws."""

    def coin(rng: random.Random, word: str) -> str:
        return styled(word, some_word(rng))

    return OpenPool(f"tool:{name}", text.split(), held_out=held_out, coin=coin)


def notation_pool(name: str, text: str) -> OpenPool:
    """A pool of parameters in the notation of `tool_schemas`; a coined one keeps its kind."""

    def coin(rng: random.Random, notation: str) -> str:
        param, kind = notation.split(":")
        new = some_word(rng) if rng.random() < 0.5 else coined_like(rng, param)
        return f"{new}:{kind}"

    return OpenPool(f"tool:{name}", text.split(), coin=coin, coined_share=0.7)


def _lines(name: str, text: str) -> OpenPool:
    return OpenPool(f"tool:{name}", [line.strip() for line in text.strip().splitlines()])


SENTENCES = _lines(
    "sentence",
    """
    I am running late
    the meeting moved to noon
    please bring the keys
    dinner is ready
    the train was on time
    call me after lunch
    we won the game
    the door is open
    thank you for the gift
    the report is done
    I will be home soon
    the shop closes at six
    see you on Friday
    the test passed
    the light is broken
    we need more paper
    good luck today
    the plan has changed
    my phone is lost
    the water is cold
    """,
)
TOPICS = _lines(
    "topic",
    """
    garden plants
    travel plans
    team lunch
    budget report
    road safety
    solar power
    open doors
    weekly review
    health check
    new contract
    summer holiday
    data backup
    bread baking
    home repair
    music class
    bike routes
    ocean birds
    winter sports
    invoice check
    project start
    """,
)
PROBLEMS = _lines(
    "problem",
    """
    printer is broken
    login page fails
    screen stays black
    email does not load
    heating is off
    door lock stuck
    slow network
    payment failed twice
    missing invoice
    wrong password shown
    app closes at start
    camera not working
    backup did not run
    water leak in kitchen
    report has wrong date
    """,
)
CHORES = _lines(
    "chore",
    """
    feed the dog
    call the bank
    water the plants
    buy milk
    pay the rent
    take the pills
    close the window
    send the letter
    pick up the kids
    wash the car
    charge the phone
    check the oven
    clean the kitchen
    walk the dog
    book the hotel
    """,
)
PLACES = _lines(
    "restaurant",
    """
    Long Door
    Old Mill
    Golden Fork
    Sunny Garden
    Red Lion
    River House
    Little Oven
    Silver Spoon
    Corner Table
    Sea View
    Stone Bridge
    White Rose
    """,
)
STREETS = word_pool(
    "street", "Park Hill Lake Mill Rose Oak Church River Station Garden King Elm North Bridge Sun"
)
LANGUAGES = word_pool(
    "language",
    """French German Spanish Italian Dutch Polish Greek Swedish Danish Turkish Arabic Hindi
    Korean Japanese Finnish Czech""",
)
CURRENCIES = word_pool("currency", "USD EUR GBP JPY CHF CAD AUD SEK NOK DKK PLN INR")
UNITS = word_pool("unit", "meters feet miles inches yards liters cups pounds grams ounces seconds")
SERVICES = word_pool(
    "service", "billing search login mail orders payments reports cache images chat backup gateway"
)
TABLES = word_pool(
    "table", "orders users invoices products payments visits tickets tasks teams items"
)
ROOMS = _lines(
    "room", "kitchen\nbedroom\noffice\nhall\nliving room\nbathroom\ngarage\nattic\ncellar"
)
FOLDERS = word_pool("folder", "notes docs data reports home logs team work")
FILES = word_pool(
    "file", "plan budget list draft summary letter todo budget2 index recipe trip menu"
)
SKIES = word_pool("sky", "sunny cloudy rainy windy foggy snowy clear stormy dry")
OPTION_WORDS = word_pool(
    "option",
    """soft hard warm cold wide narrow left right upper lower early late short long light dark
    round flat plain rich quiet loud fast slow basic full daily weekly local remote inner outer""",
    held_out=0,
)


def _code(prefixes: str, digits: int) -> Draw:
    low, high = 10 ** (digits - 1), 10**digits

    def draw(rng: random.Random, split: Split) -> str:
        return f"{rng.choice(prefixes)}{rng.randrange(low, high)}"

    return draw


def _order(rng: random.Random, split: Split) -> str:
    return world.order_id(rng)


def _path(rng: random.Random, split: Split) -> str:
    ending = rng.choice(("txt", "md", "csv"))
    return f"{FOLDERS.draw(rng, split)}/{FILES.draw(rng, split)}.{ending}"


def _address(rng: random.Random, split: Split) -> str:
    return f"{rng.randint(1, 99)} {STREETS.draw(rng, split)} Street"


def _date(rng: random.Random, split: Split) -> str:
    return world.iso_date(world.date_parts(rng, split))


def _clock(rng: random.Random, split: Split) -> str:
    return f"{rng.randint(6, 22):02d}:{rng.choice(('00', '10', '15', '20', '30', '40', '45'))}"


def _amount(rng: random.Random, split: Split) -> int | float:
    whole = rng.randint(3, 900)
    return whole if rng.random() < 0.7 else whole + rng.choice((0.25, 0.5, 0.75))


def _degrees(rng: random.Random, split: Split) -> int | float:
    return rng.randint(14, 26) + (0.5 if rng.random() < 0.3 else 0)


def _digits(rng: random.Random, split: Split) -> str:
    """Digits that are no quantity, such as those of a telephone number."""
    return "".join(rng.choices("0123456789", k=rng.randint(2, 8)))


STRING_DRAWS: dict[str, Draw] = {
    "person": world.first_name,
    "city": world.CITIES.draw,
    "product": world.PRODUCTS.draw,
    "sentence": SENTENCES.draw,
    "topic": TOPICS.draw,
    "problem": PROBLEMS.draw,
    "chore": CHORES.draw,
    "restaurant": PLACES.draw,
    "language": LANGUAGES.draw,
    "currency": CURRENCIES.draw,
    "unit": UNITS.draw,
    "service": SERVICES.draw,
    "table": TABLES.draw,
    "room": ROOMS.draw,
    "sky": SKIES.draw,
    "state": world.STATUSES.draw,
    "color": world.COLOURS.draw,
    "email": world.email,
    "path": _path,
    "address": _address,
    "date": _date,
    "clock": _clock,
    "order": _order,
    "parcel": _code("PQ", 5),
    "user": _code("U", 4),
    "account": _code("K", 5),
    "code": _code("EFGHJKLMNRSTVWXZ", 3),
    "digits": _digits,
}
NUMBER_DRAWS: dict[str, Draw] = {"amount": _amount, "degrees": _degrees}
