"""Near duplicates: words as numbers, bands, and what is told apart in spite of a template."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from checking import Row, chat, check
from hypothesis import given
from hypothesis import strategies as st

from assay.data.curate import Finding, list_rules
from assay.data.curate.bands import NUM_BANDS, BandPlan, compute_bands, find_pairs
from assay.data.curate.words import (
    NOTHING,
    choose_prints,
    drop_nothing,
    hash_sequences,
    hash_words,
)
from assay.errors import DataError

OTHERS_OFF = {name: "off" for name in list_rules() if name != "near_duplicate"}
SOME_TEXT = st.text(st.sampled_from("abAB zß9é\u0301-_.\n日本ไท🙂Ωω"), max_size=30)


def list_words(text: str) -> list[str]:
    """Words by Python's own rules, of the letters that the tests use."""
    found = re.findall("[日本ไท🙂]|[a-zA-Z9ßéΩω\u0301]+", text)
    return [word.lower() for word in found]


@given(st.lists(SOME_TEXT))
def test_equal_words_are_equal_numbers(texts: list[str]) -> None:
    words = hash_words(texts)
    expected = [list_words(text) for text in texts]
    assert np.diff(words.text_starts).tolist() == [len(own) for own in expected]
    flat = [word for own in expected for word in own]
    numbers = dict(zip(flat, words.hashes.tolist(), strict=True))
    assert [numbers[word] for word in flat] == words.hashes.tolist()
    assert len(set(numbers.values())) == len(numbers)
    texts_of = np.repeat(np.arange(len(texts)), np.diff(words.text_starts))
    for text, start, end, word in zip(texts_of, words.starts, words.ends, flat, strict=True):
        assert texts[text][start:end].lower() == word


@given(st.lists(st.lists(st.integers(0, 3), max_size=9), max_size=5), st.integers(1, 4))
def test_sequences_stay_within_their_group(groups: list[list[int]], length: int) -> None:
    flat = np.array([one for group in groups for one in group], np.uint64)
    starts = np.append(0, np.cumsum([len(group) for group in groups])).astype(np.int64)
    found, bounds = drop_nothing(hash_sequences(flat, starts, length), starts)
    expected = [
        tuple(group[at : at + length]) for group in groups for at in range(len(group) - length + 1)
    ]
    assert len(found) == len(expected)
    known = dict(zip(expected, found.tolist(), strict=True))
    assert [known[one] for one in expected] == found.tolist()
    assert len(set(known.values())) == len(known)
    assert np.diff(bounds).tolist() == [max(0, len(group) - length + 1) for group in groups]


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(2, 6), st.data())
def test_every_window_has_a_print(values: list[int], window: int, data: st.DataObject) -> None:
    sequences = np.array(values, np.uint64)
    chosen = choose_prints(sequences, window)
    for start in range(len(values) - window + 1):
        part = sequences[start : start + window]
        least = np.flatnonzero(part == part.min()) + start
        assert chosen[least].all()
    around = data.draw(st.lists(st.integers(0, 30), max_size=9))
    other = np.array([*around, *values], np.uint64)
    if len(values) >= window:
        shared = set(sequences[chosen]) & set(other[choose_prints(other, window)])
        assert shared


def test_nothing_is_never_a_print() -> None:
    sequences = np.array([NOTHING, 5, NOTHING], np.uint64)
    assert choose_prints(sequences, 4).tolist() == [False, True, False]


@pytest.mark.parametrize(("threshold", "num_values"), [(0.8, 6), (0.5, 2), (0.95, 16), (0.3, 1)])
def test_bands_find_pairs_right_at_the_threshold(threshold: float, num_values: int) -> None:
    assert BandPlan(threshold).num_values == num_values
    random_numbers = np.random.default_rng(1)
    size = 200
    shared = round(2 * size * threshold / (1 + threshold))
    numbers = random_numbers.integers(0, 2**63, (200, 2 * size - shared), np.uint64)
    pairs = np.concatenate([numbers[:, :size], numbers[:, -size:]], axis=1)
    starts = np.arange(0, pairs.size + 1, size, dtype=np.int64)
    bands = compute_bands(pairs.reshape(-1), starts, BandPlan(threshold)).reshape(-1, 2, NUM_BANDS)
    found = (bands[:, 0] == bands[:, 1]).any(axis=1).mean()
    assert found > 0.96  # 200 draws: three standard errors below 0.985


