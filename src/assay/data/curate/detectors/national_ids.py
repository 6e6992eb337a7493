"""Numbers by which states know a person: what each looks like, and the words that name it.

Check digits are python-stdnum's. A number whose form is unlike any other (`alone`) is found
wherever it stands; the others are digits of which one in ten or eleven has a right check digit by
chance, so they are found beside their words alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple


class IdKind(NamedTuple):
    """`module` of python-stdnum checks it; without one its form is all there is to check."""

    name: str
    module: str
    words: str
    pattern: str
    alone: str = ""


_D11 = r"\d{11}|\d{2}[ .]\d{3}[ .]\d{3}[ .]\d{3}"

KINDS = (
    IdKind(
        "German tax id",
        "de.idnr",
        "steuer-?id|steuerliche id|steueridentifikation|idnr|german tax",
        _D11,
    ),
    IdKind(
        "French NIR",
        "fr.nir",
        "nir|sécurité sociale|sécu",
        r"[12]\d{4}(?:\d\d|2[AB])\d{8}",
        r"[12] \d\d \d\d (?:\d\d|2[AB]) \d{3} \d{3} \d\d"
        r"|[12]\d\d(?:0[1-9]|1[0-2])(?:\d\d|2[AB])\d{8}",
    ),
    IdKind("Spanish DNI", "es.dni", "dni|nif|documento nacional", r"\d{8}[ -]?[A-Z]"),
    IdKind("Spanish NIE", "es.nie", "nie|extranjero|dni", r"[XYZ][ -]?\d{7}[ -]?[A-Z]"),
    IdKind(
        "Italian codice fiscale",
        "it.codicefiscale",
        "codice fiscale",
        "",
        r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]",
    ),
    IdKind(
        "Dutch BSN", "nl.bsn", "bsn|burgerservicenummer|sofinummer", r"\d{9}|\d{4}[ .]\d\d[ .]\d{3}"
    ),
    IdKind(
        "Belgian national number",
        "be.nn",
        "rijksregister\\w*|registre national|niss|insz",
        r"\d{11}",
        r"\d\d\.\d\d\.\d\d-\d{3}[. ]\d\d",
    ),
    IdKind("Polish PESEL", "pl.pesel", "pesel", r"\d{11}"),
    IdKind(
        "Swedish personnummer",
        "se.personnummer",
        "personnummer",
        r"(?:19|20)?\d{6}\d{4}",
        r"(?:19|20)?\d{6}[-+]\d{4}",
    ),
    IdKind(
        "Finnish HETU", "fi.hetu", "hetu|henkilötunnus", "", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"
    ),
    IdKind("Danish CPR", "dk.cpr", "cpr(?:-nummer|-nr)?|personnummer", r"\d{6}[- ]?\d{4}"),
    IdKind(
        "Norwegian fødselsnummer",
        "no.fodselsnummer",
        "fødselsnummer|personnummer|fnr",
        "",
        r"\d{6} ?\d{5}",
    ),
    IdKind("Icelandic kennitala", "is_.kennitala", "kennitala", r"\d{6}-?\d{4}"),
    IdKind("British NHS number", "gb.nhs", "nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}"),
    IdKind(
        "British National Insurance number",
        "",
        "nino|national insurance|ni number",
        r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]",
        r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d\d \d\d \d\d [A-D]",
    ),
    IdKind("Irish PPS", "ie.pps", "pps(?:n)?|personal public service", r"\d{7}[A-W][A-IW]?"),
    IdKind("Portuguese NIF", "pt.nif", "nif|contribuinte", r"\d{9}|\d{3} \d{3} \d{3}"),
    IdKind("Portuguese citizen card", "pt.cc", "cartão de cidadão", "", r"\d{8} \d [A-Z]{2}\d"),
    IdKind("Swiss AHV number", "ch.ssn", "ahv|avs", r"756\d{10}", r"756\.\d{4}\.\d{4}\.\d\d"),
    IdKind(
        "Austrian insurance number",
        "at.vnr",
        "sozialversicherungsnummer|svnr|versicherungsnummer",
        r"\d{4} ?\d{6}",
    ),
    IdKind(
        "Czech or Slovak birth number",
        "cz.rc",
        "rodné číslo|rodne cislo",
        r"\d{9,10}",
        r"\d{6}/\d{3,4}",
    ),
    IdKind("Romanian CNP", "ro.cnp", "cnp|cod numeric personal", r"\d{13}"),
    IdKind("Bulgarian EGN", "bg.egn", "egn|егн", r"\d{10}"),
    IdKind("Croatian OIB", "hr.oib", "oib", r"\d{11}"),
    IdKind("Estonian isikukood", "ee.ik", "isikukood", r"\d{11}"),
    IdKind("Lithuanian asmens kodas", "lt.asmens", "asmens kodas", r"\d{11}"),
    IdKind("Slovenian EMŠO", "si.emso", "em[sš]o|jmbg", r"\d{13}"),
    IdKind("Greek AMKA", "gr.amka", "amka|αμκα", r"\d{11}"),
    IdKind("Turkish identity number", "tr.tckimlik", "t\\.?c\\.? ?kimlik|kimlik|tckn", r"\d{11}"),
    IdKind(
        "Israeli identity number",
        "il.idnr",
        "teudat zehut|mispar zehut|תעודת זהות",
        r"\d{9}|\d{8}-\d",
    ),
    IdKind(
        "South African id", "za.idnr", "south african id|rsa id|sa id", r"\d{13}|\d{6} \d{4} \d{3}"
    ),
    IdKind("Indian Aadhaar", "in_.aadhaar", "aadhaar|aadhar|uidai", r"\d{4}[ -]?\d{4}[ -]?\d{4}"),
    IdKind("Indian PAN", "in_.pan", "pan (?:card|number|no)|income tax", r"[A-Z]{5}\d{4}[A-Z]"),
    IdKind("Pakistani CNIC", "pk.cnic", "cnic|nadra", r"\d{5}-?\d{7}-?\d"),
    IdKind("Chinese resident id", "cn.ric", "身份证", "", r"\d{17}[\dXx]"),
    IdKind("Korean resident number", "kr.rrn", "주민등록번호|rrn", r"\d{13}", r"\d{6}-\d{7}"),
    IdKind("Malaysian NRIC", "my.nric", "nric|mykad|kad pengenalan", r"\d{6}-?\d\d-?\d{4}"),
    IdKind(
        "Thai identity number", "th.pin", "บัตรประชาชน|thai id", r"\d{13}", r"\d-\d{4}-\d{5}-\d\d-\d"
    ),
    IdKind("Brazilian CPF", "br.cpf", "cpf", r"\d{11}", r"\d{3}\.\d{3}\.\d{3}-\d\d"),
    IdKind("Mexican CURP", "mx.curp", "curp", "", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d"),
    IdKind("Argentine CUIT", "ar.cuit", "cui[tl]", r"\d{11}", r"2[0-7]-\d{8}-\d"),
    IdKind("Chilean RUT", "cl.rut", "rut|run", r"\d{7,8}-?[\dkK]", r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]"),
    IdKind("Ecuadorian cédula", "ec.ci", "cédula|cedula", r"\d{9}-?\d"),
    IdKind("Dominican cédula", "do.cedula", "cédula|cedula", r"\d{3}-?\d{7}-?\d"),
    IdKind("Canadian SIN", "ca.sin", "sin|social insurance", r"\d{3}[ -]?\d{3}[ -]?\d{3}"),
    IdKind("Australian tax file number", "au.tfn", "tfn|tax file", r"\d{3} ?\d{3} ?\d{2,3}"),
    IdKind("New Zealand IRD number", "nz.ird", "ird", r"\d{2,3}-?\d{3}-?\d{3}"),
    IdKind("Ukrainian tax number", "ua.rntrc", "рнокпп|ідентифікаційний", r"\d{10}"),
    IdKind("Russian INN", "ru.inn", "инн|inn", r"\d{12}"),
    IdKind(
        "US Social Security number",
        "us.ssn",
        "ssn|social security",
        r"\d{3}[ -]?\d\d[ -]?\d{4}",
        r"\d{3}-\d\d-\d{4}",
    ),
    IdKind("US taxpayer number (ITIN)", "us.itin", "itin", r"9\d\d-?\d\d-?\d{4}"),
)
"""51 kinds, of 47 states."""

# Words that name an id of any state.
_ANY = (
    "national id|identity (?:card|number|document)|id (?:card|number)|tax(?:payer)? (?:id|number)"
    "|personal (?:id|identity|identification)|ausweisnummer|personalausweis|identification number"
)
_WORDS = "|".join([_ANY, *dict.fromkeys(kind.words for kind in KINDS)])
WORDS_START = rf"(?i)\b(?:{_WORDS})(?:\P{{L}}|$)"
ALONE_START = (
    r"\d{6}[-+/A-FU-Y]\d{3}|\d{3}-\d\d-\d{4}|\d\d\.\d\d\.\d\d-\d{3}|\d{3}\.\d{3}-[\dkK]"
    r"|\d{3}\.\d{3}\.\d{3}-\d\d|[A-Z]{4}\d{6}[HM]|[A-Z]{6}\d\d[A-Z]|\d{17}|\d{6} ?\d{5}|756\."
    r"|[12] \d\d \d\d (?:\d\d|2[AB]) \d{3}|[12]\d{4}(?:\d\d|2[AB])\d{8}|\d{8} \d [A-Z]"
    r"|\d-\d{4}-\d{5}|2[0-7]-\d{8}|[A-Z]{2} \d\d \d\d \d\d [A-D]"
)
_ALONE = [
    (kind, re.compile(rf"(?<![\w.,+/-])(?:{kind.alone})(?![\w]|[.,-]\d)"))
    for kind in KINDS
    if kind.alone
]
_NAMED = re.compile(rf"\b(?:{_WORDS})(?![^\W\d_])", re.IGNORECASE)
_NEAR = [
    (
        kind,
        re.compile(rf"(?:{kind.words}|{_ANY})", re.IGNORECASE),
        re.compile(rf"(?<![\w.,+-])(?:{kind.pattern})(?![\w]|[.,-]\d)"),
    )
    for kind in KINDS
    if kind.pattern
]
# The words are common ones in part (sin, run): most texts that have one have no number at all.
_DIGITS = re.compile(r"\d(?:[ .\-/]?\d){5}|[A-Z]\d{4}")
# Characters before and after a word within which its number stands.
_BEFORE, _AFTER = 30, 60


def find_ids_by_form(text: str) -> Iterator[tuple[IdKind, tuple[int, int]]]:
    """Numbers whose form is unlike any other, with a right check digit."""
    for kind, pattern in _ALONE:
        for found in pattern.finditer(text):
            if is_valid(kind, found[0]):
                yield kind, found.span()


def find_ids_by_words(text: str) -> Iterator[tuple[IdKind, tuple[int, int]]]:
    """Numbers with a right check digit beside words that name them."""
    if _DIGITS.search(text) is None:
        return
    for word in _NAMED.finditer(text):
        start, end = max(0, word.start() - _BEFORE), word.end() + _AFTER
        window = text[start:end]
        for kind, words, pattern in _NEAR:
            if not words.fullmatch(word[0]):
                continue
            for found in pattern.finditer(window):
                if is_valid(kind, found[0]):
                    yield kind, (start + found.start(), start + found.end())


def is_valid(kind: IdKind, number: str) -> bool:
    """Whether the form and the check digits are right; all digits alike is no number."""
    if len(set(re.sub(r"\W", "", number))) < 3:
        return False
    return not kind.module or bool(_load(kind.module).is_valid(number))


@cache
def _load(module: str) -> ModuleType:
    return import_module(f"stdnum.{module}")
