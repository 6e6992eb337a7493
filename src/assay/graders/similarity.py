"""Grader `text_similarity`: how like a reference a text is, by a named metric.

The metrics are those of the packages that are known for them (RapidFuzz, NLTK, rouge-score; extra
`graders`), except `cosine`, which compares embeddings of an endpoint. None downloads anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from assay.errors import GenerationError
from assay.generate.remote import RemoteModel
from assay.graders.grade import EachGrader, Grade, GradeFailure, Grader, Item, Sample, check_reward
from assay.graders.grade import fail as fail_grade
from assay.graders.models import Models
from assay.graders.spec import SpecReader
from assay.graders.template import Template, render_template

Metric = Callable[[str, str], float]

ROUGE = {**{f"rouge_{n}": f"rouge{n}" for n in range(1, 6)}, "rouge_l": "rougeL"}
METRICS = ("fuzzy_match", "bleu", "gleu", "meteor", "cosine", *ROUGE)
_NEEDS = {"fuzzy_match": "rapidfuzz", "bleu": "nltk", "gleu": "nltk", "meteor": "nltk"}
MAX_CHARS = 100_000
"""Of a text that is compared: METEOR and ROUGE-L take time by the product of the lengths."""


def build_text_similarity(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `input`, `reference` (templates) and `evaluation_metric`.

    With `cosine` also `model`: the embedding model, served where `models` says or at `url` (with
    `key_env` and `hosts`). All metrics are in [0, 1] but for `cosine`, which is in [−1, 1].
    """
    text, reference = spec.read_template("input"), spec.read_template("reference")
    metric = spec.read_text("evaluation_metric", choices=METRICS)
    if metric == "cosine":
        return CosineGrader(name, text, reference, models.open_embedder(spec))
    compute = _load(spec, metric)

    def score(sample: Sample, item: Item) -> float:
        texts = [render_template(one, sample, item) for one in (text, reference)]
        if max(map(len, texts)) > MAX_CHARS:
            detail = f"a text of more than {MAX_CHARS:,} characters"
            raise GradeFailure("truncated_observation_error", detail)
        return compute(*texts)

    return EachGrader(name, score)


@dataclass(frozen=True)
class CosineGrader:
    """The cosine of two texts' embeddings; each batch is embedded by few requests."""

    name: str
    text: Template
    reference: Template
    model: RemoteModel | None

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        grades: list[Grade | None] = []
        texts: list[str] = []
        for sample, item in zip(samples, items, strict=True):
            try:
                texts += [render_template(one, sample, item) for one in (self.text, self.reference)]
                grades.append(None)
            except GradeFailure as failure:
                grades.append(fail_grade(failure.error, failure.detail))
        assert self.model is not None
        try:
            vectors = iter(self.model.embed(texts) if texts else ())
        except GenerationError as error:
            failed = fail_grade("model_grader_server_error", str(error))
            return [grade or failed for grade in grades]
        return [
            grade or check_reward(Grade(compute_cosine(next(vectors), next(vectors))))
            for grade in grades
        ]


def compute_cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """The cosine of the angle between two vectors; 0 where one of them is 0."""
    product = math.fsum(x * y for x, y in zip(a, b, strict=True))
    norm = math.hypot(*a) * math.hypot(*b)
    return product / norm if norm else 0.0


def _load(spec: SpecReader, metric: str) -> Metric:
    package = _NEEDS.get(metric, "rouge_score")
    try:
        import_module(package)
    except ImportError:
        do = f"pip install {package.replace('_', '-')}"
        spec.note("evaluation_metric", f"{metric} without the package {package}", do=do)
        return lambda text, reference: 0.0
    return _build_rouge(ROUGE[metric]) if metric in ROUGE else _METRICS[metric]()


def _build_fuzzy_match() -> Metric:
    from rapidfuzz import fuzz

    return lambda text, reference: fuzz.ratio(text, reference) / 100


def _build_bleu() -> Metric:
    """BLEU of one sentence (Papineni et al. 2002), n-grams up to 4 or the shorter text's length.

    N-gram orders without a match count as 1/2, 1/4, … of one (NIST's smoothing), as elsewhere.
    """
    from nltk.tokenize import wordpunct_tokenize
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method3

    def compute(text: str, reference: str) -> float:
        said, wanted = wordpunct_tokenize(text), wordpunct_tokenize(reference)
        order = min(4, len(said), len(wanted))
        if not order or not set(said) & set(wanted):
            return float(said == wanted)
        weights = [1 / order] * order
        return float(sentence_bleu([wanted], said, weights=weights, smoothing_function=smooth))

    return compute


def _build_gleu() -> Metric:
    """Google's BLEU (Wu et al. 2016): the lesser of precision and recall, n-grams 1 to 4."""
    from nltk.tokenize import wordpunct_tokenize
    from nltk.translate.gleu_score import sentence_gleu

    def compute(text: str, reference: str) -> float:
        said, wanted = wordpunct_tokenize(text), wordpunct_tokenize(reference)
        if not said or not wanted:
            return float(said == wanted)
        return float(sentence_gleu([wanted], said))

    return compute


class _NoSynonyms:
    """Stands in for WordNet, which is a download: no word has another of the same sense."""

    def synsets(self, word: str) -> list[Any]:
        return []


def _build_meteor() -> Metric:
    """METEOR (Banerjee and Lavie 2005) by exact words and Porter stems, without synonyms."""
    from nltk.tokenize import wordpunct_tokenize
    from nltk.translate.meteor_score import single_meteor_score

    def compute(text: str, reference: str) -> float:
        said, wanted = wordpunct_tokenize(text), wordpunct_tokenize(reference)
        if not said or not wanted:
            return float(said == wanted)
        return float(single_meteor_score(wanted, said, wordnet=_NoSynonyms()))

    return compute


def _build_rouge(kind: str) -> Metric:
    """The F-measure of ROUGE-N or ROUGE-L (Lin 2004), on letters and digits in any script."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer([kind], tokenizer=_Words())
    return lambda text, reference: float(scorer.score(reference, text)[kind].fmeasure)


class _Words:
    """Words in lower case; the package's own tokenizer knows ASCII alone."""

    def tokenize(self, text: str) -> list[str]:
        from nltk.tokenize import wordpunct_tokenize

        return [word for word in wordpunct_tokenize(text.lower()) if word[0].isalnum()]


_METRICS: dict[str, Callable[[], Metric]] = {
    "fuzzy_match": _build_fuzzy_match,
    "bleu": _build_bleu,
    "gleu": _build_gleu,
    "meteor": _build_meteor,
}
