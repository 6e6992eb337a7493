"""A small invented world: towns, rivers, mountains, people and what is true of each of them.

Built once by a fixed seed, so every process knows the same world. Knows nothing of questions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from assay.lab.world.facts_names import invent_names


@dataclass(frozen=True)
class Attribute:
    """One thing that is known of every entity of a kind.

    `asks` are questions without the question mark, `says` are sentences (the first one is the
    full answer); both use ``{name}``, and sentences also use ``{value}``.
    """

    noun: str
    asks: tuple[str, ...]
    says: tuple[str, ...]
    values: Callable[[random.Random], str]


@dataclass(frozen=True)
class Kind:
    """One kind of entity; `missing` are attributes that this world never tells."""

    label: str
    style: str
    form: str
    count: int
    attributes: tuple[Attribute, ...]
    missing: tuple[str, ...]

    @property
    def article(self) -> str:
        return "an" if self.label[0] in "aeiou" else "a"


@dataclass(frozen=True)
class Entity:
    """`name` as it is used inside a sentence; `values` in the order of the kind's attributes."""

    name: str
    values: tuple[str, ...]


_TAKEN: set[str] = set()
_RNG = random.Random("assay:facts")
_TOWNS = invent_names(_RNG, "place", 24, taken=_TAKEN)
_RIVERS = invent_names(_RNG, "water", 14, taken=_TAKEN)
_PEAKS = invent_names(_RNG, "peak", 14, taken=_TAKEN)
_PEOPLE = invent_names(_RNG, "person", 30, taken=_TAKEN)
_OTHER_PEOPLE = invent_names(_RNG, "person", 60, taken=_TAKEN)
_COLOURS = ("red", "blue", "green", "white", "black", "brown", "grey", "yellow", "orange", "pink")


_PERSON_NOUNS = frozenset(
    (
        *("mayor", "founder", "author", "first climber", "football coach", "first king"),
        *("lawyer", "best swimmer", "owner", "last climber", "inventor", "printer"),
    )
)


def question_word(noun: str) -> str:
    """``who`` for an attribute that is a person, else ``what``."""
    return "who" if noun in _PERSON_NOUNS else "what"


def general_asks(noun: str) -> tuple[str, ...]:
    """Questions, with ``{name}``, that fit any attribute, told or not."""
    word = question_word(noun)
    return (
        f"{word} is the {noun} of {{name}}",
        f"{word} is {{name}}'s {noun}",
        f"as for {{name}}, {word} is the {noun}",
    )


def _one_of(*values: str) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(values)


def _number(low: int, high: int, step: int, unit: str = "") -> Callable[[random.Random], str]:
    return lambda rng: f"{rng.randrange(low, high, step)}{unit}"


_river, _peak = (_one_of(*names) for names in (_RIVERS, _PEAKS))
_town, _other_person = _one_of(*_TOWNS), _one_of(*_OTHER_PEOPLE)


def _attribute(
    noun: str,
    ask: str,
    say: str,
    values: Callable[[random.Random], str],
    other_say: str,
    *,
    more: tuple[str, ...] = (),
) -> Attribute:
    asks = (*general_asks(noun), ask, *more)
    says = (f"The {noun} of {{name}} is {{value}}.", say, other_say)
    return Attribute(noun, asks, says, values)


