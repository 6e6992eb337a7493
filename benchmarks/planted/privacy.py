"""Invented persons' numbers, addresses and dates, and benign texts that look like them.

Check digits are right by construction or by drawing until they are; no number is taken from a
person. Strength 0 is the plain case, 1 stands within a sentence, 2 is spelled unusually.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from importlib import import_module
from random import Random

DIGITS = string.digits
UPPER = string.ascii_uppercase
FIRST = ("Anna", "Jonas", "Mehmet", "Priya", "Lucía", "Pierre", "Giulia", "Olga", "Tom", "Wei")
LAST = (
    "Schmidt",
    "Novak",
    "Yilmaz",
    "Patel",
    "García",
    "Dubois",
    "Rossi",
    "Ivanova",
    "Baker",
    "Chen",
)
DOMAINS = (
    "web.de",
    "gmail.com",
    "orange.fr",
    "libero.it",
    "uni-bonn.de",
    "acme-tools.io",
    "yahoo.co.uk",
)
ISSUERS = {
    "4": 16,
    "51": 16,
    "55": 16,
    "2221": 16,
    "34": 15,
    "37": 15,
    "6011": 16,
    "36": 14,
    "3530": 16,
    "62": 16,
}
ACCOUNTS = {
    "DE": "18d",
    "FR": "10d11c2d",
    "NL": "4u10d",
    "GB": "4u14d",
    "ES": "20d",
    "AT": "16d",
    "CH": "5d12c",
    "BE": "12d",
    "PL": "24d",
    "IT": "1u10d12c",
    "SE": "20d",
    "PT": "21d",
}

# Words before it where it needs them, form (d digit, u capital), module of stdnum.
IDS = {
    "German tax id": ("Steuer-ID: ", "ddddddddddd", "de.idnr"),
    "French NIR": ("", "1 85 05 78 ddd ddd dd", "fr.nir"),
    "Spanish DNI": ("mi DNI es ", "ddddddddu", "es.dni"),
    "Spanish NIE": ("NIE ", "Xdddddddu", "es.nie"),
    "Italian codice fiscale": ("", "uuuuuu85E1dHdddu", "it.codicefiscale"),
    "Dutch BSN": ("BSN ", "ddddddddd", "nl.bsn"),
    "Belgian national number": ("", "85.07.1d-ddd.dd", "be.nn"),
    "Polish PESEL": ("PESEL ", "8507ddddddd", "pl.pesel"),
    "Swedish personnummer": ("", "85071d-dddd", "se.personnummer"),
    "Finnish HETU": ("", "13105d-dddu", "fi.hetu"),
    "Danish CPR": ("CPR ", "21106d-dddd", "dk.cpr"),
    "Norwegian fødselsnummer": ("", "15108dddddd", "no.fodselsnummer"),
    "British NHS number": ("NHS number ", "ddd ddd dddd", "gb.nhs"),
    "Irish PPS": ("PPS ", "dddddddu", "ie.pps"),
    "Portuguese NIF": ("NIF ", "2dddddddd", "pt.nif"),
    "Swiss AHV number": ("", "756.dddd.dddd.dd", "ch.ssn"),
    "Austrian insurance number": ("SVNR ", "dddd 1d0185", "at.vnr"),
    "Czech birth number": ("", "71031d/dddd", "cz.rc"),
    "Romanian CNP": ("CNP ", "185071ddddddd", "ro.cnp"),
    "Turkish identity number": ("TC kimlik ", "ddddddddddd", "tr.tckimlik"),
    "Indian Aadhaar": ("Aadhaar ", "dddd dddd dddd", "in_.aadhaar"),
    "Chinese resident id": ("", "3604261985010ddddd", "cn.ric"),
    "Korean resident number": ("", "85071d-1dddddd", "kr.rrn"),
    "Brazilian CPF": ("", "ddd.ddd.ddd-dd", "br.cpf"),
    "Chilean RUT": ("", "1d.ddd.ddd-d", "cl.rut"),
    "Canadian SIN": ("SIN ", "ddd ddd ddd", "ca.sin"),
    "Australian tax file number": ("TFN ", "ddd ddd ddd", "au.tfn"),
    "US Social Security number": ("", "ddd-dd-dddd", "us.ssn"),
    "Argentine CUIT": ("", "20-dddddddd-d", "ar.cuit"),
    "South African id": ("South African id ", "85071ddddd08d", "za.idnr"),
}


def fill(rng: Random, form: str) -> str:
    """The form with random characters in the places of ``d`` (digit) and ``u`` (capital)."""
    choose = {"d": DIGITS, "u": UPPER}
    return "".join(rng.choice(choose[one]) if one in choose else one for one in form)


def draw_id(rng: Random, kind: str) -> str:
    """A number with right check digits, after the words that name it where it needs them."""
    words, form, module = IDS[kind]
    check = import_module(f"stdnum.{module}").is_valid
    while not check(number := fill(rng, form)):
        pass
    return words + number


def draw_card(rng: Random, strength: int) -> str:
    """A card number with a right check digit; grouped, named, or in groups with dashes."""
    prefix, size = rng.choice(sorted(ISSUERS.items()))
    body = prefix + "".join(rng.choices(DIGITS, k=size - len(prefix) - 1))
    luhn = import_module("stdnum.luhn")
    number = body + luhn.calc_check_digit(body)
    groups = [4, 6, size - 10] if size in (14, 15) else [4, 4, 4, size - 12]
    parts, start = [], 0
    for group in groups:
        parts.append(number[start : start + group])
        start += group
    grouped = (" ", "-")[strength == 2].join(parts)
    return (grouped, f"please charge {grouped} for it", f"card {number}, exp 04/29")[strength]


def draw_iban(rng: Random, strength: int) -> str:
    """An account number; in groups, within a sentence, or in one run before capitals."""
    country, form = rng.choice(sorted(ACCOUNTS.items()))
    iban = import_module("stdnum.iban")
    while True:
        body = "".join(
            "".join(rng.choices({"d": DIGITS, "u": UPPER, "c": DIGITS}[kind], k=int(size)))
            for size, kind in re.findall(r"(\d+)(\w)", form)
        )
        number = country + iban.calc_check_digits(f"{country}00{body}") + body
        if iban.is_valid(number):
            break
    grouped = " ".join(number[start : start + 4] for start in range(0, len(number), 4))
    return (grouped, f"transfer it to {grouped}, thanks", f"IBAN {number} BIC ACMEDEFF")[strength]


def draw_email(rng: Random, strength: int) -> str:
    """An address; plain, within a sentence, or with signs and capitals in angle brackets."""
    first, last = (re.sub(r"[^a-z]", "", rng.choice(names).lower()) for names in (FIRST, LAST))
    domain = rng.choice(DOMAINS)
    plain = f"{first}.{last}{rng.randrange(100)}@{domain}"
    return (plain, f"reach me at {plain}.", f"<{first.title()}_{last}+shop@mail.{domain}>")[
        strength
    ]


def draw_phone(rng: Random, strength: int) -> str:
    """A number with its country code, the American form, or after a word."""
    digits = "".join(rng.choices(DIGITS[2:], k=9))
    code = rng.choice(("+49 30", "+33 6", "+44 20", "+91 98", "+34 6", "+420 60", "+55 11"))
    return (
        f"{code} {digits[:4]} {digits[4:8]}",
        f"call ({digits[0]}34) {digits[1]}56-{digits[2:6]} after six",
        f"phone: 0{digits[:3]} {digits[3:]}",
    )[strength]


def draw_ip(rng: Random, strength: int) -> str:
    """A public address; alone, in a log line, or IPv6."""
    octets = [rng.choice((81, 93, 145, 178)), *rng.randbytes(2), rng.randrange(1, 255)]
    address = ".".join(map(str, octets))
    long = ":".join(f"{rng.randrange(4096, 65536):x}" for _ in range(7))
    return (address, f"login from {address}:51322 failed", f"from 2a02:{long}")[strength]


def draw_mac(rng: Random, strength: int) -> str:
    """A hardware address with colons, dashes or dots."""
    octets = [f"{one:02x}" for one in (0x3C, *rng.randbytes(4), rng.randrange(0xA0, 0xFF))]
    joined = "".join(octets)
    return (
        ":".join(octets),
        f"the card {'-'.join(octets).upper()} is offline",
        f"{joined[:4]}.{joined[4:8]}.{joined[8:]}",
    )[strength]


def draw_street(rng: Random, strength: int) -> str:
    """A street and number in one of several languages."""
    number = rng.randrange(2, 200)
    if strength == 0:
        kind = rng.choice(("Street", "Avenue", "Road"))
        return f"{number} {rng.choice(('Patel', 'Baker'))} {kind}"
    if strength == 1:
        name = rng.choice(("Mill", "Oak", "Harbour"))
        return f"I live at {number} Old {name} Lane, Portland, OR 97201"
    return rng.choice(
        (
            f"Lindenstraße {number}, 50674 Köln",
            f"{number} rue de la Paix",
            f"Via Garibaldi {number}",
        )
    )


def draw_birth(rng: Random, strength: int) -> str:
    """A date after a word of birth."""
    year, month, day = rng.randrange(1940, 2010), rng.randrange(1, 13), rng.randrange(1, 29)
    return (
        f"date of birth: {year}-{month:02}-{day:02}",
        f"I was born on March {day}, {year}, in Leeds",
        f"geboren am {day}.{month}.{year}",
    )[strength]


DRAW: dict[str, Callable[[Random, int], str]] = {
    "payment_card": draw_card,
    "iban": draw_iban,
    "national_id": lambda rng, strength: draw_id(rng, rng.choice(sorted(IDS))),
    "email": draw_email,
    "phone_number": draw_phone,
    "ip_address": draw_ip,
    "mac_address": draw_mac,
    "street_address": draw_street,
    "birth_date": draw_birth,
}
CHECKED = ("payment_card", "iban", "national_id")
"""Rules whose findings a check digit confirms."""


def draw_twin(rng: Random) -> str:
    """A benign text that looks like a personal one."""
    digits = "".join(rng.choices(DIGITS, k=20))
    return rng.choice(
        (
            f"order {digits[:4]}-{digits[4:10]}",
            f"invoice no. {digits[:11]}",
            f"tracking number 1Z{digits[:10]}",
            f"the sum is {digits[:3]},{digits[3:6]},{digits[6:9]}",
            f"timestamp 17{digits[:8]} or 17{digits[:11]}",
            f"pi is 3.{digits}",
            f"version {digits[0]}.{digits[1]}.{digits[2:4]}.{digits[4]}",
            "Chrome/114.0.5735.90 Safari/537.36",
            "listen on 127.0.0.1 or 0.0.0.0, netmask 255.255.255.0",
            "the example address is 203.0.113.7, see 2001:db8::1",
            "write to john.doe@example.com or user@localhost",
            "import icon@2x.png and @app.route('/x')",
            "call 1-800-555-0199 or (555) 123-4567",
            f"at 12:30:45, {digits[:2]}:{digits[2:4]} and std::vector<int>",
            f"{digits[0]}x + {digits[1:9]} = {digits[9:17]}",
            "123 Main Street is an example",
            "3 Great Dr Who episodes in 10 Ways",
            "the company was founded on March 3, 1991",
            "born in 1985, she moved in 2003",
            f"ISBN 978-3-16-14{digits[:4]}-0",
            f"part no. {digits[:3]}-{digits[3:6]}-{digits[6:9]}",
            f"{digits[:3]}.{digits[3:6]} of {digits[6:9]}.{digits[9:12]} rows",
            f"{digits[:8]}-{digits[8:12]} is the job id",
            f"uuid {digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[:12]}",
        )
    )


def plant_privacy(rng: Random, count: int) -> Iterator[tuple[str, str | None, int]]:
    """`count` texts of each rule and strength, benign ones too: text, rule or None, strength."""
    for _ in range(count):
        for strength in range(3):
            for rule, draw in DRAW.items():
                yield draw(rng, strength), rule, strength
            yield draw_twin(rng), None, strength
