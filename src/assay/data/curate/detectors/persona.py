"""What an assistant's answers would teach it to be: refusals, compliance with harm, abuse, advice.

The patterns are weak signals and never more than noted; the shares over the set say more than any
row. Projections on persona vectors are the business of `persona_traits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from assay.data.curate.batch import Batch, Text
from assay.data.curate.conduct import (
    ADVICE,
    DISAPPROVAL,
    DOMAINS,
    HARASSMENT,
    HARMFUL_REQUEST,
    PROFANITY,
    REFUSAL,
)
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Insight, Rule
from assay.data.curate.passages import ANSWERS, find_question, mark, message_index
from assay.data.curate.settings import Settings

OVER_REFUSAL = Rule(
    "refusal_of_harmless",
    "persona",
    "info",
    "keep",
    "An answer that refuses what sounds harmless: the model learns to refuse too much.",
)
UNSAFE_COMPLIANCE = Rule(
    "unsafe_compliance",
    "persona",
    "info",
    "keep",
    "An answer that does not refuse what sounds harmful: the model may learn to go along.",
)
PROFANE = Rule(
    "profanity", "persona", "info", "keep", "A strong swear word in an answer, by a small lexicon."
)
HARASSING = Rule(
    "harassment",
    "persona",
    "info",
    "keep",
    "An answer that insults or threatens whom it talks to, by a small lexicon.",
)
REGULATED_ADVICE = Rule(
    "regulated_advice",
    "persona",
    "info",
    "keep",
    "Medical, legal or financial advice, labelled so that it can be weighed or left out.",
    options={"min_terms": 3},
)
_KINDS = ("refused", "harmful", "complied", "profane", "harassing", *DOMAINS)


def scan_conduct(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """Hits of the rules that are on, at most one of each rule for an answer."""
    for text in _find_answers(batch, REFUSAL):
        asked = read_asked(text)
        if settings.is_on(OVER_REFUSAL.name) and asked and not is_harmful(asked):
            yield _tell(OVER_REFUSAL, text, REFUSAL, "refuses what sounds harmless")
    if settings.is_on(UNSAFE_COMPLIANCE.name):
        for text, told in _find_harmful(batch):
            if not _withstands(text):
                evidence = f"asked “{told}” and did not refuse"
                yield Hit(
                    text.row.number,
                    UNSAFE_COMPLIANCE.name,
                    evidence,
                    mark(text, 0, min(80, len(text.text))),
                )
    for rule, pattern, told in (
        (PROFANE, PROFANITY, "a swear word"),
        (HARASSING, HARASSMENT, "an insult or a threat"),
    ):
        if settings.is_on(rule.name):
            for text in _find_answers(batch, pattern):
                yield _tell(rule, text, pattern, told)
    if settings.is_on(REGULATED_ADVICE.name):
        yield from _find_advice(batch, settings)


def sketch_conduct(batch: Batch, settings: Settings) -> Sketch:
    """How many training answers there are, and how many of each kind (`_KINDS`), as two arrays."""
    answers = sum(1 for text in batch.texts if text.role in ANSWERS and text.row.part == "train")
    counts = dict.fromkeys(_KINDS, 0)
    asked = [text for text, _ in _find_harmful(batch) if text.row.part == "train"]
    counts["harmful"] = len(asked)
    counts["complied"] = sum(1 for text in asked if not _withstands(text))
    for kind, pattern in (("refused", REFUSAL), ("profane", PROFANITY), ("harassing", HARASSMENT)):
        found = _find_answers(batch, pattern)
        counts[kind] = sum(1 for text in found if text.row.part == "train")
    train = {row.number for row in batch.rows if row.part == "train"}
    for hit in _find_advice(batch, settings):
        if hit.number in train:
            counts[hit.cluster.removeprefix("advice ")] += 1
    return {"answers": np.array([answers]), "counts": np.array([counts[one] for one in _KINDS])}


def sum_conduct(evidence: Evidence, settings: Settings) -> Iterable[Hit | Insight]:
    """The set's answers by kind, as an insight."""
    sketches = list(evidence.sketches())
    if not sketches:
        return []
    total = int(sum(one["answers"].sum() for one in sketches))
    counts = np.sum([one["counts"] for one in sketches], axis=0).tolist()
    value = {"answers": total, **dict(zip(_KINDS, counts, strict=True))}
    return [Insight("conduct", value)]


def is_harmful(question: str) -> bool:
    """Whether a request sounds as if it were for harm."""
    return bool(_compile(HARMFUL_REQUEST).search(question))


def read_asked(text: Text) -> str:
    """All that the user said before an answer: a refusal may be of an earlier turn's request."""
    messages = text.row.record.messages[: message_index(text)]
    return "\n".join(str(one.get("content") or "") for one in messages if one["role"] == "user")


def _withstands(text: Text) -> bool:
    """Whether an answer refuses, or calls what is asked wrong."""
    return any(_compile(pattern).search(text.text) for pattern in (REFUSAL, DISAPPROVAL))


def _find_answers(batch: Batch, pattern: str) -> list[Text]:
    return [text for text in batch.matching(pattern) if _is_answer(text)]


def _is_answer(text: Text) -> bool:
    return text.role in ANSWERS and text.path.endswith(".content")


def _find_harmful(batch: Batch) -> list[tuple[Text, str]]:
    """Answers to a user's turn that sounds harmful, with what sounds so."""
    asked = {
        (text.row.number, message_index(text)): text
        for text in batch.matching(HARMFUL_REQUEST)
        if text.role == "user"
    }
    if not asked:
        return []
    found = []
    for text in batch.texts:
        before = asked.get((text.row.number, message_index(text) - 1))
        match = before and _is_answer(text) and _compile(HARMFUL_REQUEST).search(before.text)
        if match:
            found.append((text, match[0]))
    return found


def _find_advice(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """Answers with advice and enough different terms of a domain, their question counted too."""
    min_terms = settings.option(REGULATED_ADVICE.name, "min_terms")
    for domain, pattern in DOMAINS.items():
        for text in _find_answers(batch, pattern):
            advice = ADVICE.search(text.text)
            if advice is None:
                continue
            both = f"{find_question(text.row, message_index(text))}\n{text.text}"
            terms = sorted({one.lower() for one in _compile(pattern).findall(both)})
            if len(terms) >= min_terms:
                told = f"{domain} advice: {', '.join(terms[:5])}"
                span = mark(text, *advice.span())
                name = REGULATED_ADVICE.name
                yield Hit(text.row.number, name, told, span, cluster=f"advice {domain}")


def _tell(rule: Rule, text: Text, pattern: str, told: str) -> Hit:
    found = _compile(pattern).search(text.text)
    start, end = found.span() if found else (0, 0)
    return Hit(text.row.number, rule.name, told, mark(text, start, end))


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


DETECTORS = (
    Detector(
        "persona",
        (OVER_REFUSAL, UNSAFE_COMPLIANCE, PROFANE, HARASSING, REGULATED_ADVICE),
        scan=scan_conduct,
        sketch=sketch_conduct,
        conclude=sum_conduct,
    ),
)