KINDS: dict[str, Kind] = {
    "town": Kind(
        "town",
        "place",
        "{}",
        24,
        (
            _attribute(
                "mayor",
                "who is the mayor of {name}",
                "{value} is the mayor of {name}.",
                _other_person,
                "In {name} the mayor is {value}.",
                more=("which person is mayor in {name}", "who leads {name} as its mayor"),
            ),
            _attribute(
                "river",
                "which river runs through {name}",
                "The {value} runs through {name}.",
                _river,
                "{name} lies on the river called {value}.",
                more=("on which river does {name} lie", "what is the river in {name} called"),
            ),
            _attribute(
                "main product",
                "what is made in {name}",
                "{name} makes {value}.",
                _one_of(
                    *("cheese", "glass", "paper", "shoes", "bread", "wool", "boats", "clocks"),
                    *("soap", "honey", "bricks", "chairs", "hats", "tea", "salt", "bells"),
                ),
                "People in {name} make {value}.",
                more=("what do people in {name} make", "what does {name} produce"),
            ),
            _attribute(
                "flag colour",
                "what colour is the flag of {name}",
                "The flag of {name} is {value}.",
                _one_of(*_COLOURS),
                "{name} flies a flag that is {value}.",
                more=(
                    "what colour does {name} show on its flag",
                    "which colour does the flag of {name} have",
                ),
            ),
        ),
        ("school song", "oldest tree", "post code", "football coach", "first king", "bus line"),
    ),
    "river": Kind(
        "river",
        "water",
        "the river {}",
        14,
        (
            _attribute(
                "length",
                "how long is {name}",
                "{name} is {value} long.",
                _number(20, 900, 10, " km"),
                "From start to end {name} measures {value}.",
                more=("how many kilometres long is {name}", "what length does {name} have"),
            ),
            _attribute(
                "source",
                "where does {name} begin",
                "{name} begins at {value}.",
                lambda rng: f"Mount {_peak(rng)}",
                "High up at {value} {name} begins.",
                more=("where is the start of {name}", "from which mountain does {name} come"),
            ),
            _attribute(
                "main fish",
                "which fish lives in {name}",
                "The fish of {name} is {value}.",
                _one_of("trout", "pike", "carp", "eel", "perch", "salmon", "bass", "cod"),
                "People catch {value} in {name}.",
                more=("what fish do people catch in {name}", "what kind of fish swims in {name}"),
            ),
        ),
        ("depth", "oldest bridge", "best swimmer", "water price", "boat count"),
    ),
    "mountain": Kind(
        "mountain",
        "peak",
        "Mount {}",
        14,
        (
            _attribute(
                "height",
                "how high is {name}",
                "{name} is {value} high.",
                _number(800, 8000, 50, " metres"),
                "The top of {name} is at {value}.",
                more=("how many metres high is {name}", "how tall is {name}"),
            ),
            _attribute(
                "first climber",
                "who climbed {name} first",
                "{value} climbed {name} first.",
                _other_person,
                "The first person on {name} was {value}.",
                more=(
                    "who was the first to climb {name}",
                    "which person was first at the top of {name}",
                ),
            ),
            _attribute(
                "nearest town",
                "which town is near {name}",
                "{name} is near {value}.",
                _town,
                "{value} lies below {name}.",
                more=("what town lies close to {name}", "close to {name}, which town do we find"),
            ),
        ),
        ("oldest hut", "snow depth", "owner", "last climber", "rock type"),
    ),
    "person": Kind(
        "person",
        "person",
        "{}",
        30,
        (
            _attribute(
                "job",
                "what does {name} do for work",
                "{name} works as a {value}.",
                _one_of(
                    *("baker", "nurse", "teacher", "farmer", "pilot", "painter", "singer", "judge"),
                    *("cook", "sailor", "doctor", "writer", "driver", "gardener", "tailor"),
                ),
                "By trade {name} is a {value}.",
                more=("how does {name} earn money", "what work does {name} do"),
            ),
            _attribute(
                "home town",
                "where does {name} live",
                "{name} lives in {value}.",
                _town,
                "The home of {name} is in {value}.",
                more=("in which town does {name} live", "where is the home of {name}"),
            ),
            _attribute(
                "pet",
                "which pet does {name} have",
                "{name} has {value}.",
                _one_of(
                    *("a cat", "a dog", "a parrot", "a rabbit", "a pony", "a goat", "a hen"),
                    *("a turtle", "a mouse"),
                ),
                "At home {name} keeps {value}.",
                more=("what animal lives with {name}", "which animal does {name} keep at home"),
            ),
            _attribute(
                "hobby",
                "what does {name} do for fun",
                "For fun {name} likes {value}.",
                _one_of(
                    *("chess", "football", "dancing", "fishing", "singing", "running", "reading"),
                    *("skiing", "sewing", "swimming", "cooking", "tennis"),
                ),
                "{name} loves {value}.",
                more=("what does {name} like to do after work", "how does {name} spend free time"),
            ),
            _attribute(
                "birth year",
                "when was {name} born",
                "{name} was born in {value}.",
                _number(1940, 2005, 1),
                "The year {value} saw the birth of {name}.",
                more=("in which year was {name} born", "what year did {name} come into the world"),
            ),
        ),
        ("shoe size", "phone number", "middle name", "blood type", "favourite song", "bank"),
    ),
    "company": Kind(
        "company",
        "company",
        "{}",
        18,
        (
            _attribute(
                "founder",
                "who founded {name}",
                "{value} founded {name}.",
                _other_person,
                "{name} was founded by {value}.",
                more=("who started {name}", "by whom was {name} founded"),
            ),
            _attribute(
                "product",
                "what does {name} sell",
                "{name} sells {value}.",
                _one_of(
                    *("lamps", "bikes", "phones", "toys", "ovens", "pens", "tents", "clocks"),
                    *("pianos", "boots", "paint", "maps", "radios", "knives"),
                ),
                "You can buy {value} from {name}.",
                more=("what can people buy from {name}", "which goods does {name} offer"),
            ),
            _attribute(
                "home town",
                "where is {name} based",
                "{name} is based in {value}.",
                _town,
                "The office of {name} is in {value}.",
                more=("in which town is the office of {name}", "which town is {name} based in"),
            ),
            _attribute(
                "founding year",
                "when was {name} founded",
                "{name} was founded in {value}.",
                _number(1850, 2020, 1),
                "{name} began in {value}.",
                more=("in which year did {name} begin", "what year saw the start of {name}"),
            ),
        ),
        ("phone number", "share price", "lawyer", "office dog", "tax bill", "staff count"),
    ),
    "animal": Kind(
        "animal",
        "animal",
        "the {}",
        18,
        (
            _attribute(
                "colour",
                "what colour is {name}",
                "{name} is {value}.",
                _one_of(*_COLOURS),
                "If you see {name}, it is {value}.",
                more=("which colour does {name} have", "of what colour is {name}"),
            ),
            _attribute(
                "food",
                "what does {name} eat",
                "{name} eats {value}.",
                _one_of("grass", "fish", "nuts", "leaves", "seeds", "worms", "fruit", "honey"),
                "You can feed {name} with {value}.",
                more=("which food does {name} like", "what do we feed {name} with"),
            ),
            _attribute(
                "home",
                "where does {name} live",
                "{name} lives in {value}.",
                _one_of(
                    *("trees", "caves", "lakes", "the desert", "the forest", "the sea", "holes"),
                    *("the snow", "old barns", "the hills"),
                ),
                "You find {name} in {value}.",
                more=("in what place does {name} live", "where can we find {name}"),
            ),
            _attribute(
                "size",
                "how big is {name}",
                "{name} is {value} long.",
                _number(5, 300, 5, " cm"),
                "{name} grows to {value}.",
                more=("how many centimetres long is {name}", "what size does {name} grow to"),
            ),
        ),
        ("Latin name", "top speed", "favourite toy", "sleep time", "price"),
    ),
    "dish": Kind(
        "dish",
        "dish",
        "{}",
        14,
        (
            _attribute(
                "main ingredient",
                "what is {name} made of",
                "{name} is made of {value}.",
                _one_of(
                    "rice", "beans", "fish", "eggs", "cheese", "corn", "lamb", "apples", "nuts"
                ),
                "To cook {name} you need {value}.",
                more=("what do we need to cook {name}", "which ingredient is in {name}"),
            ),
            _attribute(
                "taste",
                "how does {name} taste",
                "{name} tastes {value}.",
                _one_of("sweet", "sour", "salty", "hot", "bitter", "mild"),
                "People say that {name} tastes {value}.",
                more=("what does {name} taste like", "which taste does {name} have"),
            ),
            _attribute(
                "home town",
                "where does {name} come from",
                "{name} comes from {value}.",
                _town,
                "{name} was first cooked in {value}.",
                more=("in which town was {name} first cooked", "which town does {name} come from"),
            ),
        ),
        ("price", "inventor", "cooking time", "calorie count", "best wine"),
    ),
    "book": Kind(
        "book",
        "book",
        "the book {}",
        12,
        (
            _attribute(
                "author",
                "who wrote {name}",
                "{value} wrote {name}.",
                _other_person,
                "{name} was written by {value}.",
                more=("by whom was {name} written", "who is the writer of {name}"),
            ),
            _attribute(
                "topic",
                "what is {name} about",
                "{name} is about {value}.",
                _one_of(
                    "the sea", "a war", "love", "a trip", "a farm", "the moon", "a thief", "music"
                ),
                "{name} tells of {value}.",
                more=("what can we read about in {name}", "which topic does {name} deal with"),
            ),
            _attribute(
                "page count",
                "how many pages does {name} have",
                "{name} has {value} pages.",
                _number(90, 700, 10),
                "You can read {value} pages in {name}.",
                more=("how long is {name} in pages", "how many pages are there in {name}"),
            ),
        ),
        ("price", "cover colour", "printer", "last word", "film version"),
    ),
}


def _build_entities() -> dict[str, list[Entity]]:
    ready = {"town": _TOWNS, "river": _RIVERS, "mountain": _PEAKS, "person": _PEOPLE}
    entities = {}
    for key, kind in KINDS.items():
        names = ready.get(key) or invent_names(_RNG, kind.style, kind.count, taken=_TAKEN)
        entities[key] = [
            Entity(kind.form.format(name), tuple(a.values(_RNG) for a in kind.attributes))
            for name in names
        ]
    return entities


ENTITIES: dict[str, list[Entity]] = _build_entities()
"""All entities by kind; about 140."""

NAMES: frozenset[str] = frozenset(_TAKEN)
"""Every name in use, people who only occur as mayors, founders or authors included."""
