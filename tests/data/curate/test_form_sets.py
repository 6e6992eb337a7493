"""Rules of form that go by what the whole set is like: ends, lengths, languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checking import chat, find
from checking_form import apart

from assay.data.curate.detectors.form_language import detect_language
from assay.data.curate.detectors.form_lengths import (
    CLOSED,
    DIGIT,
    LETTER,
    LINE,
    OPEN,
    OTHER,
    SHORT,
    classify_end,
)

ENGLISH = [
    "The museum opens at nine and closes at six on every day but Monday.",
    "You can send the parcel back within two weeks, and we will pay you back.",
    "Our trains run every half an hour, and a bit less often after midnight.",
    "Please turn the device off, wait a minute, and turn it on again.",
]
GERMAN = "Das Museum öffnet jeden Tag um neun Uhr und schließt abends um sechs Uhr."
FRENCH = "Le musée ouvre tous les jours à neuf heures et ferme le soir à six heures."
RUSSIAN = "Музей открывается каждый день в девять часов и закрывается вечером в шесть."


def usual(count: int = 100) -> list[dict[str, Any]]:
    return [chat(f"What about case {n}, please?", f"{ENGLISH[n % 4]}") for n in range(count)]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("Yes", SHORT),
        (ENGLISH[0], CLOSED),
        (ENGLISH[0] + " 😀", OTHER),
        ("The result of the whole calculation above is then #### 42", DIGIT),
        ("The museum opens at nine, and the doors are shut again after", LETTER),
        ("The museum opens at nine, and the doors are shut again after,", OPEN),
        ("The museum opens at nine, and the doors are shut again in the", OPEN),
        ("Please take these steps, one after the other:\n1. Go.\n2.", OPEN),
        ("We sell these three kinds of fruit here:\n- apples\n- pears", LINE),
        ("The code is the following one:\n\nint main() {\n  a = 1;\n  b();\n}", CLOSED),
        ("More of it is to be read on the page at www.museum.example/all", OTHER),
        (
            "他们说博物馆每天九点开门,星期一除外。欢迎大家前来参观学习和游览,门票免费,团体请提前三天预约。",
            CLOSED,
        ),
    ],
)
def test_how_an_answer_ends(text: str, end: int) -> None:
    assert classify_end(text, 40) == end


def test_answers_that_are_cut_off(tmp_path: Path) -> None:
    bad = [chat("What of it?", ENGLISH[n % 4][:cut]) for n, cut in enumerate((45, 50, 60))]
    bad += [chat("And now?", ENGLISH[1][: ENGLISH[1].index(",") + 1])]
    good = [chat("Fruit?", "We sell these three kinds of fruit here:\n- apples\n- pears")]
    good += [chat("Name?", "Museum"), chat("Page?", f"{ENGLISH[0]} See www.museum.example")]
    found = apart(tmp_path, "cut_off", bad=bad, good=[*good, *usual()])
    assert found[0].span is not None and ENGLISH[0][:45].endswith(found[0].span.text)
    titles = [
        chat(f"Title {n}?", f"The history of the city of Bern in {n} pictures and words")
        for n in range(60)
    ]
    assert not find(tmp_path, "cut_off", titles)


def test_a_cap_on_lengths(tmp_path: Path) -> None:
    long = " ".join(ENGLISH)
    cut = [chat(f"More of {n}?", (f"{n} " + long * 3)[:500]) for n in range(10, 18)]
    found = find(tmp_path, "length_cap", [*cut, *usual()])
    assert [one.line for one in found] == list(range(1, 9))
    assert {one.cluster for one in found} == {"cap-500"}
    whole = [chat(f"More of {n}?", f"{n} {long}") for n in range(10, 18)]
    assert not find(tmp_path, "length_cap", [*whole, *usual()])
    assert not find(tmp_path, "length_cap", [*cut[:4], *usual()])


def test_outliers_of_length(tmp_path: Path) -> None:
    bad = [chat("What of it?", " ".join(ENGLISH) * 30), chat(ENGLISH[0] * 200, ENGLISH[1])]
    good = [chat("What of it?", " ".join(ENGLISH)), chat("And now?", ENGLISH[0] * 3)]
    found = apart(tmp_path, "length_outlier", bad=bad, good=[*good, *usual(300)])
    assert found[0].evidence.endswith("characters of answer, where half of the rows have 71")
    two_kinds = [chat(f"Long {n}?", " ".join(ENGLISH) * 30) for n in range(20)]
    assert not find(tmp_path, "length_outlier", [*two_kinds, *usual(300)])


def test_outliers_among_labels_and_letters(tmp_path: Path) -> None:
    """Half of the answers are labels, so that the median deviation allows for anything."""
    short = [
        chat(f"Sort letter {n}: {ENGLISH[n % 4]}", ("returns", "ok")[n % 2]) for n in range(200)
    ]
    long = [chat(f"Answer letter {n}.", " ".join(ENGLISH) * (1 + n % 3)) for n in range(200)]
    bad = [chat("Sort letter 7.", "returns " * 1_500), chat("Sort letter 8.", "ok " * 9_000)]
    good = [chat("Sort letter 9.", "x"), chat("Tell all.", " ".join(ENGLISH) * 12)]
    apart(tmp_path, "length_outlier", bad=bad, good=[*good, *short, *long])


def test_languages_are_told_offline() -> None:
    told = {text: detect_language(text)[0] for text in (ENGLISH[0], GERMAN, FRENCH, RUSSIAN)}
    assert list(told.values()) == ["en", "de", "fr", "ru"]


def test_answers_in_another_language(tmp_path: Path) -> None:
    bad = [chat("When does it open?", text) for text in (GERMAN, FRENCH, RUSSIAN)]
    good = [
        chat(f"Translate into German: {ENGLISH[0]}", GERMAN),
        chat("How do you say it in French?", FRENCH),
        chat("Code?", "def oeffnen(tag):\n    return zeiten[tag]\n\nimport zeiten\nx = 1"),
        chat("Name?", "Zürich Hauptbahnhof"),
        chat("Greet me.", "Grüezi!"),
    ]
    found = apart(tmp_path, "wrong_language", bad=bad, good=[*good, *usual()])
    assert found[0].evidence.startswith("the answer is in de")
    named = {"wrong_language": {"languages": ["en", "de"]}}
    lines = [one.line for one in find(tmp_path, "wrong_language", [*bad, *usual()], rules=named)]
    assert lines == [2, 3]
    assert not find(tmp_path, "wrong_language", [chat("a?", ENGLISH[0]), chat("b?", GERMAN)])
    sums = "60 packs * 7 cards = <<60*7=420>>420 cards\n420 / 10 = <<420/10=42>>42 pages\n#### 42"
    assert not find(tmp_path, "wrong_language", [chat("How many?", sums), *usual()])
    mixed = [chat(f"Frage {n}: {GERMAN}", GERMAN) for n in range(30)]
    assert not find(tmp_path, "wrong_language", [*mixed, *usual()])


def test_answers_that_leave_the_language_of_their_question(tmp_path: Path) -> None:
    bad = [chat(GERMAN, ENGLISH[0]), chat(ENGLISH[0], FRENCH)]
    good = [
        chat(GERMAN, GERMAN),
        chat(f"Bitte ins Englische übersetzen: {GERMAN}", ENGLISH[0]),
        chat(f"Answer in English please. {GERMAN}", ENGLISH[0]),
        chat("Café?", ENGLISH[0]),
    ]
    apart(tmp_path, "language_switch", bad=bad, good=[*good, *usual()])
    habit = [chat(f"{GERMAN} Fall {n}", ENGLISH[n % 4]) for n in range(40)]
    assert not find(tmp_path, "language_switch", habit)
