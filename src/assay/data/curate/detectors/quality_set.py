"""What a set is made of: topics, balance of labels, how varied its rows are.

Words tell it where there is no model; where there is one, its hidden states do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from assay.data.curate.answers import read_label
from assay.data.curate.asked_rows import draw_rows, read_dialogue, sketch_numbers
from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Detector, Evidence
from assay.data.curate.finding import Hit, Insight, Rule
from assay.data.curate.settings import Settings
from assay.data.curate.topics import Points, Topic, embed_words, find_topics, measure_variety

THIN_TOPIC = Rule(
    "thin_topic",
    "quality",
    "info",
    "keep",
    "A topic with very few of the rows: little is learned of it, and little can be measured.",
    options={"max_share": 0.03, "rows": 2_000, "rows_with_base": 600},
)
CLASS_IMBALANCE = Rule(
    "class_imbalance",
    "quality",
    "info",
    "keep",
    "A label of a closed set that is far rarer than the most frequent one: the model will seldom "
    "give it.",
    options={"ratio": 20.0},
)
LOW_DIVERSITY = Rule(
    "low_diversity",
    "quality",
    "info",
    "keep",
    "Most rows have another that says nearly the same: fewer of them would teach as much.",
    options={"min_share": 0.5},
)
_MIN_ROWS = 40
_MIN_LABEL_ROWS = 5
_MIN_LABEL_SHARE = 0.2
_MAX_LABELS = 50


def survey(evidence: Evidence, settings: Settings) -> Iterator[Hit | Insight]:
    """The three rules' hits on a sample of the training rows, and what they were told from."""
    most = settings.option(THIN_TOPIC.name, "rows")
    if evidence.given.embed is not None:
        most = min(most, settings.option(THIN_TOPIC.name, "rows_with_base"))
    rows, total = draw_rows(evidence, most)
    if len(rows) < _MIN_ROWS:
        return
    texts = [read_dialogue(row) for row in rows]
    points = _embed(evidence, rows, texts)
    told_by = "words" if evidence.given.embed is None else "hidden states"
    yield from _tell_topics(find_topics(points, texts), rows, total, told_by, evidence, settings)
    variety = {**measure_variety(points), "rows": len(rows), "by": told_by}
    yield Insight("diversity", variety)
    if variety["redundant"] >= settings.option(LOW_DIVERSITY.name, "min_share"):
        told = (
            f"{variety['redundant']:.0%} of {len(rows)} rows have another that is nearly the same"
        )
        yield Hit(rows[0].number, LOW_DIVERSITY.name, f"{told}, by their {told_by}")
    yield from _tell_balance(rows, settings)


def _embed(evidence: Evidence, rows: Sequence[CheckedRow], texts: Sequence[str]) -> Points:
    if evidence.given.embed is None:
        return embed_words(texts)
    return evidence.given.embed([row.record for row in rows])


def _tell_topics(
    topics: Sequence[Topic],
    rows: Sequence[CheckedRow],
    total: int,
    told_by: str,
    evidence: Evidence,
    settings: Settings,
) -> Iterator[Hit | Insight]:
    described = []
    for topic in topics:
        share, first = len(topic.members) / len(rows), rows[topic.members[0]]
        described.append(
            {
                "terms": list(topic.terms),
                "share": round(share, 4),
                "rows": round(share * total),
                "example": evidence.place(first.number),
            }
        )
        if share <= settings.option(THIN_TOPIC.name, "max_share"):
            told = f"{', '.join(topic.terms) or 'a topic without a word of its own'}: "
            told += f"about {round(share * total)} of {total} rows"
            yield Hit(first.number, THIN_TOPIC.name, told)
    yield Insight("topics", {"by": told_by, "sampled": len(rows), "topics": described})


def _tell_balance(rows: Sequence[CheckedRow], settings: Settings) -> Iterator[Hit | Insight]:
    """Counts of labels where a fifth of the rows or more have one of a closed set."""
    labels = [read_label(row.record.messages[-1]) for row in rows]
    counts = Counter(label for label in labels if label)
    closed = [(label, n) for label, n in counts.most_common(_MAX_LABELS) if n >= _MIN_LABEL_ROWS]
    known = dict(closed)
    covered = sum(known.values())
    if len(known) < 2 or covered < _MIN_LABEL_SHARE * len(rows):
        return
    # What is a label but recurs too seldom to be told from an ordinary short answer is left out,
    # unless nearly all answers are labels.
    if covered >= 0.9 * len(rows):
        known = dict(counts.most_common(_MAX_LABELS))
    yield Insight("balance", {"sampled": len(rows), "labels": known})
    (most, largest), ratio = (
        next(iter(known.items())),
        settings.option(CLASS_IMBALANCE.name, "ratio"),
    )
    for label, count in known.items():
        if largest >= ratio * count:
            place = labels.index(label)
            told = f"{label!r} in {count} of {len(rows)} rows, {most!r} in {largest}"
            yield Hit(rows[place].number, CLASS_IMBALANCE.name, told)


DETECTORS = (
    Detector(
        "quality_set",
        (THIN_TOPIC, CLASS_IMBALANCE, LOW_DIVERSITY),
        sketch=sketch_numbers,
        conclude=survey,
        takes=("embed",),
    ),
)
