"""Finds out whether `Lean` computes what a model's own modules do, by running both on a few tokens.

The outcome is kept for as long as the model's modules stay what they are; weights may change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from assay.generate.lean import Lean, Wrap, find_linears
from assay.generate.passes import evaluation_mode, iterate_hidden
from assay.generate.prefill import iterate_prompts
from assay.generate.products import is_linear
from assay.generate.slots import SlotCache
from assay.models.attention import packed_attention
from assay.models.fast.replaced import is_changed
from assay.models.fast.varlen import AttentionOptions
from assay.models.forward import is_packable
from assay.models.methods.virtual_tokens import find_virtual_tokens

TABLE_ROPES = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary embeddings whose angles depend on the position alone, not on the longest."""
LENGTHS = (3, 9, 14)
NUM_STEPS = 2
_OBSERVED = "assay_observed"
_tried: WeakKeyDictionary[nn.Module, tuple[Any, list[AttentionOptions] | str]] = WeakKeyDictionary()


def build_lean(model: Any, *, wrap: Wrap | None = None) -> Lean | str:
    """`model` as it is now for decoding, or why it must decode with its own modules.

    `wrap` is that of `Lean`; what it adds is not tried.
    """
    obstacle = _find_obstacle(model)
    if obstacle:
        return obstacle
    kinds = tuple(type(module) for module in model.modules())
    known = _tried.get(model)
    if known is None or known[0] != kinds:
        known = (kinds, _try(model))
        _tried[model] = known
    found = known[1]
    return found if isinstance(found, str) else Lean(model, found, wrap=wrap)


def _find_obstacle(model: Any) -> str:
    decoder = getattr(model, "base_model", None)
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers) or not is_packable(model):
        return "no list of decoder layers that mix tokens by attention alone"
    if find_virtual_tokens(model) is not None:
        return "virtual tokens before each prompt"
    if any(is_changed(module) for module in model.modules()):
        return "hooks or forward passes that are not the modules' own"
    if any(hasattr(parameter, "to_local") for parameter in model.parameters()):
        return "weights that are spread over processes"
    rope = getattr(getattr(decoder, "rotary_emb", None), "rope_type", None)
    if rope not in TABLE_ROPES:
        return f"rotary embeddings of the kind {rope}"
    return next((reason for layer in layers if (reason := _find_in_layer(layer))), "")


def _find_in_layer(layer: Any) -> str:
    parts = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
    if not all(hasattr(layer, part) for part in parts):
        return f"layers of type {type(layer).__name__}"
    if not hasattr(layer.self_attn, "head_dim") or not all(map(is_linear, find_linears(layer))):
        return f"attention of type {type(layer.self_attn).__name__}"
    return ""


@torch.no_grad()
def _try(model: Any) -> list[AttentionOptions] | str:
    """What each layer asks of attention; else what is not as it should be."""
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(vocabulary, (n,), generator=generator).tolist() for n in LENGTHS]
    seen: dict[int, AttentionOptions] = {}
    with evaluation_mode(model), _observed(model, seen):
        (own,) = iterate_hidden(model, rows, [[len(row) - 1] for row in rows])
    options = [seen[index] for index in sorted(seen)]
    if len(options) != len(model.base_model.layers):
        return "attention that is not Transformers' own"
    if any(one.softcap is not None for one in options):
        return "a soft cap or sinks in attention"
    try:
        lean = Lean(model, options)
        found = _decode(model, lean, rows)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        return str(error).strip().splitlines()[0]
    expected = lean.compute_logits(own.hidden_ND)[torch.tensor(own.owners).argsort()]
    return options if _agree(expected, found, own.hidden_ND.dtype) else "another architecture"


def _decode(model: Any, lean: Lean, rows: list[list[int]]) -> Tensor:
    cache: SlotCache[int] = SlotCache(lean.shape)
    for prompt in iterate_prompts(model, [row[:-NUM_STEPS] for row in rows]):
        cache.add(prompt.index, prompt.load_states(), room=NUM_STEPS)
    for place in range(-NUM_STEPS, 0):
        logits = lean.step([rows[index][place] for index in cache.settle()], cache)
    return logits[torch.tensor(cache.rows).argsort()]


def _agree(expected: Tensor, found: Tensor, dtype: torch.dtype) -> bool:
    tolerance = 1e-3 if dtype == torch.float32 else 5e-2
    largest = float((expected - expected.mean(-1, keepdim=True)).abs().max())
    return float((expected - found).abs().max()) <= tolerance * max(largest, 1e-6)


@contextmanager
def _observed(model: Any, seen: dict[int, AttentionOptions]) -> Iterator[None]:
    """Packed attention that writes down what each layer asks of it."""
    from transformers import AttentionInterface

    def attend(module: Any, query: Tensor, *args: Any, **kwargs: Any) -> Any:
        scale = kwargs.get("scaling")
        special = kwargs.get("softcap") or kwargs.get("s_aux") is not None or None
        seen[module.layer_idx] = AttentionOptions(
            query.shape[-1] ** -0.5 if scale is None else scale,
            0.0,
            kwargs.get("sliding_window"),
            None if special is None else 1.0,
        )
        return packed_attention(module, query, *args, **kwargs)

    AttentionInterface.register(_OBSERVED, attend)
    before = model.config._attn_implementation
    model.set_attn_implementation(_OBSERVED)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
