"""Grader `repetition`: a penalty for a text that says the same again."""

from __future__ import annotations

from assay.graders.grade import EachGrader, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.pattern import OUTPUT
from assay.graders.spec import SpecReader
from assay.graders.template import render_template


def build_repetition(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `ngram` (4, in words) and `input`; the reward is −`compute_repetition`, in [−1, 0].

    To be added to another reward, such as ``right + 0.5 * repetition``.
    """
    text = spec.read_template("input", OUTPUT)
    size = int(spec.read_number("ngram", 4, low=1, high=100))

    def score(sample: Sample, item: Item) -> float:
        return -compute_repetition(render_template(text, sample, item), size=size)

    return EachGrader(name, score)


def compute_repetition(text: str, *, size: int = 4) -> float:
    """The share of a text's runs of `size` words that stood there before, in [0, 1).

    As the repetition penalty of Yeo et al. 2025 ("Demystifying Long Chain-of-Thought Reasoning",
    §4.2) counts n-grams, of the whole text at once.
    """
    words = text.lower().split()
    runs = [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]
    return 1.0 - len(set(runs)) / len(runs) if runs else 0.0
