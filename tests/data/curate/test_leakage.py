"""Leaks: true ones of each kind, benign twins that look alike, and suites that nobody can read."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from checking import Row, chat, check

from assay.config import SourceConfig
from assay.data.curate import Finding, check_parts, list_rules, settle
from assay.data.curate.fingerprints import make_fingerprint
from assay.data.curate.leak_prints import count_common
from assay.data.curate.leak_search import MAX_PARTNERS, choose_partners
from assay.data.curate.parts import cut_parts
from assay.data.curate.postings import Postings
from assay.errors import DataError

RULES = ("leaked_row", "near_leaked_row", "overlapping_text")
OTHERS_OFF = {name: "off" for name in list_rules() if name not in RULES}


def write(seed: int, num_words: int) -> str:
    return " ".join(f"w{one}" for one in random.Random(seed).choices(range(9_000), k=num_words))


def change(text: str, *places: int) -> str:
    words = text.split()
    for place in places:
        words[place] = f"other{place}"
    return " ".join(words)


TEST = [chat(write(seed, 40), write(seed + 100, 20)) for seed in range(20)]
TRAIN = [chat(write(seed, 40), write(seed + 1_000, 20)) for seed in range(200, 260)]


def asked(row: Row) -> str:
    return str(row["messages"][0]["content"])


def answered(row: Row) -> str:
    return str(row["messages"][1]["content"])


def find(folder: Path, rows: Sequence[Row], **held_out: Sequence[Row]) -> list[Finding]:
    return list(check(folder, rows, rules=OTHERS_OFF, **held_out).findings)


LONGER = {
    "messages": [
        *chat("Hello", "Hi")["messages"],
        *TEST[3]["messages"],
        *chat("Thanks", "You are welcome")["messages"],
    ]
}
LEAKS = {
    "the same row": (TEST[0], "leaked_row"),
    "white space": (chat(f" {asked(TEST[1])}\n", answered(TEST[1])), "leaked_row"),
    "another answer": (chat(asked(TEST[2]), "no idea"), "leaked_row"),
    "a turn of many": (LONGER, "leaked_row"),
    "upper case": (chat(asked(TEST[4]).upper() + "!", answered(TEST[4])), "leaked_row"),
    "within a longer text": (
        chat(f"{write(7_000, 50)}: {asked(TEST[5])} {write(7_001, 30)}", write(7_002, 30)),
        "leaked_row",
    ),
    "two words changed": (chat(change(asked(TEST[6]), 0, 39), "no"), "near_leaked_row"),
    "most of the question": (
        chat(f"{write(7_003, 50)} " + " ".join(asked(TEST[7]).split()[:36]), "no"),
        "near_leaked_row",
    ),
    "a passage of the question": (
        chat(f"{write(7_004, 50)} " + " ".join(asked(TEST[8]).split()[9:24]), "no"),
        "overlapping_text",
    ),
    "a passage of the answer": (
        chat(write(7_005, 30), " ".join(answered(TEST[9]).split()[2:16])),
        "overlapping_text",
    ),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_leak_is_found_in_its_row(tmp_path: Path, kind: str) -> None:
    row, rule = LEAKS[kind]
    found = find(tmp_path, [*TRAIN, row], test=TEST)
    assert [(one.line, one.rule) for one in found] == [(61, rule)]
    wanted = list(LEAKS).index(kind) + 1
    assert found[0].related[0].endswith(f"test.jsonl:{wanted}")
    assert found[0].related[0] in found[0].evidence
    if rule == "overlapping_text":
        assert found[0].span is not None
        number = int(found[0].span.path[9])
        text = row["messages"][number]["content"]
        assert text[found[0].span.start : found[0].span.end] == found[0].span.text
        assert found[0].span.text in asked(TEST[wanted - 1]) + answered(TEST[wanted - 1])


COMMON = write(8_000, 30)
BENIGN = {
    "a passage of twelve words": chat(" ".join(asked(TEST[0]).split()[:12]), "no"),
    "a short prompt with another answer": chat("What is it?", "Something else."),
    "words in another order": chat(" ".join(sorted(asked(TEST[1]).split())), "no"),
    "half of the words changed": chat(change(asked(TEST[2]), *range(0, 40, 2)), "no"),
    "the system prompt alone": {
        "messages": [
            {"role": "system", "content": asked(TEST[3])},
            *chat("hi", "hello")["messages"],
        ]
    },
}


@pytest.mark.parametrize("kind", BENIGN)
def test_what_looks_alike_is_no_leak(tmp_path: Path, kind: str) -> None:
    held_out = [*TEST, chat("What is it?", "Something.")]
    assert not find(tmp_path, [*TRAIN, BENIGN[kind]], test=held_out)


def test_a_manner_of_speaking_is_no_leak(tmp_path: Path) -> None:
    """One instruction stands before every text, in training and test rows alike."""
    rows = [chat(f"{COMMON} {write(seed, 25)}", f"label {seed % 2}") for seed in range(400)]
    held_out = [chat(f"{COMMON} {write(seed, 25)}", "label 1") for seed in range(900, 950)]
    assert not find(tmp_path, rows, test=held_out)
    leaked = chat(f"{COMMON} {change(write(917, 25), 24)}", "label 0")
    found = find(tmp_path, [*rows, leaked], test=held_out)
    assert [(one.line, one.rule) for one in found] == [(401, "near_leaked_row")]
    assert found[0].related[0].endswith("test.jsonl:18")


def test_all_parts_that_are_not_trained_on_are_looked_at(tmp_path: Path) -> None:
    parts = {"validation": TEST[:5], "test": TEST[5:10], "suite_own": TEST[10:]}
    found = find(tmp_path, [*TRAIN, TEST[2], TEST[7], TEST[12]], **parts)
    names = [one.related[0].rsplit("/", 1)[-1] for one in found]
    assert names == ["validation.jsonl:3", "test.jsonl:3", "suite_own.jsonl:3"]
    assert {one.part for one in found} == {"train"} and found[0].severity == "error"


def test_without_held_out_rows_it_is_not_measured(tmp_path: Path) -> None:
    checked = check(tmp_path, TRAIN, rules=OTHERS_OFF)
    assert set(checked.not_measured) == set(RULES)
    assert "--suite" in checked.not_measured["leaked_row"]


def test_rules_go_off_alone(tmp_path: Path) -> None:
    rows = [*TRAIN, *(row for row, _ in LEAKS.values())]
    off = {**OTHERS_OFF, "near_leaked_row": "off"}
    found = list(check(tmp_path, rows, rules=off, test=TEST).findings)
    assert [one.line - 60 for one in found] == [1, 2, 3, 4, 5, 6, 9, 10]


def test_a_fingerprint_finds_what_the_suite_finds_and_holds_no_text(tmp_path: Path) -> None:
    rows = [*TRAIN, *(row for row, _ in LEAKS.values())]
    by_text = find(tmp_path, rows, suite_own=TEST)
    suite = {"suite": [SourceConfig(path=str(tmp_path / "suite_own.jsonl"))]}
    path = tmp_path / "own.npz"
    assert make_fingerprint(cut_parts(suite, base_dir=tmp_path), path) == len(TEST)
    with np.load(path, allow_pickle=False) as packed:
        assert all(packed[name].dtype.kind in "iu" for name in packed.files)
    parts = {
        "train": [SourceConfig(path="train.jsonl")],
        "suite:own": [SourceConfig(path="own.npz")],
    }
    checked = check_parts(parts, base_dir=tmp_path, settings=settle(OTHERS_OFF))
    by_numbers = list(checked.findings)
    assert [(one.line, one.rule, one.span) for one in by_numbers] == [
        (one.line, one.rule, one.span) for one in by_text
    ]
    assert "row 1 of the fingerprint own (own.npz)" in by_numbers[0].evidence


def test_what_is_no_fingerprint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps(TRAIN[0]) + "\n")
    for content in (b"no", None):
        if content is None:
            np.savez(tmp_path / "own.npz", version=np.array(1))
        else:
            (tmp_path / "own.npz").write_bytes(content)
        parts = {
            "train": [SourceConfig(path="train.jsonl")],
            "suite:own": [SourceConfig(path="own.npz")],
        }
        with pytest.raises(DataError, match="assay data fingerprint"):
            check_parts(parts, base_dir=tmp_path, settings=settle(OTHERS_OFF))


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for rule, option, value in (
        ("leaked_row", "words", 12),
        ("near_leaked_row", "threshold", 2),
        ("overlapping_text", "words", 3),
    ):
        with pytest.raises(DataError, match=rf"{rule}\.{option}"):
            check(tmp_path, TRAIN, rules={**OTHERS_OFF, rule: {option: value}}, test=TEST)


def test_groups_leak_too(tmp_path: Path) -> None:
    for name, rows in {"train": TRAIN[:3], "test": TEST[:3]}.items():
        lines = [
            json.dumps({**row, "by": "anna" if at == 1 else f"{name}{at}"}) + "\n"
            for at, row in enumerate(rows)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    parts = {name: [SourceConfig(path=f"{name}.jsonl")] for name in ("train", "test")}
    checked = check_parts(parts, base_dir=tmp_path, settings=settle(OTHERS_OFF), group_by="by")
    (found,) = checked.findings
    assert (found.line, found.rule) == (2, "leaked_row") and "the same group" in found.evidence


@pytest.mark.parametrize(
    ("num_rows", "limit"), [(1, 5), (100, 5), (500, 25), (1_000, 50), (10_000, 50), (10**6, 5_000)]
)
def test_how_many_rows_make_a_manner_of_speaking(num_rows: int, limit: float) -> None:
    assert count_common(num_rows) == limit


def test_postings_name_each_place_once() -> None:
    postings = Postings.build(np.array([5, 3, 5, 5]), np.array([1, 0, 0, 1]))
    assert postings.values.tolist() == [3, 5] and postings.counts.tolist() == [1, 2]
    positions, at = postings.look_up(np.array([9, 5, 3, 4]))
    assert positions.tolist() == [1, 2] and at.tolist() == [1, 0]
    rows, places = postings.expand(np.array([70, 80]), at, most=8)
    assert list(zip(rows.tolist(), places.tolist(), strict=True)) == [(70, 0), (70, 1), (80, 0)]
    rows, places = postings.expand(np.array([70, 80]), at, most=1)
    assert list(zip(rows.tolist(), places.tolist(), strict=True)) == [(70, 0), (80, 0)]


def test_the_most_alike_are_compared() -> None:
    shared = [*range(MAX_PARTNERS + 2), *range(2, MAX_PARTNERS + 2)]
    pairs = np.array([(1 << 32) | place for place in shared])
    rows, places = choose_partners(pairs, np.ones(len(pairs)))
    assert rows.tolist() == [1] * MAX_PARTNERS
    assert places.tolist() == list(range(2, MAX_PARTNERS + 2))
    rows, places = choose_partners(pairs, np.ones(len(pairs)), sure=1.0)
    assert sorted(places.tolist()) == list(range(MAX_PARTNERS + 2))
