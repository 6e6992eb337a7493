"""Near duplicates against brute force: exact likeness, the frame that is left out, and stock."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from checking import Row, chat, check
from hypothesis import given
from hypothesis import strategies as st

from assay.data.curate import Finding, list_rules
from assay.data.curate.frames import Frames
from assay.data.curate.near_pairs import compare

OTHERS_OFF = {name: "off" for name in list_rules() if name != "near_duplicate"}
SETS = st.lists(st.frozensets(st.integers(0, 12)), min_size=1, max_size=20)


def to_array(numbers: frozenset[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(sorted(numbers), np.uint64)


def find_frame(own: frozenset[int], rows: Sequence[frozenset[int]], share: float) -> set[int]:
    """The frame by its definition: the most common members that enough rows hold together."""
    least = share * len(rows)
    counts = {one: sum(one in row for row in rows) for one in own}
    frame: set[int] = set()
    for one in sorted(own, key=lambda one: (-counts[one], one)):
        wider = {*frame, one}
        if counts[one] < least or sum(wider <= row for row in rows) < least:
            return frame
        frame = wider
    return frame


@given(SETS, st.frozensets(st.integers(0, 12)), st.sampled_from([0.05, 0.3, 0.7, 1.0]))
def test_a_frame_is_what_enough_rows_hold_together(
    rows: list[frozenset[int]], own: frozenset[int], share: float
) -> None:
    found = Frames.learn([to_array(row) for row in rows], share).find(to_array(own))
    assert set(found.tolist()) == find_frame(own, rows, share)


@given(SETS, st.data(), st.sampled_from([0.3, 0.6, 0.8]))
def test_likeness_is_the_share_of_what_either_holds(
    rows: list[frozenset[int]], data: st.DataObject, threshold: float
) -> None:
    one, two = data.draw(st.sampled_from(rows)), data.draw(st.sampled_from(rows))
    frames = Frames.learn([to_array(row) for row in rows], 0.5)
    found = compare(to_array(one), to_array(two), frames, threshold=threshold)
    frame = find_frame(one & two, rows, 0.5)
    if frame in (one, two):
        frame = set()
    shared, either = len((one & two) - frame), len((one | two) - frame)
    likeness = shared / max(1, either)
    assert (found is not None) == (likeness >= threshold)
    assert found is None or found.share == pytest.approx(likeness)


def list_sequences(row: Row) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", " ".join(one["content"] for one in row["messages"]))
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


def measure(one: Row, two: Row) -> float:
    own, other = list_sequences(one), list_sequences(two)
    return len(own & other) / len(own | other)


def find_near(folder: Path, rows: Sequence[Row]) -> list[Finding]:
    return list(check(folder, rows, rules=OTHERS_OFF).findings)


def edit(row: Row, draw: random.Random) -> Row:
    """The row with some of its words changed, and one left out now and then."""
    words = row["messages"][0]["content"].split()
    for _ in range(draw.randrange(1, 5)):
        words[draw.randrange(len(words))] = f"new{draw.randrange(10**6)}"
    if draw.random() < 0.3:
        del words[draw.randrange(len(words))]
    return chat(" ".join(words), row["messages"][1]["content"])


def read_lines(found: Finding) -> tuple[int, int, int]:
    """Of a finding the row's line, that of the row it is compared with, and the percentage."""
    told = re.match(r"(\d+)% .* of \S+:(\d+) stand", found.evidence)
    assert told is not None
    return found.line, int(told[2]), int(told[1])


@pytest.mark.parametrize("seed", range(3))
def test_all_pairs_by_brute_force_are_the_clusters_that_are_found(
    tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    rows: list[Row] = []
    for _ in range(60):
        words = [f"w{draw.randrange(9_000)}" for _ in range(70)]
        rows.append(chat(" ".join(words[:50]), " ".join(words[50:])))
    rows += [edit(draw.choice(rows), draw) for _ in range(90)]
    draw.shuffle(rows)
    clusters = list(range(len(rows)))
    for one, two in combinations(range(len(rows)), 2):
        if measure(rows[one], rows[two]) >= 0.8:
            low, high = sorted((clusters[one], clusters[two]))
            clusters = [low if own == high else own for own in clusters]
    found = find_near(tmp_path, rows)
    expected = {place + 1: first + 1 for place, first in enumerate(clusters) if place != first}
    assert len(expected) > 30
    assert {one.line: int(one.cluster.rsplit(":", 1)[1]) for one in found} == expected
    for line, other, share in map(read_lines, found):
        assert share == round(100 * measure(rows[line - 1], rows[other - 1]))


def test_rows_of_stock_sentences_are_judged_by_all_of_them(tmp_path: Path) -> None:
    """Every sentence stands in a sixth of the rows; no two rows are made of the same ones."""
    draw = random.Random(1)
    stock = [
        " ".join(f"s{number}x{draw.randrange(9_000)}" for _ in range(10)) for number in range(60)
    ]
    rows: list[Row] = [
        chat(". ".join(draw.sample(stock, 7)), ". ".join(draw.sample(stock, 3))) for _ in range(400)
    ]
    instruction = " ".join(f"i{number}" for number in range(60))
    rows = [
        chat(f"{instruction} {one['messages'][0]['content']}", one["messages"][1]["content"])
        for one in rows
    ]
    originals = draw.sample(range(400), 40)
    copies = [_change_end(rows[one], draw) for one in originals]
    found = find_near(tmp_path, [*rows, *copies])
    assert all(one.line > 400 for one in found)
    near = {
        401 + place
        for place, one in enumerate(originals)
        if _measure_apart(rows[one], copies[place], instruction) >= 0.82
    }
    assert len(near) >= 15
    assert near <= {one.line for one in found}
    assert all("apart from what many rows hold alike" in one.evidence for one in found)


def _change_end(row: Row, draw: random.Random) -> Row:
    """One to five of about 100 words changed: 0.74 to 0.94 alike but for the instruction."""
    words = row["messages"][0]["content"].split()
    for _ in range(draw.randrange(1, 6)):
        words[draw.randrange(60, len(words))] = f"new{draw.randrange(10**6)}"
    return chat(" ".join(words), row["messages"][1]["content"])


def _measure_apart(one: Row, two: Row, instruction: str) -> float:
    frame = list_sequences(chat(instruction, ""))
    own, other = list_sequences(one) - frame, list_sequences(two) - frame
    return len(own & other) / len(own | other)
