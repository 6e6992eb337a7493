"""Features that are counted in passes against counting them at once; styles of capitals."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.curate.case_styles import STYLES
from assay.data.curate.sparse_features import collect_features
from assay.data.curate.tokens import TokenList, Vocabulary, tokenize

ROWS = st.lists(st.lists(st.integers(0, 12), max_size=8), min_size=1, max_size=12)


@given(ROWS, st.integers(1, 3), st.integers(4, 9))
def test_passes_over_chunks_count_as_one_look_does(
    rows: list[list[int]], least: int, limit: int
) -> None:
    listed = TokenList()
    for row in rows:
        listed.add(np.array(row, np.int32), np.array([len(row)]))
    tokens = listed.view()

    def chunks():  # type: ignore[no-untyped-def]
        for first, ids, own in tokens.chunks():
            half = len(own) // 2 + len(own) % 2
            cut = int(np.searchsorted(own, own[half])) if half < len(own) else len(own)
            yield first, ids[:cut].astype(np.int64), own[:cut]
            yield first, ids[cut:].astype(np.int64), own[cut:]

    found = collect_features(chunks, len(rows), least=least, limit=lambda codes: limit)
    expected = defaultdict(set)
    for number, row in enumerate(rows):
        for code in row:
            expected[code].add(number)
    expected = {code: own for code, own in expected.items() if least <= len(own) < limit}
    grouped = defaultdict(list)
    for code in sorted(expected):
        grouped[frozenset(expected[code])].append(code)
    features = range(len(found))
    assert {frozenset(found.rows(one).tolist()): found.codes_of(one) for one in features} == grouped
    assert all((np.diff(found.rows(one)) > 0).all() for one in features)
    for number in range(len(rows)):
        own = {one for one in features if number in found.rows(one)}
        assert set(found.of_rows(np.array([number])).tolist()) == own


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("WHERE IS MY PARCEL NOW? 12 KG", "all-capitals"),
        ("Where Is My Parcel Now?", "capitals-of-each-word"),
        ("wHeRe iS mY pARcEL nOw?", "capitals-within-words"),
        ("where is my parcel now?", "no-capitals"),
        ("Where is my NASA mug now?", ""),
        ("HELP ME", ""),
        ("Straße oder Weg, wie ist das?", ""),
        ("我的包裹现在在哪里？", ""),
        ("12 + 30 = ?", ""),
        ("", ""),
    ],
)
def test_how_a_text_uses_capitals(text: str, style: str) -> None:
    vocabulary = Vocabulary()
    usual, before = tokenize([text], vocabulary)
    ids, lengths = tokenize(["So it is.", text], vocabulary, styled=[False, True])
    told = [vocabulary.tokens[one] for one in ids[4:]]
    assert lengths.tolist() == [4, int(before[0]) + bool(style)]
    assert [one for one in told if one in STYLES] == ([style] if style else [])
    plain = [one.lower() for one in told if one not in STYLES]
    assert plain == [vocabulary.tokens[one].lower() for one in usual]
    if style == "all-capitals":
        assert told[:-1] == plain
