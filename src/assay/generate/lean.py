"""One token of each row through a Llama-like decoder, without the model's modules in between.

At a few rows a step of a small model is mostly Python and dispatch. Here it is a fixed list of
products, norms and attention over slots (`generate/slots.py`), built of the live weights; whether
they make up what its modules do is found by trying (`generate/trial.py`).

Shape legend: B rows, D hidden size, H query heads, K key heads, X = H + 2 K, E head size,
P positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from assay.generate.products import Product, can_join, is_linear, joined, lay_out, live
from assay.generate.slots import SlotCache, StateShape
from assay.losses.chunks import compute_logits
from assay.losses.token_loss import cap_logits
from assay.models.fast.gate import gated_product
from assay.models.fast.norm import rms_norm
from assay.models.fast.path import find_act, find_offset
from assay.models.fast.varlen import AttentionOptions
from assay.models.forward import Head, get_head, get_logit_scale

Norm = Callable[[Tensor], Tensor]
Wrap = Callable[[Sequence[Any], Product], Product]
_LEAST_TABLE = 512


class Attending(Protocol):
    """Tokens of one pass that attend together (`assay.generate.slots.Segment`)."""

    @property
    def num(self) -> int: ...

    def attend(
        self, layer: int, query_nHE: Tensor, kv_nXE: Tensor, *, scale: float, window: int | None
    ) -> Tensor: ...


@dataclass(frozen=True)
class Layer:
    """One decoder layer; `qkv` gives (B, X * E), and `out` and `mlp` add to what they are given."""

    norm: Norm
    qkv: Product
    head_norms: tuple[Norm, Norm] | None
    out: Product
    mlp_norm: Norm
    mlp: Product
    scale: float
    window: int | None


class Lean:
    """A decoder as a list of `Layer`, with its weights as they are when it is built.

    Args:
        model: a causal language model for which `find_obstacle` finds nothing.
        options: what each layer asks of attention.
        wrap: given linear layers and their product, what takes its place.
    """

    def __init__(
        self, model: Any, options: Sequence[AttentionOptions], *, wrap: Wrap | None = None
    ) -> None:
        decoder, config = model.base_model, model.config.get_text_config()
        self._embed = decoder.embed_tokens
        self._num_heads = config.num_attention_heads
        self._num_key_heads = config.num_key_value_heads
        self._head_size = decoder.layers[0].self_attn.head_dim
        linears = [one for layer in decoder.layers for one in find_linears(layer)]
        head = get_head(model)
        is_copied = can_join(linears, head.weight_VD)
        join = joined if is_copied else live

        def build(modules: Sequence[Any]) -> Product:
            return wrap(modules, join(modules)) if wrap else join(modules)

        self._layers = [
            _build_layer(layer, own, build)
            for layer, own in zip(decoder.layers, options, strict=True)
        ]
        self._norm = _build_norm(decoder.norm)
        self._scale = get_logit_scale(model)
        self.compute_logits = _build_head(head, copied=is_copied)
        weight = decoder.norm.weight
        self._angles = _Angles(decoder.rotary_emb, self._num_heads, self._num_key_heads, weight)
        self.shape = StateShape(
            len(self._layers),
            self._num_key_heads,
            self._head_size,
            weight.dtype,
            weight.device,
            frozenset(layer.window for layer in self._layers),
        )

    def step(self, token_ids: Sequence[int], cache: SlotCache[Any]) -> Tensor:
        """Logits after one more token of each row of `cache`, which has settled, in its order.

        Float32 on the CPU, shape (B, V).
        """
        positions, segments = cache.advance()
        return self.compute_logits(self.run(token_ids, positions, segments))

    def run(
        self,
        token_ids: Sequence[int],
        positions: Sequence[int],
        segments: Sequence[Attending],
        *,
        keep: MutableMapping[int, Tensor] | None = None,
        until: int | None = None,
    ) -> Tensor:
        """Hidden states of tokens, as the output head takes them, shape (B, D).

        `segments` have the tokens in this order, each `num` of them. Under the numbers that `keep`
        has, what goes into those layers is put: 0 is the embedding. With `until` the pass ends
        before that layer, and gives what goes into it.
        """
        x_BD = self._embed(torch.tensor([token_ids], device=self.shape.device))[0]
        angles = self._angles.take(positions)
        for index, layer in enumerate(self._layers):
            if keep is not None and index in keep:
                # Layers may add to what they are given.
                keep[index] = x_BD.clone()
            if index == until:
                reached_BD: Tensor = x_BD
                return reached_BD
            x_BD = self._run(index, layer, x_BD, angles, segments)
        out_BD: Tensor = self._norm(x_BD) * self._scale
        return out_BD

    def _run(
        self,
        index: int,
        layer: Layer,
        x_BD: Tensor,
        angles: tuple[Tensor, Tensor],
        segments: Sequence[Attending],
    ) -> Tensor:
        heads, size = self._num_heads, self._head_size
        cos_BXE, sin_BXE = angles
        qkv_BXE = layer.qkv(layer.norm(x_BD), None).view(len(x_BD), -1, size)
        if layer.head_norms is not None:
            qkv_BXE = _norm_heads(qkv_BXE, layer.head_norms, heads, self._num_key_heads)
        turned_BXE = torch.addcmul(qkv_BXE * cos_BXE, qkv_BXE.roll(size // 2, -1), sin_BXE)
        query_BHE, kv = turned_BXE[:, :heads], turned_BXE[:, heads:]
        parts, start = [], 0
        for segment in segments:
            rows = slice(start, start + segment.num)
            parts.append(
                segment.attend(
                    index, query_BHE[rows], kv[rows], scale=layer.scale, window=layer.window
                )
            )
            start += segment.num
        x_BD = layer.out(parts[0] if len(parts) == 1 else torch.cat(parts), x_BD)
        return layer.mlp(layer.mlp_norm(x_BD), x_BD)


def find_linears(layer: Any) -> list[Any]:
    """Those of attention, and of an MLP of the common form; None where attention has another."""
    attention = [getattr(layer.self_attn, f"{name}_proj", None) for name in "qkvo"]
    mlp = [getattr(layer.mlp, f"{name}_proj", None) for name in ("gate", "up", "down")]
    return attention + (mlp if all(map(is_linear, mlp)) else [])


def _build_layer(
    layer: Any, options: AttentionOptions, join: Callable[[Sequence[Any]], Product]
) -> Layer:
    query, key, value, out, *mlp = find_linears(layer)
    norms = [getattr(layer.self_attn, name, None) for name in ("q_norm", "k_norm")]
    return Layer(
        _build_norm(layer.input_layernorm),
        join([query, key, value]),
        None if None in norms else (_build_norm(norms[0]), _build_norm(norms[1])),
        join([out]),
        _build_norm(layer.post_attention_layernorm),
        _build_mlp(layer.mlp, mlp, join),
        options.scale,
        options.window,
    )


def _build_mlp(
    module: Any, linears: Sequence[Any], join: Callable[[Sequence[Any]], Product]
) -> Product:
    act = find_act(module) if linears else None
    if act is None:
        return lambda x_BD, added_BD: _add(added_BD, module(x_BD[None]))
    gate_up, down = join(linears[:2]), join(linears[2:])

    def run(x_BD: Tensor, added_BD: Tensor | None) -> Tensor:
        gate, up = gate_up(x_BD, None).chunk(2, -1)
        return down(gated_product(gate, up, act), added_BD)

    return run


def _add(added_BD: Tensor | None, output: Any) -> Tensor:
    """The output of a module, which may come with router logits, added."""
    out_BD: Tensor = (output[0] if isinstance(output, tuple) else output)[0]
    return out_BD if added_BD is None else added_BD + out_BD


def _build_norm(module: Any) -> Norm:
    """The fused norm where it agrees with the module's own, else that."""
    weight: Any = getattr(module, "weight", None)
    eps: Any = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    offset = None
    if "RMSNorm" in type(module).__name__ and weight is not None and isinstance(eps, float):
        offset = find_offset(module, weight, eps)
    if offset is None:
        return lambda x: module(x)
    if weight.dtype == torch.float32:
        scale = weight.detach() + offset
        return lambda x: torch.nn.functional.rms_norm(x, scale.shape, scale, eps)
    return lambda x: rms_norm(x, weight, offset=offset, eps=eps)


