"""Which rows of embedding and head PEFT trains for new tokens, and those of a head as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from assay.errors import ConfigError, Problem
from assay.models.fast.head_rows import HeadRows


def train_token_rows(model: Any, token_ids: Sequence[int]) -> dict[str, list[int]] | None:
    """PEFT's ``trainable_token_indices``: the rows by the name of their table; None without any.

    Raises:
        ConfigError: a head apart from the embedding has a bias, which PEFT would drop.
    """
    if not token_ids:
        return None
    head = model.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise ConfigError(
            Problem(
                key="base.new_tokens",
                got="new tokens for a base whose output head has a bias",
                allowed="adapters and new tokens where the head has none, or method full",
                do="set method to full",
            )
        )
    return {name: list(token_ids) for name in find_token_tables(model)}


def find_token_tables(model: Any) -> list[str]:
    """Names of the modules whose rows are tokens: the embedding, and the head where it is apart."""
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    wanted = [table] if head is None or head.weight is table.weight else [table, head]
    return [name for name, module in model.named_modules() if any(module is w for w in wanted)]


def find_trained_head(head: Any) -> Any:
    """The copy of a head that PEFT's ``modules_to_save`` trains in its place; else `head`."""
    copies = getattr(head, "modules_to_save", None)
    if copies is None:
        return head
    active = [name for name in head.active_adapters if name in copies]
    return head.original_module if head.disable_adapters or not active else copies[active[0]]


def find_head_rows(head: Any) -> HeadRows | None:
    """The rows of a head that are trained in the places of its own; None while they are off.

    Raises:
        ValueError: the head is neither plain nor of this kind.
    """
    rows = getattr(head, "token_adapter", None)
    if rows is None:
        raise ValueError(f"an output head of type {type(head).__name__}")
    if head.disable_adapters or rows.disable_adapters or rows.merged:
        return None
    (name,) = rows.active_adapters
    weight = rows.get_base_layer().weight
    ids_R = torch.tensor(rows.token_indices[name], device=weight.device)
    return HeadRows(ids_R, rows.trainable_tokens_delta[name].to(weight))
