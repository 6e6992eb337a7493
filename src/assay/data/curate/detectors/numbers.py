"""Numbers of cards, accounts and persons that their check digits confirm."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.data.curate.detectors.national_ids import find_ids_by_form, find_ids_by_words
from assay.data.curate.detectors.spans import Found
from assay.data.curate.finding import Rule, show_ends

PAYMENT_CARD = Rule(
    "payment_card",
    "privacy",
    "error",
    "mask",
    "A card number: a known prefix and length, a right check digit, and groups or a word beside it "
    "that say so.",
)
CARD_LIKE_NUMBER = Rule(
    "card_like_number",
    "privacy",
    "warning",
    "mask",
    "Digits that a card number could be, without groups or a word beside them; or a test number.",
)
IBAN = Rule(
    "iban",
    "privacy",
    "warning",
    "mask",
    "An account number with its country's length and form and right check digits (mod 97).",
)
NATIONAL_ID = Rule(
    "national_id",
    "privacy",
    "warning",
    "mask",
    "A number by which a state knows a person, with right check digits where it has any.",
)

CARD_START = r"\d(?:[ -]?\d){12}"
_GROUPED = (
    r"\d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{1,4}(?P<last>(?P=gap)\d{1,3})?"
    r"|\d{4}(?P<wide>[ -])\d{6}(?P=wide)\d{4,5}"
)
_CARD = re.compile(rf"(?<![\w.,+-])(?:{_GROUPED}|\d{{13,19}})(?![\w-]|[.,]\d)")
_SCHEMES = (
    ("Visa", re.compile(r"4\d{15}(?:\d{3})?")),
    ("Mastercard", re.compile(r"(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}")),
    ("American Express", re.compile(r"3[47]\d{13}")),
    ("Discover", re.compile(r"(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?")),
    ("Diners Club", re.compile(r"3(?:0[0-5]|[689]\d)\d{11}")),
    ("JCB", re.compile(r"35(?:2[89]|[3-8]\d)\d{12}(?:\d{3})?")),
    ("UnionPay", re.compile(r"62\d{14}(?:\d{3})?")),
    ("Maestro", re.compile(r"(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}")),
    ("Mir", re.compile(r"220[0-4]\d{12}")),
)
# Whole words: a master bedroom, a cardigan and a frying pan are none.
_CARD_WORDS = re.compile(
    r"(?<![a-z])(?:(?:credit|debit|bank|gift)?[ _-]?cards?|visa|master ?card|amex"
    r"|american express|diners|credit|debit|cv[vc]2?|expir[a-z]*|(?:kredit|bank|giro)?karten?"
    r"|cartes?|tarjetas?|cartas?|cartão|cartões|maestro|(?-i:PAN|Discover))"
    r"(?:[ _-]?(?:numbers?|nummern?|num|no|nr))?(?![a-z])",
    re.IGNORECASE,
)
_WINDOW = 60
# Those that payment providers publish for tests: nobody's.
_TEST_CARDS = frozenset(
    {
        "4111111111111111",
        "4242424242424242",
        "4012888888881881",
        "4000056655665556",
        "5555555555554444",
        "5105105105105100",
        "5200828282828210",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011000990139424",
        "30569309025904",
        "38520000023237",
        "3056930009020004",
        "3530111333300000",
        "3566002020360505",
        "6200000000000005",
    }
)

IBAN_START = r"\b[A-Z]{2}\d\d ?[A-Z0-9]{4} ?[A-Z0-9]{4}"
_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")


def find_ibans(text: str) -> Iterator[Found]:
    """Account numbers; words in capitals after one do not hide it."""
    from stdnum import iban

    for found in _IBAN.finditer(text):
        number = found[0]
        while len(number) >= 15 and not iban.is_valid(number):
            number = number[:-1].rstrip()
        if len(number) >= 15:
            span = (found.start(), found.start() + len(number))
            yield IBAN.name, span, f"an account number of {number[:2]}", show_ends(number)


def find_cards(text: str) -> Iterator[Found]:
    """Card numbers, and what only could be one."""
    from stdnum import luhn

    for found in _CARD.finditer(text):
        # A number that follows a card's groups looks like a last group of them.
        shorter = found[0][: found.start("last") - found.start()] if found["last"] else ""
        for number in filter(None, (found[0], shorter)):
            digits = re.sub(r"\D", "", number)
            scheme = next((name for name, form in _SCHEMES if form.fullmatch(digits)), None)
            varied = len(set(digits)) > 2 or digits in _TEST_CARDS
            if scheme is not None and varied and luhn.is_valid(digits):
                span = (found.start(), found.start() + len(number))
                yield _judge_card(text, span, digits, scheme)
                break


def _judge_card(text: str, span: tuple[int, int], digits: str, scheme: str) -> Found:
    near = text[max(0, span[0] - _WINDOW) : span[1] + _WINDOW]
    shown = f"{digits[:4]}…{digits[-4:]}"
    if digits in _TEST_CARDS:
        evidence = f"a test number of {scheme}, nobody's card"
    elif digits != text[slice(*span)] or _CARD_WORDS.search(near):
        return PAYMENT_CARD.name, span, f"a {scheme} number with a right check digit", shown
    else:
        evidence = f"{len(digits)} digits that could be a {scheme} number: one in ten is by chance"
    return CARD_LIKE_NUMBER.name, span, evidence, shown


def find_formed_ids(text: str) -> Iterator[Found]:
    """National ids whose form is enough."""
    for kind, span in find_ids_by_form(text):
        yield NATIONAL_ID.name, span, f"a {kind.name}", show_ends(text[slice(*span)])


def find_named_ids(text: str) -> Iterator[Found]:
    """National ids beside their words."""
    for kind, span in find_ids_by_words(text):
        yield (
            NATIONAL_ID.name,
            span,
            f"a {kind.name}, named beside it",
            show_ends(text[slice(*span)]),
        )
