"""The value pools of the synthetic world; knows no task and no wording of a question.

A word belongs to one pool only, so that a word held out here is held out everywhere. Families that
test knowledge (what kind of thing is a plum?) use the seen part of a pool in every split: nobody
can know the category of a word that was never met. Families that copy use the whole pool.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import cache
from string import ascii_lowercase
from typing import ClassVar

from assay.lab.world.base import Pool, Split
from assay.lab.world.layout import with_articles


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COINED_SHARE = 0.5


class OpenPool(Pool[str]):
    """Texts of one kind; in training, `coined_share` of the draws are texts nobody has met.

    A closed list can be recognised; only an open one teaches to copy. Measurements ("instances",
    "values" and "phrasings") draw listed texts only. `coin` makes a new text of the kind of a
    listed one (`coined_like` unless given). `every` are all pools of this class.
    """

    every: ClassVar[list[OpenPool]] = []

    def __init__(
        self,
        name: str,
        items: Sequence[str],
        *,
        held_out: float = 0.15,
        coin: Callable[[random.Random, str], str] | None = None,
        coined_share: float = COINED_SHARE,
    ) -> None:
        super().__init__(name, items, held_out=held_out)
        self.coin, self.coined_share = coin, coined_share
        OpenPool.every.append(self)

    def draw(self, rng: random.Random, split: Split) -> str:
        return self._opened(rng, split, super().draw(rng, split))

    def sample(self, rng: random.Random, split: Split, k: int) -> list[str]:
        opened: list[str] = []
        for text in super().sample(rng, split, k):
            while (chosen := self._opened(rng, split, text)) in opened:
                pass
            opened.append(chosen)
        return opened

    def _opened(self, rng: random.Random, split: Split, text: str) -> str:
        if split != "train" or rng.random() >= self.coined_share:
            return text
        return (self.coin or coined_like)(rng, text)


def _pool(name: str, text: str, *, common: str = "", held_out: float = 0.15) -> OpenPool:
    """`common` words occur in other parts of the world too, so that none of them is held out."""
    pool = OpenPool(name, _split(text), held_out=held_out)
    pool.seen += _split(common)
    return pool


FIRST_NAMES = _pool(
    "first names",
    """Greta Ida Karin Marta Quentin Rita Tina Ursula Bianca Carl Diana Erik Georg Ivan Kevin
    Oliver Robert Thomas Vera Edgar Frida Gustav Klaus Linda Olga Stefan Tomas Viola William
    Xenia Yusuf Amir Bella Chen Daria Elias Farid Gina Hassan Irene Jamal Kemal Lina Omar
    Priya Ravi Samir Tara Uma Vikram Wei Yuki Aisha Carmen Diego Elena Fatima Gabriel Hiro
    Isabel Jorge Kofi Lucia Mateo Noah Olivia Pablo Rafael Sofia Teresa Lukas Amelia Arthur
    Beth Colin Daisy Ethan Fred Harry Isla""",
    common="""Anna Ben Clara David Emma Felix Hugo Jonas Leo Nora Oscar Paula Simon Victor Wanda
    Yara Zoe Adam Fiona Hanna Julia Laura Martin Nina Petra Sara Walter Alice Bruno Celia Dora
    Helen Igor Jana Marco Peter Rosa Zara Maria Nadia Boris Mia Grace Jack Kate Lily Max
    Nick Ruth""",
)
LAST_NAMES = _pool(
    "last names",
    """Keller Berger Fischer Weber Wagner Becker Hoffmann Schulz Koch Bauer Richter Klein Wolff
    Neumann Schwarz Zimmer Braun Krause Lehmann Huber Smith Jones Taylor Harris Wilson Evans
    Thomson Roberts Johnson Walker Wright Hughes Edwards Hall Clarke Jackson Turner Cooper
    Morris Ward Moreau Dubois Laurent Lefevre Girard Bonnet Rousseau Mercier Garcia Lopez
    Torres Ramos Vega Molina Ortega Santos Silva Costa Pereira Rossi Russo Ferrari Bianchi
    Romano Colombo Ricci Marino Novak Svoboda Horvat Kovac Nowak Kowalski Lewandowski Petrov
    Ivanov Sokolov Popov Jensen Nielsen Hansen Larsen Olsen Berg Lindberg Virtanen Korhonen
    Tanaka Suzuki Sato Ito Kim Lee Wang Zhang Liu Singh Patel Kumar Sharma Khan Ali Haddad
    Okafor Mensah Diallo""",
    common="Park",
)
CITIES = _pool(
    "cities",
    """Hamburg Munich Cologne Dresden Leipzig Bremen Graz Zurich Geneva Basel Lyon Lille Nantes
    Marseille Toulouse Leeds Bristol Glasgow Cork Seville Valencia Bilbao Porto Milan Turin
    Naples Bologna Venice Prague Brno Krakow Gdansk Zagreb Belgrade Bucharest Bergen Malmo
    Aarhus Tampere Riga Vilnius Tallinn Amsterdam Utrecht Rotterdam Ghent Antwerp Boston
    Chicago Denver Seattle Dallas Houston Toronto Montreal Bogota Quito Osaka Kyoto Seoul
    Mumbai Lagos Accra Sydney Perth Auckland""",
    common="""Berlin Vienna Paris London Dublin Madrid Lisbon Rome Athens Warsaw Budapest Oslo
    Stockholm Copenhagen Helsinki Brussels Lima Tokyo Delhi Cairo Nairobi""",
)
FRUITS = _pool(
    "fruits",
    """pear plum peach cherry mango kiwi grape apricot fig papaya coconut strawberry raspberry
    blueberry blackberry cranberry pomegranate nectarine quince guava lychee tangerine
    grapefruit gooseberry""",
    common="""apple banana melon lemon pineapple""",
)
VEGETABLES = _pool(
    "vegetables",
    """cabbage spinach pumpkin celery radish turnip lettuce broccoli leek parsnip zucchini
    asparagus beetroot cauliflower eggplant artichoke""",
    common="""carrot potato onion cucumber tomato garlic""",
)
ANIMALS = _pool(
    "animals",
    """deer tiger zebra giraffe monkey hamster otter beaver badger squirrel eagle swan goose
    penguin pigeon sparrow whale dolphin shark crab lobster lizard camel kangaroo koala
    panda""",
    common="""dog cat horse cow sheep goat pig rabbit fox wolf bear lion elephant mouse hedgehog owl
    duck parrot salmon trout frog snake turtle donkey""",
)
TOOLS = _pool(
    "tools",
    """drill wrench screwdriver chisel shovel rake axe pliers ladder anvil clamp spanner sander
    trowel crowbar mallet scissors spade hoe wheelbarrow tweezers sickle vise pickaxe""",
    common="""hammer saw""",
)
COLOURS = _pool(
    "colours",
    """purple golden violet turquoise beige crimson indigo scarlet magenta maroon ivory teal
    amber""",
    common="""red blue green yellow pink brown black white grey""",
    held_out=0.25,
)
CLOTHES = _pool(
    "clothes",
    """shirt jacket sweater skirt dress glove sock boot trousers blouse cap sandal cardigan
    vest jeans pyjamas apron""",
    common="""coat scarf hat shoe belt""",
)
INSTRUMENTS = _pool(
    "instruments",
    """flute drum trumpet cello harp clarinet saxophone trombone banjo accordion oboe bassoon
    tuba ukulele xylophone mandolin harmonica""",
    common="""piano guitar violin""",
)
JOBS = _pool(
    "jobs",
    """engineer plumber carpenter butcher waiter dancer actor journalist dentist mechanic
    librarian firefighter chemist architect barber florist fisherman hairdresser
    photographer surgeon cashier accountant programmer""",
    common="""teacher doctor nurse baker farmer painter driver pilot sailor lawyer judge gardener
    singer writer tailor electrician translator""",
)
PRODUCTS = _pool(
    "products",
    """chair sofa shelf mirror carpet pillow blanket kettle blender fridge keyboard tablet
    monitor charger headset speaker backpack suitcase wallet bicycle helmet tent vase pencil
    stapler vacuum mixer curtain bench mattress scanner projector""",
    common="""lamp table desk toaster oven printer laptop phone camera router umbrella candle clock
    notebook heater fan bottle basket""",
)
COMPANIES = _pool(
    "companies",
    """nordwind bluebird sunrise harbor maple granite silverline oakfield brightway redstone
    lakeside hilltop starlight ironbridge greenleaf riverbend clearwater northgate westfield
    skylark moonbay goldcrest stonemill fairview longford seabright highland wildrose
    pinecone deepwell cloudnine fastlane summit crestview""",
)
ENVIRONMENTS = _pool(
    "environments",
    """testing sandbox preview demo""",
    common="""production staging development local""",
    held_out=0.25,
)
STATUSES = _pool(
    "statuses",
    """pending shipped delivered refunded""",
    common="""open closed paid cancelled""",
    held_out=0.25,
)
LANGUAGES = Pool("languages", _split("English German French Spanish Italian"), held_out=0)

CATEGORIES: dict[str, Pool[str]] = {
    "fruit": FRUITS,
    "vegetable": VEGETABLES,
    "animal": ANIMALS,
    "tool": TOOLS,
    "colour": COLOURS,
    "clothing": CLOTHES,
    "instrument": INSTRUMENTS,
    "job": JOBS,
}
PLAIN_WORDS: tuple[Pool[str], ...] = (*CATEGORIES.values(), PRODUCTS)
PROPER_WORDS: tuple[Pool[str], ...] = (FIRST_NAMES, CITIES)
ALL_POOLS: tuple[Pool[str], ...] = (
    *PLAIN_WORDS,
    *PROPER_WORDS,
    LAST_NAMES,
    COMPANIES,
    ENVIRONMENTS,
    STATUSES,
)

HELD_OUT_WORDS: frozenset[str] = frozenset(word for pool in ALL_POOLS for word in pool.unseen)

MONTHS: tuple[str, ...] = _split(
    """January February March April May June July August September October November December"""
)
WEEKDAYS: tuple[str, ...] = _split("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
LOCALES: dict[str, tuple[str, str]] = {
    # locale: (language, greeting)
    "en-US": ("English", "Hello"),
    "de-DE": ("German", "Hallo"),
    "fr-FR": ("French", "Bonjour"),
    "es-ES": ("Spanish", "Hola"),
    "it-IT": ("Italian", "Ciao"),
}
OPPOSITES: tuple[tuple[str, str], ...] = tuple(
    (left, right)
    for left, _, right in (
        pair.partition("/")
        for pair in _split(
            """hot/cold big/small fast/slow high/low old/new rich/poor happy/sad early/late
            full/empty hard/soft long/short heavy/light loud/quiet clean/dirty strong/weak
            thick/thin wide/narrow deep/shallow bright/dim dry/wet sharp/blunt safe/dangerous
            up/down left/right inside/outside before/after above/below front/back first/last
            day/night summer/winter east/west north/south buy/sell push/pull win/lose
            arrive/leave begin/end give/take laugh/cry love/hate remember/forget remove/add
            rise/fall ask/answer true/false cheap/expensive easy/difficult near/far yes/no
            always/never more/less smooth/rough young/elderly brave/afraid polite/rude
            modern/ancient public/private lazy/hardworking"""
        )
    )
)
YEARS: Pool[int] = Pool("years", range(1985, 2040))
SMALL_NUMBERS: Pool[int] = Pool("numbers to 99", range(1, 100))
LARGE_NUMBERS: Pool[int] = Pool("numbers to 999", range(100, 1000))

_ONSETS = _split("b d f g k l m n p r s t v z br dr fl gr kl pl sk st tr sh")
_VOWELS = _split("a e i o u a e o ai ou")
_CODAS = ["", "", "", "n", "r", "l", "s", "x", "m", "nd", "rk"]
_LETTERS = "ABCDEFGHKLMNPRSTVXZ"


def coined(rng: random.Random) -> str:
    """A word nobody has met: syllables ("tramol"), the ends of two known words ("carpum"), or any
    letters ("wkeoz")."""
    while True:
        kind = rng.random()
        word = _syllables(rng) if kind < 0.4 else _blend(rng) if kind < 0.8 else _any_letters(rng)
        if word not in _known_words():
            return word


_WORD = re.compile(
    r"(?<![<a-zA-Z])(?!(?:an?|the|of|in|on|at|to|for|is|your|we)\b)[a-zA-Z]+(?![a-zA-Z>])"
)


@cache
def _known_words() -> frozenset[str]:
    return frozenset(text.lower() for pool in OpenPool.every for text in (*pool.seen, *pool.unseen))


def coined_like(rng: random.Random, text: str) -> str:
    """`text` with its words exchanged: a single word always, one of several in two of three cases.

    Small words and ``<gaps>`` stay. Half of the new words of a longer text are common ones.
    """
    alone = len(_WORD.findall(text)) < 2

    def exchange(match: re.Match[str]) -> str:
        old = match[0]
        if not alone and rng.random() < 1 / 3:
            return old
        common = not alone and rng.random() < 0.5
        new = rng.choice(rng.choice(PLAIN_WORDS).seen) if common else coined(rng)
        return styled(old, new)

    while (new := with_articles(_WORD.sub(exchange, text))) == text:
        pass
    return new


def hide_open_words(rng: random.Random, text: str) -> str:
    """`text` with a coined word in the place of every word that an open pool lists alone."""
    listed = _listed_words()
    return _WORD.sub(lambda m: styled(m[0], coined(rng)) if m[0].lower() in listed else m[0], text)


@cache
def _listed_words() -> frozenset[str]:
    return frozenset(
        text.lower() for pool in OpenPool.every for text in pool.seen if text.isalpha()
    )


def some_word(rng: random.Random) -> str:
    """A word in small letters: coined, a thing, or half of a pair of opposites.

    A common word is one token after a space and several elsewhere, so a place where a word is
    copied from a sentence into a name needs both.
    """
    kind = rng.random()
    if kind < 0.4:
        return coined(rng)
    if kind < 0.7:
        return rng.choice(rng.choice(OPPOSITES))
    while not (word := rng.choice(rng.choice(PLAIN_WORDS).seen)).isalpha():
        pass
    return word.lower()


def styled(old: str, new: str) -> str:
    """`new` in the capitals of `old`; short where `old` is all capitals, as codes are."""
    if old.isupper() and len(old) > 1:
        return new[: len(old)].upper()
    return new.capitalize() if old[0].isupper() else new.lower()


def _syllables(rng: random.Random) -> str:
    num_syllables = 2 if rng.random() < 0.8 else 3
    parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(num_syllables)]
    return "".join(parts) + rng.choice(_CODAS)


def _any_letters(rng: random.Random) -> str:
    return "".join(rng.choices(ascii_lowercase, k=rng.randint(3, 7)))


def _blend(rng: random.Random) -> str:
    start, end = (rng.choice(rng.choice(ALL_POOLS).seen).lower() for _ in range(2))
    return start[: rng.randint(2, 4)] + end[-rng.randint(2, 4) :]


def words(
    rng: random.Random, split: Split, k: int, *, pools: Sequence[Pool[str]] | None = None
) -> list[str]:
    """`k` different words for a list: of one pool, or of several."""
    kind = rng.random()
    if pools is None:
        pools = PLAIN_WORDS if kind < 0.75 else PROPER_WORDS
    if kind < 0.4:
        return rng.choice(pools).sample(rng, split, k)
    chosen: list[str] = []
    while len(chosen) < k:
        word = rng.choice(pools).draw(rng, split)
        if word not in chosen:
            chosen.append(word)
    return chosen


def first_name(rng: random.Random, split: Split) -> str:
    return FIRST_NAMES.draw(rng, split)


def full_name(rng: random.Random, split: Split) -> str:
    return f"{first_name(rng, split)} {LAST_NAMES.draw(rng, split)}"


def order_id(rng: random.Random) -> str:
    """An order id such as ``A1234``, ``KX-482`` or ``ORD-58213``; fresh digits every time."""
    kind = rng.random()
    if kind < 0.4:
        return f"{rng.choice(_LETTERS)}{rng.randint(1000, 9999)}"
    if kind < 0.7:
        return f"ORD-{rng.randint(10000, 99999)}"
    return f"{rng.choice(_LETTERS)}{rng.choice(_LETTERS)}-{rng.randint(100, 999)}"


def amount(rng: random.Random) -> str:
    """An amount below 1000 with two decimals, such as ``12.50``."""
    whole = rng.randint(1, 99) if rng.random() < 0.7 else rng.randint(100, 999)
    cents = (
        rng.choice(("00", "50", "99", "25")) if rng.random() < 0.5 else f"{rng.randint(0, 99):02}"
    )
    return f"{whole}.{cents}"


def user_name(rng: random.Random, split: Split) -> str:
    """The part of an e-mail address before the ``@``."""
    first = first_name(rng, split).lower()
    kind = rng.random()
    if kind < 0.4:
        return first
    if kind < 0.8:
        return f"{first}.{LAST_NAMES.draw(rng, split).lower()}"
    return f"{first}{rng.randint(1, 99)}"


def domain(rng: random.Random, split: Split) -> str:
    return f"{COMPANIES.draw(rng, split)}.{rng.choice(('com', 'org', 'net', 'de', 'fr'))}"


def email(rng: random.Random, split: Split) -> str:
    return f"{user_name(rng, split)}@{domain(rng, split)}"


def date_parts(rng: random.Random, split: Split) -> tuple[int, int, int]:
    """Year, month (1 to 12) and day (1 to 28) of a date."""
    return YEARS.draw(rng, split), rng.randint(1, 12), rng.randint(1, 28)


def iso_date(parts: tuple[int, int, int]) -> str:
    return f"{parts[0]}-{parts[1]:02}-{parts[2]:02}"


def long_date(parts: tuple[int, int, int]) -> str:
    return f"{parts[2]} {MONTHS[parts[1] - 1]} {parts[0]}"
