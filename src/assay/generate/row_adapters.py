"""Updates of low rank of which every row has its own, added to one base's products.

All adapters of a pass stand side by side, so that a product costs two more, whatever their number;
what is not a row's own is masked in between (as in Chen et al. 2023, "Punica", by other means).

Shape legend: B rows, I inputs, O outputs of a product, C columns: the ranks of all its updates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assay.errors import GenerationError
from assay.generate.products import Product
from assay.models.low_rank import LowRank

KEPT = 8
"""Adapters that stay side by side though no row of a pass has them: joining them costs time."""


@dataclass(frozen=True)
class _Stack:
    """Updates of all adapters at one product; `owners` has an adapter's place for each column."""

    a_IC: Tensor
    b_CO: Tensor
    owners: tuple[int, ...]


class RowAdapters:
    """Says which adapter each row of the next pass has; `wrap` is for `Lean`."""

    def __init__(self, model: Any) -> None:
        self._names = {id(module): name for name, module in model.named_modules()}
        self._products: list[_Product] = []
        self._joined: list[LowRank] = []
        self._rows: tuple[int, ...] = ()
        self._masks: dict[tuple[int, ...], Tensor] = {}

    def wrap(self, modules: Sequence[Any], product: Product) -> Product:
        """`product` of `modules` with the rows' own updates."""
        names = [self._names[id(module)] for module in modules]
        own = _Product(self, names, [module.out_features for module in modules], product)
        self._products.append(own)
        return own.run

    def check(self, adapter: LowRank) -> None:
        """Refuse an adapter of layers that no product stands for, or of other sizes.

        Raises:
            GenerationError: naming the first of them.
        """
        sizes = {name: n for own in self._products for name, n in own.list_sizes()}
        for name, update in adapter.updates.items():
            if sizes.get(name) != len(update.b_OR):
                raise GenerationError(f"adapter {adapter.name}: the base has no such layer {name}")

    def choose(self, adapters: Sequence[LowRank | None]) -> None:
        """The adapter of every row of the next pass, None for the base alone."""
        needed = list({id(one): one for one in adapters if one is not None}.values())
        if any(one not in self._joined for one in needed):
            both = needed + [one for one in self._joined if one not in needed]
            self._joined = both if len(both) <= KEPT else needed
            self._rows = ()
            for own in self._products:
                own.stack = None
        places = {id(one): place for place, one in enumerate(self._joined)}
        rows = tuple(-1 if one is None else places[id(one)] for one in adapters)
        if rows != self._rows:
            self._rows, self._masks = rows, {}

    @property
    def is_needed(self) -> bool:
        return any(place >= 0 for place in self._rows)

    def build_stack(self, names: Sequence[str], sizes: Sequence[int]) -> _Stack | None:
        """The updates of all adapters for linear layers side by side; None where there is none."""
        parts_a, parts_b, owners = [], [], []
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        for owner, adapter in enumerate(self._joined):
            for name, start, size in zip(names, starts, sizes, strict=True):
                update = adapter.updates.get(name)
                if update is not None:
                    rank = len(update.a_RI)
                    wide = update.b_OR.new_zeros(rank, sum(sizes))
                    wide[:, start : start + size] = update.b_OR.T
                    parts_a.append(update.a_RI)
                    parts_b.append(wide)
                    owners += [owner] * rank
        if not owners:
            return None
        return _Stack(torch.cat(parts_a).T.contiguous(), torch.cat(parts_b), tuple(owners))

    def mask(self, stack: _Stack) -> Tensor:
        """1 where a column is of the row's own adapter, else 0; shape (B, C)."""
        mask = self._masks.get(stack.owners)
        if mask is None:
            device = stack.a_IC.device
            rows_B = torch.tensor(self._rows, device=device)
            owners_C = torch.tensor(stack.owners, device=device)
            mask = (rows_B[:, None] == owners_C).to(stack.a_IC.dtype)
            self._masks[stack.owners] = mask
        return mask


class _Product:
    """One product of linear layers; `stack` is made anew once other adapters are joined."""

    def __init__(
        self, rows: RowAdapters, names: Sequence[str], sizes: Sequence[int], plain: Product
    ) -> None:
        self._rows, self._names, self._sizes, self._plain = rows, names, sizes, plain
        self.stack: _Stack | None = None

    def list_sizes(self) -> list[tuple[str, int]]:
        return list(zip(self._names, self._sizes, strict=True))

    def run(self, x_BI: Tensor, added_BO: Tensor | None) -> Tensor:
        out_BO = self._plain(x_BI, added_BO)
        if not self._rows.is_needed:
            return out_BO
        if self.stack is None:
            self.stack = self._rows.build_stack(self._names, self._sizes)
        if self.stack is None:
            return out_BO
        hidden_BC = (x_BI.to(self.stack.a_IC.dtype) @ self.stack.a_IC) * self._rows.mask(self.stack)
        if out_BO.dtype == hidden_BC.dtype:
            return out_BO.addmm_(hidden_BC, self.stack.b_CO)
        return out_BO + (hidden_BC @ self.stack.b_CO).to(out_BO.dtype)
