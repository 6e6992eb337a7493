"""Names of persons anywhere in a text, by Presidio over a spaCy pipeline that lies on this machine.

Presidio would download a pipeline that is missing; here it is given one that is loaded already, and
no recogniser but that of names, so nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector, Given
from assay.data.curate.detectors.spans import report_span
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.settings import Settings

PERSON_NAME = Rule(
    "person_name",
    "privacy",
    "info",
    "mask",
    "A name of a person, by the optional recogniser and the spaCy pipeline that `model` names.",
    {"model": "", "min_score": 0.5},
    needs=("recogniser",),
)
_ROLES = ("system", "user", "assistant", "tool")
_FINDS_NAMES = ("ner", "entity_ruler", "span_ruler")


def find_names(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """Every name that the pipeline is sure of by `min_score`."""
    analyser, language = _load(settings.option(PERSON_NAME.name, "model"))
    least = settings.option(PERSON_NAME.name, "min_score")
    for text in batch.texts:
        if text.role not in _ROLES:
            continue
        found = analyser.analyze(text.text, language, entities=["PERSON"], score_threshold=least)
        for one in sorted(found, key=lambda result: result.start):
            span, shown = (one.start, one.end), text.text[one.start : one.end]
            evidence = f"a name, with score {one.score:.2f}"
            yield from report_span(text, PERSON_NAME.name, span, evidence, settings, shown=shown)


@lru_cache(maxsize=2)
def _load(model: str) -> tuple[Any, str]:
    """Presidio's analyser over the pipeline, and the pipeline's language."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    pipeline = spacy.load(model)
    engine = SpacyNlpEngine(models=[{"lang_code": pipeline.lang, "model_name": model}])
    engine.nlp = {pipeline.lang: pipeline}
    recogniser = SpacyRecognizer(supported_language=pipeline.lang, supported_entities=["PERSON"])
    registry = RecognizerRegistry([recogniser], supported_languages=[pipeline.lang])
    languages = [pipeline.lang]
    analyser = AnalyzerEngine(registry, engine, supported_languages=languages)
    return analyser, pipeline.lang


def _name_missing(given: Given, settings: Settings) -> str | None:
    model = settings.option(PERSON_NAME.name, "model")
    if not model:
        return "no spaCy pipeline is named (person_name.model)"
    if find_spec("presidio_analyzer") is None:
        return "the optional recogniser is not installed (the extra `pii`)"
    import spacy

    try:
        pipeline = spacy.load(model)
    except OSError:
        return f"no spaCy pipeline {model!r} is on this machine, and none is downloaded"
    if not set(_FINDS_NAMES) & set(pipeline.pipe_names):
        return f"the pipeline {model!r} finds no names: it has no {', '.join(_FINDS_NAMES)}"
    return None


DETECTORS = (Detector("recognised_names", (PERSON_NAME,), scan=find_names, is_ready=_name_missing),)
