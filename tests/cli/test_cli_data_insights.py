"""What a check tells of the whole set, on the terminal, and what `--deep` asks for."""

from __future__ import annotations

import pytest

from assay.cli.data_asked import read_given
from assay.cli.data_insights import render_insights
from assay.errors import UsageError


def test_each_insight_is_a_line() -> None:
    topics = [{"terms": ["oven", "dough"], "share": 0.75}, {"terms": [], "share": 0.25}]
    decile = {"mean": 2.5}
    told = render_insights(
        {
            "topics": {"topics": topics},
            "diversity": {"effective_rows": 12.4, "rows": 1200, "by": "words"},
            "losses": {
                "base": decile,
                "tuned_on_others": {"mean": 0.5},
                "sampled": 300,
                "rows": 2000,
            },
            "label_next": [{"place": "a.jsonl:3"}],
        }
    )
    assert told == [
        "the set",
        "   75.0%  oven, dough",
        "   25.0%  no word of its own",
        "  as varied as 12 of 1,200 rows without likeness, by words",
        "  loss of the base 2.50 nats a token, 0.50 tuned on the other rows (300 of 2,000 rows)",
        "  worth labelling more of: a.jsonl:3",
    ]


def test_nothing_told_is_nothing_shown() -> None:
    assert render_insights({}) == [] and render_insights({"conduct": {"answers": 3}}) == []


def test_deep_asks_for_a_base() -> None:
    with pytest.raises(UsageError, match="--deep"):
        read_given(None, deep=True)
    assert read_given(None) is None
