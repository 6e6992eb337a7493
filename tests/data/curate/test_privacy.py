"""Personal data are found in each form, and what looks like them is let be."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from benchmarks.planted.privacy import CHECKED, plant_privacy
from checking import chat, check, find

from assay.data.curate.detectors.national_ids import KINDS
from assay.data.curate.detectors.privacy import RULES

ALL = {rule.name for rule in RULES}

# Numbers that python-stdnum's own documentation gives as valid, with the words that name them.
IDS = [
    "Steuer-ID 86 095 742 719",
    "NIR 2 95 10 99 126 111 93",
    "DNI: 54362315-K",
    "NIE X-2482300W",
    "codice fiscale RCCMNL83S18D969H",
    "BSN: 1112.22.333",
    "mijn rijksregisternummer is 85.07.30-033 28",
    "PESEL 44051401359",
    "880320-0016 är mitt",
    "131052-308T",
    "CPR-nummer 211062-5629",
    "fnr 15108695088",
    "NHS number 943 476 5870",
    "my PPS is 6433435F",
    "NIF 501 964 843",
    "00000000 0 ZZ4",
    "AHV 756.9217.0769.85",
    "SVNR 1237 010180",
    "rodné číslo 710319/2745",
    "CNP 1630615123457",
    "EGN 7523169263",
    "OIB 33392005961",
    "isikukood 36805280109",
    "asmens kodas 33309240064",
    "EMŠO 0101006500006",
    "AMKA 01013099997",
    "TC kimlik no 17291716060",
    "aadhaar 2341 2341 2346",
    "身份证 360426199101010071",
    "971013-9019902",
    "NRIC 770305-02-1234",
    "1-2345-45678-78-1",
    "South African id 7503305044089",
    "CPF 390.533.447-05",
    "CURP BOXW310820HNERXN09",
    "20-05536168-2",
    "RUT 12.531.909-2",
    "cédula 171430710-3",
    "SIN 123-456-782",
    "TFN 123 456 782",
    "IRD 49091850",
    "social security 536-90-4399",
    "national id 44051401359",
    "National Insurance AB 12 34 56 C",
]
TWINS = [
    "BSN: 111222334",
    "PESEL 44051401358",
    "44051401359 boxes",
    "order 943 476 5870",
    "CPF 390.533.447-06",
    "131052-308U",
    "078-05-1120",
    "000-12-3456 and 666-12-3456",
    "the run took 123456782 steps",
    "a sin of 123 456 783",
    "QQ 12 34 56 C",
    "85.07.30-033 29",
]


def find_rules(folder: Path, texts: list[str], **others: object) -> list[set[str]]:
    """For each text as a question of its own row, the rules of privacy that found something."""
    found = check(folder, [chat(one, f"answer {n}") for n, one in enumerate(texts)], **others)
    rules: list[set[str]] = [set() for _ in texts]
    for one in found.findings:
        if one.rule in ALL:
            rules[one.line - 1].add(one.rule)
    return rules


def test_national_ids_of_more_than_forty_states_are_found(tmp_path: Path) -> None:
    assert len(KINDS) >= 50
    found = find_rules(tmp_path, IDS)
    missed = [text for text, rules in zip(IDS, found, strict=True) if rules != {"national_id"}]
    assert not missed


def test_numbers_that_no_state_gave_are_no_ids(tmp_path: Path) -> None:
    assert not {rule for rules in find_rules(tmp_path, TWINS) for rule in rules} & {*CHECKED}


def test_planted_data_are_found_by_their_rule_and_twins_by_none(tmp_path: Path) -> None:
    planted = list(plant_privacy(Random(0), 40))
    found = find_rules(tmp_path, [text for text, _, _ in planted])
    wrong = [
        (text, rule, rules)
        for (text, rule, _), rules in zip(planted, found, strict=True)
        if rules != ({rule} if rule else set())
    ]
    assert not wrong


def test_numbers_of_arithmetic_are_no_personal_data(tmp_path: Path) -> None:
    rng = Random(1)
    texts = []
    for _ in range(3000):
        digits = [rng.randrange(10 ** rng.randrange(1, 14)) for _ in range(4)]
        a, b, c, d = digits
        texts.append(
            f"{a} + {b} = {a + b}; {c:,} of {d}. The sum of 2 {a} {b} is <<{c}*{d}={c * d}>>"
        )
    found = find_rules(tmp_path, texts)
    counts = {rule: sum(rule in rules for rules in found) for rule in ALL}
    # A random number of 13 to 19 digits begins like a card's in two cases of ten, and one in ten
    # of those has the right check digit.
    assert counts.pop("card_like_number") <= 60
    assert not {rule: count for rule, count in counts.items() if count}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("pay with 4539 5787 6362 1486", "payment_card"),
        ("Visa 4539578763621486", "payment_card"),
        ("3782-822463-10014", None),
        ("4539 5787 6362 1487", None),
        ("order 4539578763621486", "card_like_number"),
        ("cardNumber=4539578763621486", "payment_card"),
        ('{"card_number": 4539578763621486}', "payment_card"),
        ("expires 04/29, 4539578763621486", "payment_card"),
        ("size of the master bedroom, reference 4539578763621486", "card_like_number"),
        ("they discovered a pan and a cardigan, lot 4539578763621486", "card_like_number"),
        ("4111 1111 1111 1111", "card_like_number"),
        ("DE89370400440532013000", "iban"),
        ("GB29 NWBK 6016 1331 9268 19 AND SO ON", "iban"),
        ("DE88370400440532013000", None),
        ("XX89370400440532013000", None),
        ("anna.schmidt@web.de", "email"),
        ("anna@x.example and anna@example.com", None),
        ("support@acme-tools.io", "role_email"),
        ("git@github.com:a/b.git", None),
        ("icon@2x.png, a@b.transpose", None),
        ("+49 (0)30 901820", "phone_number"),
        ("+4930901820", "phone_number"),
        ("0044 20 7946 0000", "phone_number"),
        ("(212) 736-5000", "phone_number"),
        ("call 1-800-273-8255", None),
        ("212-555-0123", None),
        ("Tel. 030/901820", "phone_number"),
        ("my mobile is 98765 43210", "phone_number"),
        ("5+49 30 901820", None),
        ("93.184.216.34", "ip_address"),
        ("2a00:1450:4001:81b::200e", "ip_address"),
        ("open http://93.184.216.34/x; any release?", "ip_address"),
        ("192.168.1.20", "private_ip_address"),
        ("127.0.0.1, 203.0.113.9, 8.8.8.8, 2001:db8::1", None),
        ("version 4.12.93.1 and ==1.2.3.4", None),
        ("3c:22:fb:45:9a:0e", "mac_address"),
        ("00:11:22:33:44:55, 12:30:45:10:20:30", None),
        ("4 Privet Drive, Little Whinging", "street_address"),
        ("Lindenstraße 12, 50674 Köln", "street_address"),
        ("12 bis rue de Rivoli, 75001 Paris", "street_address"),
        ("Calle Mayor 5", "street_address"),
        ("123 Main Street", None),
        ("offering 10 of them, spring 12", None),
        ("DOB: 04/12/1987", "birth_date"),
        ("geboren am 3. März 1975", "birth_date"),
        ("she was born on May 3, 1975", "birth_date"),
        ("Kant was born on April 22, 1724", None),
        ("born in a town on 13/13/1975", None),
        ("My name is Anna Schmidt.", "introduced_name"),
        ("Best regards,\nTom Baker", "introduced_name"),
        ("my name is on the list; Regards,\n[Your Name]", None),
    ],
)
def test_each_form_is_found_and_its_twin_is_not(
    tmp_path: Path, text: str, rule: str | None
) -> None:
    assert find_rules(tmp_path, [text]) == [{rule} if rule else set()]


def test_confirmed_cards_refuse_and_nothing_else_does(tmp_path: Path) -> None:
    assert check(tmp_path, [chat("card 4539 5787 6362 1486", "ok")]).verdict == "refused"
    assert check(tmp_path, [chat(f"{IDS[0]}, anna@web.de", "ok")]).verdict == "warnings"


def test_numbers_are_shown_by_their_ends(tmp_path: Path) -> None:
    rows = [chat("4539 5787 6362 1486, DE89370400440532013000, PESEL 44051401359", "ok")]
    text = json.dumps([one.to_json() for one in check(tmp_path, rows).findings])
    for whole in ("5787", "37040044", "44051401359", "440514"):
        assert whole not in text


def test_what_the_user_allows_is_no_finding(tmp_path: Path) -> None:
    rows = [chat("write to anna@web.de or tom@web.de", "ok")]
    assert len(find(tmp_path, "email", rows)) == 2
    assert len(find(tmp_path, "email", rows, rules={"email": {"allow": ["anna@web.de"]}})) == 1
    assert not find(tmp_path, "email", rows, rules={"email": {"allow": ["/.*@web.de/"]}})


def test_what_arguments_say_is_searched_and_what_they_hold_is_spanned(tmp_path: Path) -> None:
    body = {"body": 'dear\nanna@web.de, "Lindenstraße 12"', "card": "4539 5787 6362 1486"}
    arguments = json.dumps(body)
    call = {"name": "send", "arguments": arguments}
    messages = [
        {"role": "user", "content": "send it"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": call}],
        },
    ]
    tools = [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}]
    checked = check(tmp_path, [{"messages": messages, "tools": tools}])
    found = {one.rule: one.span for one in checked.findings if one.rule in ALL}
    assert {rule: arguments[span.start : span.end] for rule, span in found.items() if span} == {
        "email": "anna@web.de",
        "street_address": "Lindenstra\\u00dfe 12",
        "payment_card": "4539 5787 6362 1486",
    }


def test_a_number_after_a_card_is_not_its_last_group(tmp_path: Path) -> None:
    (found,) = find(tmp_path, "payment_card", [chat("4539 5787 6362 1486 95 of them", "ok")])
    assert found.span is not None and found.span.end == 19