def test_a_bucket_costs_no_more_than_its_size() -> None:
    bands = np.zeros((50, 1), np.uint32)
    pairs, crowded = find_pairs(bands, max_bucket=50)
    assert len(pairs) < 50 * 5 and not len(crowded)
    assert {tuple(one) for one in pairs.tolist()} >= {(0, 49), (48, 49), (46, 49)}
    pairs, crowded = find_pairs(bands, max_bucket=49)
    assert not len(pairs) and crowded.tolist() == list(range(50))


def find_near(folder: Path, rows: list[Row], **options: object) -> list[Finding]:
    rules = {**OTHERS_OFF, "near_duplicate": options} if options else OTHERS_OFF
    return list(check(folder, rows, rules=rules).findings)


def write(seed: int, num_words: int) -> list[str]:
    return [f"w{one}" for one in random.Random(seed).choices(range(9_000), k=num_words)]


def test_rows_with_a_few_words_changed_are_found_and_the_first_is_kept(tmp_path: Path) -> None:
    rows = [chat(" ".join(write(seed, 60)), " ".join(write(seed + 500, 60))) for seed in range(40)]
    text = write(3, 60)
    changed = " ".join([*text[:30], "other", *text[31:]])
    shorter = " ".join(text[:-2]).upper().replace(" ", " - ")
    answer = rows[3]["messages"][1]["content"]
    rows += [chat(changed, answer), chat(shorter, answer)]
    found = find_near(tmp_path, rows)
    assert [one.line for one in found] == [41, 42]
    assert all(one.related[0].endswith(":4") for one in found)
    assert len({one.cluster for one in found}) == 1 and found[0].fix == "drop"
    assert "% of its 3-word sequences" in found[0].evidence


def test_copies_are_not_near_duplicates_too(tmp_path: Path) -> None:
    row = chat(" ".join(write(1, 60)), "yes")
    assert not find_near(tmp_path, [row, row, row])


def test_rows_that_share_less_than_the_threshold_are_not_found(tmp_path: Path) -> None:
    text = write(1, 100)
    rows = [chat(" ".join(text), "yes"), chat(" ".join(text[:60] + write(2, 40)), "yes")]
    assert not find_near(tmp_path, rows)
    assert find_near(tmp_path, rows, threshold=0.35)


def test_what_is_asked_in_one_template_is_told_apart(tmp_path: Path) -> None:
    frame = " ".join(write(1, 80))
    rows = [
        chat(f"{frame} {' '.join(write(seed, 40))}", f"label {seed % 3}") for seed in range(5, 205)
    ]
    assert not find_near(tmp_path, rows)
    inner = write(17, 40)
    # Of the 43 sequences that are its own, 40 are those of the other row.
    rows.append(chat(f"{frame} {' '.join(inner)} too", "label 2"))
    found = find_near(tmp_path, rows)
    assert [one.line for one in found] == [201]
    assert found[0].related[0].endswith(":13")


def test_languages_without_spaces_are_compared_by_characters(tmp_path: Path) -> None:
    text = "東京都は日本の首都であり世界最大級の都市圏を形成している都市であると言われる"
    rows = [
        chat(text, "はい"),
        chat(text.replace("最大", "有数"), "はい"),
        chat("京都は古い", "はい"),
    ]
    assert [one.line for one in find_near(tmp_path, rows, threshold=0.7)] == [2]


def test_rows_of_few_words_or_none_are_let_be(tmp_path: Path) -> None:
    assert not find_near(
        tmp_path, [chat("!", "?"), chat("!!", "?"), chat("a", "b"), chat("a", "c")]
    )


@pytest.mark.parametrize(("option", "value"), [("threshold", 1.5), ("threshold", 0), ("ngram", 0)])
def test_options_that_make_no_sense_are_refused(tmp_path: Path, option: str, value: float) -> None:
    with pytest.raises(DataError, match=rf"near_duplicate\.{option}"):
        find_near(tmp_path, [chat("a", "b")], **{option: value})
