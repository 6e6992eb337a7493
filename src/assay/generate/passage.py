"""Tokens of one prompt at a pass, of which a beginning may have been computed before.

Shape legend: n tokens of the pass, P tokens known before, T = P + n, L layers, K key heads,
H query heads, X = 2 K, E head size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from assay.generate.slots import StateShape


class Passage:
    """`num` tokens that follow on `known`, (L, 2, K, P, E); its `states` are then of all T."""

    def __init__(self, shape: StateShape, num: int, known: Tensor | None = None) -> None:
        self.num = num
        self.num_known = 0 if known is None else known.shape[3]
        sizes = (shape.num_layers, 2, shape.num_heads, self.num_known + num, shape.head_size)
        self.states = torch.empty(sizes, dtype=shape.dtype, device=shape.device)
        if known is not None:
            self.states[:, :, :, : self.num_known] = known
        self._masks: dict[int | None, Tensor | None] = {}

    @property
    def positions(self) -> range:
        return range(self.num_known, self.num_known + self.num)

    def attend(
        self, layer: int, query_nHE: Tensor, kv_nXE: Tensor, *, scale: float, window: int | None
    ) -> Tensor:
        """Keep the new keys and values, and attend: shape (n, H * E)."""
        key_KTE, value_KTE = self.states[layer]
        num_heads = len(key_KTE)
        key_KTE[:, self.num_known :] = kv_nXE[:, :num_heads].transpose(0, 1)
        value_KTE[:, self.num_known :] = kv_nXE[:, num_heads:].transpose(0, 1)
        mask = self._mask(window)
        out_HnE = scaled_dot_product_attention(
            query_nHE.transpose(0, 1)[None],
            key_KTE[None],
            value_KTE[None],
            attn_mask=mask,
            is_causal=mask is None,
            scale=scale,
            enable_gqa=query_nHE.shape[1] != num_heads,
        )[0]
        return out_HnE.transpose(0, 1).reshape(self.num, -1)

    def _mask(self, window: int | None) -> Tensor | None:
        """Which keys each token sees, (n, T); None where that is all up to itself from the first.

        A window of w has the token itself and the w - 1 before it.
        """
        if not self.num_known and (window is None or window >= self.num):
            return None
        if window not in self._masks:
            device = self.states.device
            at_n = torch.arange(self.num_known, self.num_known + self.num, device=device)[:, None]
            keys_T = torch.arange(self.num_known + self.num, device=device)
            seen = keys_T <= at_n
            self._masks[window] = seen if window is None else seen & (keys_T > at_n - window)
        return self._masks[window]
