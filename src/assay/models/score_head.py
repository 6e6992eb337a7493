"""A scalar head on a causal language model: one score for a sequence, read at its last token.

The head and where it reads are those of Transformers' sequence classifiers of one label, so that
what is trained here loads there. Shape legend: S sequences, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from assay.data.answers import Answer
from assay.data.pack import PackedBatch
from assay.data.portions import build_answer_batch
from assay.errors import ConfigError, Problem
from assay.models.forward import (
    can_share,
    compute_supervised_hidden,
    get_logit_scale,
    load_batch,
)
from assay.models.methods.token_rows import find_trained_head

SCORE = "score"
"""What Transformers' classifiers of causal models call their head."""


def add_score_head(model: Any, *, dtype: torch.dtype = torch.float32) -> Any:
    """`model` with a fresh head, drawn as Transformers draws it; a head that it has stays.

    The generator of PyTorch decides the weights, which are drawn on the CPU.
    """
    if getattr(model, SCORE, None) is None:
        config = model.config.get_text_config()
        head = nn.Linear(config.hidden_size, 1, bias=False)
        nn.init.normal_(head.weight, std=getattr(config, "initializer_range", 0.02))
        setattr(model, SCORE, head.to(next(model.parameters()).device, dtype))
    return model


def has_score_head(model: Any) -> bool:
    """Whether `add_score_head` was here, or `model` is a sequence classifier."""
    return getattr(model, SCORE, None) is not None


def check_scorable(model: Any) -> None:
    """Whether Transformers has a sequence classifier of this architecture, with these weights.

    Raises:
        ConfigError: it has none, or one whose weights have other names.
    """
    classifier = find_classifier(model)
    names = dict(model.named_parameters())
    if classifier is not None:
        own = {n for n, _ in _build_empty(classifier, model).named_parameters()}
        if own - set(names) <= {f"{SCORE}.weight"}:
            return
    raise ConfigError(
        Problem(
            key="objective.type",
            got=f"a reward model of {type(model).__name__}",
            allowed="an architecture of which Transformers has a sequence classifier, by which the"
            " reward model is loaded",
            do="choose another base",
        )
    )


def find_classifier(model: Any) -> Any:
    """Transformers' class of sequence classifiers for the configuration of `model`, or None."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as KNOWN

    kind = type(model.config)
    # No plain dict: a missing kind raises from its `get`.
    return KNOWN[kind] if kind in KNOWN else None  # noqa: SIM401


def as_classifier(model: Any) -> Any:
    """Transformers' sequence classifier over decoder and head of `model`, shared with it."""
    classifier = _build_empty(find_classifier(model), model)
    setattr(classifier, classifier.base_model_prefix, model.base_model)
    setattr(classifier, SCORE, getattr(model, SCORE))
    return classifier


def _build_empty(classifier: Any, model: Any) -> Any:
    """A classifier of one label without memory for its weights."""
    from copy import deepcopy

    config = deepcopy(model.config)
    config.num_labels = 1
    with torch.device("meta"):
        return classifier(config)


def find_ends(answers: Sequence[Answer], pad_token_id: int | None) -> list[int]:
    """The place in each answer's sequence that its score is read at: its last token.

    Transformers reads at the last token that is not padding, whatever stands there, so where a
    tokenizer pads with the token that ends an answer, that is the one before.
    """
    ends = []
    for answer in answers:
        ids = answer.input_ids
        last = (place for place in range(len(ids) - 1, -1, -1) if ids[place] != pad_token_id)
        ends.append(next(last, 0))
    return ends


def compute_end_scores(model: Any, batch: PackedBatch) -> Tensor:
    """The score of each answer of a batch, float32 of shape (S,), under `model` in `packed_mode`.

    Without autograd where it is off. The head works in float32, whatever the layers do.
    """
    if batch.places and not can_share(model):
        batch = build_answer_batch(batch.rows, share=False)
    answers = [answer for row in batch.rows for answer in row.answers]
    start, positions = 0, []
    for answer, end in zip(answers, find_ends(answers, _get_pad(model)), strict=True):
        positions.append(batch.places[start + end] if batch.places else start + end)
        start += len(answer.input_ids)
    weight_1D = find_trained_head(getattr(model, SCORE)).weight
    ends = replace(
        batch,
        target_positions=positions,
        target_ids=[0] * len(positions),
        target_weights=[1.0] * len(positions),
    )
    hidden_SD = compute_supervised_hidden(model, load_batch(ends, weight_1D.device))
    # A product and a sum, which no autocast rounds; and no classifier scales its hidden states.
    scores_S: Tensor = (hidden_SD.float() * weight_1D.float()).sum(-1) / get_logit_scale(model)
    return scores_S


def _get_pad(model: Any) -> int | None:
    found: int | None = model.config.get_text_config().pad_token_id
    return found
