"""Proves that a saved reward model gives the scores of the one in memory, by other libraries' code.

A classifier is loaded by Transformers, and an adapter onto one by PEFT, as anybody would.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from assay.models.adapters import load_adapter, merge_adapter
from assay.models.base import BaseFiles
from assay.models.export import (
    MERGE_TOLERANCE,
    PROBE_TOKENS,
    Integrity,
    Probe,
    free_memory,
    largest_difference,
    load_exact,
    same_template,
)
from assay.models.reward_model import load_classifier, load_scored, score_sequences
from assay.models.score_head import add_score_head


def take_score_probe(model: Any, sequences: Sequence[Sequence[int]]) -> Probe:
    """What `model` scores the first `PROBE_TOKENS` of each of `sequences`."""
    prompts = [list(ids[:PROBE_TOKENS]) for ids in sequences]
    half = model.get_input_embeddings().weight.dtype == torch.bfloat16
    return Probe(prompts, _as_tensors(score_sequences(model, prompts)), "bf16" if half else "fp32")


def check_scores(base: BaseFiles, folder: Path, probe: Probe, *, adapter: bool) -> Integrity:
    """As `assay.models.export.check_integrity`, of scores in the place of logits.

    On a base in few bits the classifier is our own, since Transformers would quantise its head.
    """
    free_memory()
    found = _score_saved(base, folder, probe, adapter=adapter)
    reload_difference = largest_difference(probe.logits, found)
    merge_difference, not_merged = None, "whole weights were saved, without an adapter"
    if adapter:
        merge_difference, not_merged = _compare_merged(base, folder, probe), ""
    return Integrity(
        adapter_reloads=reload_difference <= MERGE_TOLERANCE,
        reload_difference=reload_difference,
        merged_equals_adapter=merge_difference is not None and merge_difference <= MERGE_TOLERANCE,
        merge_difference=merge_difference,
        template_unchanged=same_template(base.tokenizer_files, folder),
        not_merged=not_merged,
    )


@torch.no_grad()
def _score_saved(
    base: BaseFiles, folder: Path, probe: Probe, *, adapter: bool
) -> list[torch.Tensor]:
    if adapter and base.quantization is not None:
        model = load_scored(base, folder, dtype=probe.dtype)
        return _as_tensors(score_sequences(model, probe.prompts))
    whole = base if adapter else base.with_weights_of(folder)
    classifier = load_classifier(whole, dtype=probe.dtype)
    model = load_adapter(classifier, folder) if adapter else classifier
    device = next(model.parameters()).device
    return [
        model(input_ids=torch.tensor([ids], device=device)).logits[0].float().cpu()
        for ids in probe.prompts
    ]


def _compare_merged(base: BaseFiles, folder: Path, probe: Probe) -> float:
    """The largest difference of the adapter's scores from those of the merged weights, float32."""
    free_memory()
    wrapped = load_adapter(add_score_head(load_exact(base)), folder)
    expected = _as_tensors(score_sequences(wrapped.get_base_model(), probe.prompts))
    merged = merge_adapter(wrapped)
    return largest_difference(expected, _as_tensors(score_sequences(merged, probe.prompts)))


def _as_tensors(scores: Sequence[float]) -> list[torch.Tensor]:
    return [torch.tensor([score]) for score in scores]
