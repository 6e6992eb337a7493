"""Several adapted models over one base in memory: each puts its own modules in, and out again.

A method of adapters replaces modules of the base (a linear layer by one with an adapter beside it),
and a mode of training replaces forward passes and adds hooks. Both change entries of the tables
that a tree of modules consists of, and nothing else. So the changed entries are all that is to be
kept: with an adapted model in place the tree is the very one that it has by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from assay.errors import ConfigError, Problem

ABSENT = object()
"""Stands for no entry at all."""
TABLES = frozenset(name for name, value in vars(nn.Module()).items() if isinstance(value, dict))
"""The tables of a module: its children, parameters, buffers, and hooks of every kind."""


@dataclass(frozen=True)
class Place:
    """One entry of a table of the base's tree: what the base has there, and what is put there."""

    table: dict[Any, Any]
    name: Any
    bare: Any
    put: Any


class AdaptedModel:
    """A model adapted by `adapt`, apart from its base until `in_place`.

    `wrapped` is what `adapt` returned; use it in place alone. What `adapt` changed besides goes in
    and out with it.

    Raises:
        ConfigError: `adapt` changed the base's own weights, which others are to share.
    """

    def __init__(self, base: nn.Module, adapt: Callable[[], Any]) -> None:
        self.base = base
        self.is_training = base.training
        tables = list(_list_tables(base))
        before = [dict(table) for table in tables]
        weights = {weight: _mark(weight) for weight in base.parameters()}
        self.wrapped = adapt()
        self.places = [
            Place(table, name, old.get(name, ABSENT), table.get(name, ABSENT))
            for table, old in zip(tables, before, strict=True)
            for name in {**old, **table}
            if old.get(name, ABSENT) is not table.get(name, ABSENT) and name != "training"
        ]
        changed = [weight for weight, mark in weights.items() if _mark(weight) != mark]
        self._take_out()
        if changed:
            raise ConfigError(_describe_changed(len(changed)))

    @contextmanager
    def in_place(self) -> Iterator[Any]:
        """The base with this model's modules in it, in its own mode; yields `wrapped`."""
        for place in self.places:
            _put(place.table, place.name, place.put)
        if self.base.training != self.is_training:
            self.base.train(self.is_training)
        try:
            yield self.wrapped
        finally:
            self.is_training = self.base.training
            self._take_out()

    def _take_out(self) -> None:
        for place in self.places:
            _put(place.table, place.name, place.bare)


def _put(table: dict[Any, Any], name: Any, value: Any) -> None:
    if value is ABSENT:
        table.pop(name, None)
    else:
        table[name] = value


def _mark(weight: Tensor) -> tuple[int, int]:
    """What tells whether a weight was written, or given other memory, since."""
    return weight.data_ptr(), weight._version


def _list_tables(base: nn.Module) -> Iterator[dict[Any, Any]]:
    """Of every module its attributes, and the tables that those hold: children, weights, hooks."""
    for module in base.modules():
        attributes = vars(module)
        yield attributes
        yield from (attributes[name] for name in sorted(TABLES & attributes.keys()))


def _describe_changed(number: int) -> Problem:
    return Problem(
        key="method.type",
        got=f"a method that changes {number} weights of the base",
        allowed="adapters that leave the base as it is, which a sweep shares",
        do="choose lora, or train one value after another with `assay run`",
    )