def _norm_heads(qkv_BXE: Tensor, norms: tuple[Norm, Norm], num: int, num_keys: int) -> Tensor:
    query, key, value = torch.split(qkv_BXE, [num, num_keys, num_keys], 1)
    return torch.cat([norms[0](query), norms[1](key), value], 1)


def _build_head(head: Head, *, copied: bool) -> Norm:
    if copied and head.rows is None:
        product = lay_out(head.weight_VD.detach(), head.bias_V)
        return lambda hidden_BD: cap_logits(product(hidden_BD, None), head.softcap)

    def run(hidden_BD: Tensor) -> Tensor:
        weight = head.weight_VD.to(hidden_BD.dtype)
        logits = compute_logits(hidden_BD, weight, head.softcap, head.bias_V, head.rows)
        return logits.float().cpu()

    return run


class _Angles:
    """Cosines and sines of positions, made for more of them as they are needed.

    Values turn by no angle; the sine's first half is negative, so that halves need only change
    places (Su et al. 2021, equation 34, in the order of Transformers).
    """

    def __init__(self, rotary: Any, num_heads: int, num_key_heads: int, like: Tensor) -> None:
        self._rotary, self._like = rotary, like
        turned = [1] * (num_heads + num_key_heads) + [0] * num_key_heads
        self._kinds_X = torch.tensor(turned, device=like.device)
        self._tables = self._make(_LEAST_TABLE)

    def _make(self, num: int) -> tuple[Tensor, Tensor]:
        """Rows of E: of each position first no angle, then its own."""
        places = torch.arange(num, device=self._like.device)[None]
        cos_PE, sin_PE = (x[0] for x in self._rotary(self._like, places))
        first, last = sin_PE.chunk(2, -1)
        sin_PE = torch.cat([-first, last], -1)
        still = (torch.ones_like(cos_PE), torch.zeros_like(sin_PE))
        cos, sin = (
            torch.stack(pair, 1).flatten(0, 1) for pair in zip(still, (cos_PE, sin_PE), strict=True)
        )
        return cos, sin

    def take(self, positions: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Of shape (B, X, E)."""
        if 2 * max(positions) >= len(self._tables[0]):
            self._tables = self._make(2 * (max(positions) + 1))
        at_B = torch.tensor(positions, device=self._like.device)
        index = (2 * at_B[:, None] + self._kinds_X).view(-1)
        cos, sin = (x.index_select(0, index).view(len(at_B), -1, x.shape[-1]) for x in self._tables)
        return cos, sin
