"""Exports a tuned run as plain Transformers weights, and proves that they equal the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assay.models.adapters import (
    load_adapter,
    merge_adapter,
    save_model,
    tokenizer_files,
)
from assay.models.base import BaseFiles, load_model

MERGE_TOLERANCE = 1e-3
"""Largest allowed absolute logit difference of merged against adapter, float32."""
BF16_TOLERANCE = 0.5
"""The same when the merged weights are rounded to bfloat16, whose steps are 2^-8 of a value."""


def merge_tolerance(dtype: str) -> float:
    """The allowed logit difference of an export in ``fp32`` or ``bf16``."""
    return BF16_TOLERANCE if dtype == "bf16" else MERGE_TOLERANCE


@dataclass(frozen=True)
class Integrity:
    """What was compared after tuning; differences are the largest of any logit, in float32."""

    adapter_reloads: bool
    reload_difference: float
    merged_equals_adapter: bool
    merge_difference: float
    template_unchanged: bool
    tolerance: float = MERGE_TOLERANCE


@torch.no_grad()
def compute_logits(model: Any, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Logits of each prompt run alone, float32 on the CPU, shapes (T, V)."""
    device = model.get_input_embeddings().weight.device
    return [
        model(input_ids=torch.tensor([list(ids)], device=device)).logits[0].float().cpu()
        for ids in prompts
    ]


def largest_difference(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> float:
    """Largest absolute difference over pairs of tensors of equal shapes."""
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def export_merged(
    base: BaseFiles,
    adapter: Path,
    target: Path,
    *,
    prompts: Sequence[Sequence[int]],
    dtype: str = "fp32",
) -> float:
    """Merge `adapter` into `base`, write a Transformers folder, and compare logits on `prompts`.

    The merge is done in float32 and rounded once to `dtype`. Returns the largest logit difference
    between the adapter and the folder as loaded again; the template is copied byte for byte.
    """
    with_adapter = load_adapter(load_model(base, dtype="fp32"), adapter)
    expected = compute_logits(with_adapter, prompts)
    merged = merge_adapter(with_adapter)
    if dtype == "bf16":
        merged = merged.to(torch.bfloat16)
    save_model(merged, target, tokenizer_folder=adapter)
    return largest_difference(expected, compute_logits(_reload(base, target), prompts))


def check_integrity(
    base: BaseFiles, tuned: Any, folder: Path, *, prompts: Sequence[Sequence[int]], adapter: bool
) -> Integrity:
    """Compare what was saved in `folder` with the `tuned` model in memory.

    For an adapter: loaded again onto the base, in the dtype it was tuned in, it gives equal logits,
    and merged it equals the adapter in float32, in which exports are merged. For a whole model:
    loaded again it gives equal logits.
    """
    expected = compute_logits(tuned, prompts)
    if adapter:
        half = tuned.get_output_embeddings().weight.dtype == torch.bfloat16
        reloaded = load_adapter(load_model(base, dtype="bf16" if half else "fp32"), folder)
        reload_difference = largest_difference(expected, compute_logits(reloaded, prompts))
        exact = load_adapter(load_model(base, dtype="fp32"), folder) if half else reloaded
        unmerged = compute_logits(exact, prompts)
        merged = compute_logits(merge_adapter(exact), prompts)
        merge_difference = largest_difference(unmerged, merged)
    else:
        reload_difference = largest_difference(
            expected, compute_logits(_reload(base, folder), prompts)
        )
        merge_difference = reload_difference
    return Integrity(
        adapter_reloads=reload_difference <= MERGE_TOLERANCE,
        reload_difference=reload_difference,
        merged_equals_adapter=merge_difference <= MERGE_TOLERANCE,
        merge_difference=merge_difference,
        template_unchanged=_same_template(base.folder, folder),
    )


def _reload(base: BaseFiles, folder: Path) -> Any:
    from dataclasses import replace

    return load_model(replace(base, folder=folder), dtype="fp32")


def _same_template(base: Path, tuned: Path) -> bool:
    names = [path.relative_to(base) for path in tokenizer_files(base)]
    return all(
        (tuned / name).is_file() and (base / name).read_bytes() == (tuned / name).read_bytes()
        for name in names
    )
