"""Exports a tuned run as plain Transformers weights, and proves that they equal the adapter."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch

from assay.errors import ConfigError
from assay.models.adapters import (
    load_adapter,
    merge_adapter,
    save_model,
    tokenizer_files,
)
from assay.models.base import BaseFiles, load_model
from assay.models.quantize import Quantization, dequantize

MERGE_TOLERANCE = 1e-3
"""Largest allowed absolute logit difference of merged against adapter, float32."""
BF16_TOLERANCE = 0.5
"""The same when the merged weights are rounded to bfloat16, whose steps are 2^-8 of a value."""


PROBE_TOKENS = 64
"""Of each probe sequence: enough to meet every weight, and logits that fit in memory."""


def merge_tolerance(dtype: str) -> float:
    """The allowed logit difference of an export in ``fp32`` or ``bf16``."""
    return BF16_TOLERANCE if dtype == "bf16" else MERGE_TOLERANCE


@dataclass(frozen=True)
class Probe:
    """What a model in memory said: its logits on `prompts`, shapes (T, V), and its own dtype."""

    prompts: list[list[int]]
    logits: list[torch.Tensor]
    dtype: str


@dataclass(frozen=True)
class Integrity:
    """What was compared after tuning; differences are the largest of any logit, in float32.

    `merge_difference` is None where there is nothing to merge, or the method cannot be merged;
    `not_merged` says why.
    """

    adapter_reloads: bool
    reload_difference: float
    merged_equals_adapter: bool
    merge_difference: float | None
    template_unchanged: bool
    not_merged: str = ""
    tolerance: float = MERGE_TOLERANCE


@torch.no_grad()
def compute_logits(model: Any, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Logits of each prompt run alone, float32 on the CPU, shapes (T, V).

    PEFT's own pass has those of virtual tokens before them, which are left out.
    """
    device = model.get_input_embeddings().weight.device
    return [
        model(input_ids=torch.tensor([list(ids)], device=device))
        .logits[0][-len(ids) :]
        .float()
        .cpu()
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

    The merge is done in float32 and rounded once to `dtype`; a quantised base is made plain first
    (see `load_exact`). Returns the largest logit difference between the adapter and the folder as
    loaded again; the template is copied byte for byte.
    """
    with_adapter = load_adapter(load_exact(base), adapter)
    expected = compute_logits(with_adapter, prompts)
    merged = merge_adapter(with_adapter)
    if dtype == "bf16":
        merged = merged.to(torch.bfloat16)
    save_model(merged, target, tokenizer_folder=adapter)
    del with_adapter, merged
    return largest_difference(expected, _logits_of(base, target, prompts))


def export_whole(
    base: BaseFiles,
    model: Path,
    target: Path,
    *,
    prompts: Sequence[Sequence[int]],
    dtype: str = "fp32",
) -> float:
    """Write whole weights of folder `model` again, rounded once to `dtype`.

    Returns the largest logit difference between `model` and the folder as loaded again.
    """
    whole = load_model(base.with_weights_of(model), dtype="fp32")
    expected = compute_logits(whole, prompts)
    if dtype == "bf16":
        whole = whole.to(torch.bfloat16)
    save_model(whole, target, tokenizer_folder=model)
    del whole
    return largest_difference(expected, _logits_of(base, target, prompts))


def quantize_folder(base: BaseFiles, folder: Path, *, kind: str, tokenizer_folder: Path) -> None:
    """Hold the linear layers of a Transformers folder in few bits from here on, in place.

    `kind` is that of `Quantization`; Transformers loads the folder as it is then.
    """
    free_memory()
    quantization = Quantization(cast(Literal["nf4", "fp4", "int8"], kind), dtype="auto")
    model = load_model(replace(base.with_weights_of(folder), quantization=quantization))
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    save_model(model, folder, tokenizer_folder=tokenizer_folder)


def equal_weights(a: Path, b: Path) -> bool:
    """Whether two folders hold the same tensors: names, shapes, dtypes and every bit."""
    found = [dict(_list_tensors(folder)) for folder in (a, b)]
    if found[0].keys() != found[1].keys():
        return False
    return all(
        _equal_bits(_read_tensor(file, name), _read_tensor(found[1][name], name))
        for name, file in found[0].items()
    )


def _list_tensors(folder: Path) -> Iterator[tuple[str, Path]]:
    """The tensors of a folder's safetensors by name, each with its file."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            yield from ((name, path) for name in file.keys())  # noqa: SIM118


def _read_tensor(path: Path, name: str) -> torch.Tensor:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensor: torch.Tensor = file.get_tensor(name)
    return tensor


def _equal_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Bits, not values: a NaN equals itself, and 0 is not −0."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def compute_requantised_gap(
    base: BaseFiles, adapter: Path, merged: Path, *, prompts: Sequence[Sequence[int]]
) -> float:
    """How far logits of `merged` are from the adapter's where it is held in few bits as `base` is.

    Merged weights have other values than the few that the base was held in, so they are rounded
    anew, which no adapter made up for. `base` is quantised.
    """
    free_memory()
    expected = compute_logits(load_adapter(load_model(base), adapter), prompts)
    free_memory()
    again = replace(base.with_weights_of(merged), quantization=base.quantization)
    return largest_difference(expected, compute_logits(load_model(again), prompts))


