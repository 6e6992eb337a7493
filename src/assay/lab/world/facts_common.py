"""Common knowledge of the real world in simple words: a table of facts for each topic.

Knows nothing of the invented world beside it, and holds nothing that changes with the years.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """Facts of one form. `noun`, `asks` and `says` use ``{name}``; `says` also ``{value}``.

    The first of `says` is the full answer; the others are ways a text may tell the same.
    """

    noun: str
    asks: tuple[str, ...]
    says: tuple[str, ...]
    facts: dict[str, str]


_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)

TOPICS: dict[str, Topic] = {
    "month_after": Topic(
        "the month after {name}",
        (
            "what month comes after {name}",
            "which month follows {name}",
            "when {name} is over, which month begins",
            "what is the month after {name}",
            "which month of the year comes next after {name}",
        ),
        ("The month after {name} is {value}.", "{value} comes after {name}."),
        {month: _MONTHS[(index + 1) % 12] for index, month in enumerate(_MONTHS)},
    ),
    "month_before": Topic(
        "the month before {name}",
        (
            "what month comes before {name}",
            "which month is just before {name}",
            "when {name} begins, which month is over",
            "what is the month before {name}",
            "in the year, which month is followed by {name}",
        ),
        ("The month before {name} is {value}.", "{value} comes before {name}."),
        {month: _MONTHS[index - 1] for index, month in enumerate(_MONTHS)},
    ),
    "colour": Topic(
        "the colour of {name}",
        (
            "what colour is {name}",
            "which colour does {name} have",
            "what is the colour of {name}",
            "of which colour is {name}",
            "what colour do we see when we look at {name}",
        ),
        ("The colour of {name} is {value}.", "{name} is {value}.", "You see {value} in {name}."),
        {
            "grass": "green",
            "snow": "white",
            "blood": "red",
            "the clear sky": "blue",
            "a ripe banana": "yellow",
            "coal": "black",
            "milk": "white",
            "a carrot": "orange",
            "chocolate": "brown",
            "a ripe tomato": "red",
            "an elephant": "grey",
            "a lemon": "yellow",
            "salt": "white",
            "a cucumber": "green",
            "a flamingo": "pink",
            "a crow": "black",
        },
    ),
    "opposite": Topic(
        "the opposite of {name}",
        (
            "what is the opposite of {name}",
            "which word is the opposite of {name}",
            "what do we call the opposite of {name}",
            "what is opposite to {name}",
            "which word says the opposite of {name}",
        ),
        ("The opposite of {name} is {value}.", "{name} is the opposite of {value}."),
        {
            "hot": "cold",
            "big": "small",
            "up": "down",
            "day": "night",
            "fast": "slow",
            "open": "closed",
            "left": "right",
            "old": "young",
            "happy": "sad",
            "full": "empty",
            "early": "late",
            "wet": "dry",
            "light": "dark",
            "first": "last",
            "hard": "soft",
            "high": "low",
            "long": "short",
            "loud": "quiet",
            "rich": "poor",
            "strong": "weak",
            "cold": "hot",
            "small": "big",
            "night": "day",
            "slow": "fast",
        },
    ),
    "sound": Topic(
        "the sound of {name}",
        (
            "what sound does {name} make",
            "what does {name} say",
            "how does {name} sound",
            "what is the sound of {name}",
            "which noise comes from {name}",
        ),
        ("The sound of {name} is {value}.", "{name} says {value}.", "We hear {value} from {name}."),
        {
            "a dog": "woof",
            "a cat": "meow",
            "a cow": "moo",
            "a sheep": "baa",
            "a duck": "quack",
            "a pig": "oink",
            "a horse": "neigh",
            "a bee": "buzz",
            "a snake": "hiss",
            "an owl": "hoot",
            "a lion": "roar",
            "a mouse": "squeak",
            "a frog": "croak",
            "a chick": "cheep",
        },
    ),
    "baby": Topic(
        "the young of {name}",
        (
            "what is the young of {name}",
            "what do we call the young of {name}",
            "what is the baby of {name} called",
            "which word do we use for the young of {name}",
            "what name do people give to the baby of {name}",
        ),
        ("The young of {name} is a {value}.", "A {value} is the young of {name}."),
        {
            "a dog": "puppy",
            "a cat": "kitten",
            "a cow": "calf",
            "a sheep": "lamb",
            "a horse": "foal",
            "a hen": "chick",
            "a lion": "cub",
            "a goat": "kid",
            "a duck": "duckling",
            "a pig": "piglet",
            "a frog": "tadpole",
        },
    ),
    "count": Topic(
        "the number of {name}",
        (
            "how many {name} are there",
            "what is the number of {name}",
            "how many {name} can we count",
            "in all, how many {name} are there",
            "what is the count of {name}",
        ),
        ("The number of {name} is {value}.", "There are {value} {name}."),
        {
            "days in a week": "7",
            "months in a year": "12",
            "hours in a day": "24",
            "minutes in an hour": "60",
            "seconds in a minute": "60",
            "legs of a spider": "8",
            "legs of a dog": "4",
            "legs of an ant": "6",
            "wheels of a car": "4",
            "wheels of a bike": "2",
            "sides of a triangle": "3",
            "sides of a square": "4",
            "letters of the English alphabet": "26",
            "fingers of one hand": "5",
            "cents in a euro": "100",
            "metres in a kilometre": "1000",
        },
    ),
    "capital": Topic(
        "the capital of {name}",
        (
            "what is the capital of {name}",
            "which city is the capital of {name}",
            "which city does {name} have as its capital",
            "what is the name of the capital of {name}",
            "in {name}, which city is the capital",
        ),
        (
            "The capital of {name} is {value}.",
            "{value} is the capital of {name}.",
            "In {name} the capital is {value}.",
        ),
        {
            "France": "Paris",
            "Germany": "Berlin",
            "Italy": "Rome",
            "Spain": "Madrid",
            "Portugal": "Lisbon",
            "Austria": "Vienna",
            "Greece": "Athens",
            "Poland": "Warsaw",
            "Norway": "Oslo",
            "Sweden": "Stockholm",
            "Denmark": "Copenhagen",
            "Finland": "Helsinki",
            "Ireland": "Dublin",
            "Hungary": "Budapest",
            "Belgium": "Brussels",
            "Russia": "Moscow",
            "Japan": "Tokyo",
            "China": "Beijing",
            "India": "New Delhi",
            "Egypt": "Cairo",
            "Kenya": "Nairobi",
            "Canada": "Ottawa",
            "Cuba": "Havana",
            "Peru": "Lima",
            "Chile": "Santiago",
            "the United Kingdom": "London",
        },
    ),
}