def take_probe(model: Any, sequences: Sequence[Sequence[int]]) -> Probe:
    """What `model` says to the first `PROBE_TOKENS` of each of `sequences`."""
    prompts = [list(ids[:PROBE_TOKENS]) for ids in sequences]
    half = model.get_output_embeddings().weight.dtype == torch.bfloat16
    return Probe(prompts, compute_logits(model, prompts), "bf16" if half else "fp32")


def check_integrity(base: BaseFiles, folder: Path, probe: Probe, *, adapter: bool) -> Integrity:
    """Compare what was saved in `folder` with the tuned model that `probe` was taken of.

    For an adapter: loaded again onto the base, in the dtype it was tuned in (and quantised alike),
    it gives equal logits, and merged it equals the adapter in float32 (and on the dequantised
    base), in which exports are merged: so one tolerance is true for all. For a whole model: loaded
    again in the dtype it was tuned in it gives equal logits. One model is in memory at a time, if
    the caller let go of the tuned one.
    """
    free_memory()
    merge_difference, not_merged = None, "whole weights were saved, without an adapter"
    if adapter:
        reload_difference, merge_difference, not_merged = _compare_adapter(base, folder, probe)
    else:
        found = _logits_of(base, folder, probe.prompts, dtype=probe.dtype)
        reload_difference = largest_difference(probe.logits, found)
    return Integrity(
        adapter_reloads=reload_difference <= MERGE_TOLERANCE,
        reload_difference=reload_difference,
        merged_equals_adapter=merge_difference is not None and merge_difference <= MERGE_TOLERANCE,
        merge_difference=merge_difference,
        template_unchanged=same_template(base.tokenizer_files, folder),
        not_merged=not_merged,
    )


def _compare_adapter(
    base: BaseFiles, folder: Path, probe: Probe
) -> tuple[float, float | None, str]:
    """Largest logit differences of the adapter loaded again, and of it merged; or why not."""
    reloaded = load_adapter(load_model(base, dtype=probe.dtype), folder)
    unmerged = compute_logits(reloaded, probe.prompts)
    reload_difference = largest_difference(probe.logits, unmerged)
    if probe.dtype != "fp32" or base.quantization:
        del reloaded
        free_memory()
        reloaded = load_adapter(load_exact(base), folder)
        unmerged = compute_logits(reloaded, probe.prompts)
    try:
        merged = merge_adapter(reloaded)
    except ConfigError as error:
        return reload_difference, None, str(error)
    difference = largest_difference(unmerged, compute_logits(merged, probe.prompts))
    return reload_difference, difference, ""


def load_exact(base: BaseFiles) -> Any:
    """The base in float32, into which adapters are merged.

    A quantised one comes with the weights that its layers stand for, not with those it was
    quantised from: its adapters never saw the latter.
    """
    model = load_model(base, dtype="fp32")
    return model if base.quantization is None else dequantize(model)


def _logits_of(
    base: BaseFiles, folder: Path, prompts: Sequence[Sequence[int]], *, dtype: str = "fp32"
) -> list[torch.Tensor]:
    """Logits of a whole model that was saved in `folder`, loaded in `dtype`."""
    free_memory()
    return compute_logits(load_model(base.with_weights_of(folder), dtype=dtype), prompts)


def free_memory() -> None:
    """Give back what a model held: PEFT's wrappers form cycles, and CUDA keeps freed blocks."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def same_template(base: Path, tuned: Path) -> bool:
    """Whether every file of a base's tokenizer and template is in `tuned`, byte for byte."""
    names = [path.relative_to(base) for path in tokenizer_files(base)]
    return all(
        (tuned / name).is_file() and (base / name).read_bytes() == (tuned / name).read_bytes()
        for name in names
    )
