"""Tokens that a recipe adds to a base: in its tokenizer, and as rows of embedding and head.

A base's table may have more rows than its tokenizer has tokens. A new token's row is that of its
id, inside such padding or behind it, and never simply the last rows of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from assay.errors import ConfigError, Problem
from assay.models.adapters import copy_tokenizer

if TYPE_CHECKING:
    from assay.models.base import BaseFiles


def extend_base(base: BaseFiles, texts: Sequence[str], folder: Path) -> BaseFiles:
    """`base` whose tokenizer, written to `folder` where it is not there yet, has `texts` as tokens.

    Ordinary tokens, which are decoded as they are. All files but ``tokenizer.json`` are the base's.

    Raises:
        ConfigError: texts that are tokens already, all of them.
    """
    path = folder / "tokenizer.json"
    known = base.tokenizer.backend.get_vocab(with_added_tokens=True)
    if taken := [text for text in texts if text in known]:
        raise ConfigError([_describe_taken(text) for text in taken])
    if not path.is_file():
        _write_tokenizer(base.folder, folder, texts)
    tokenizer = base.tokenizer.read_again(path)
    vocab = tokenizer.backend.get_vocab(with_added_tokens=True)
    ids = tuple(vocab[text] for text in texts)
    return replace(base, tokenizer=tokenizer, tokenizer_folder=folder, new_token_ids=ids)


@torch.no_grad()
def add_rows(model: Any, token_ids: Sequence[int]) -> Any:
    """`model` in place with rows for `token_ids`, each the mean of those of the tokens before.

    The mean makes a new token neither likely nor unlikely at first (Hewitt 2021). Tables that are
    long enough stay as long as they are.
    """
    first, needed = min(token_ids), max(token_ids) + 1
    if needed > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(needed, mean_resizing=False)
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    modules = [table] if head is None or head.weight is table.weight else [table, head]
    for weight in (tensor for module in modules for tensor in _list_row_weights(module)):
        weight[list(token_ids)] = weight[:first].float().mean(0).to(weight.dtype)
    return model


def _list_row_weights(module: nn.Module) -> list[torch.Tensor]:
    bias = getattr(module, "bias", None)
    return [module.weight, *([bias] if isinstance(bias, torch.Tensor) else [])]  # type: ignore[list-item]


def _write_tokenizer(source: Path, folder: Path, texts: Sequence[str]) -> None:
    from tokenizers import AddedToken, Tokenizer

    copy_tokenizer(source, folder)
    backend = Tokenizer.from_str((source / "tokenizer.json").read_text(encoding="utf-8"))
    backend.add_tokens([AddedToken(text, normalized=False) for text in texts])
    draft = folder / ".tokenizer.draft"
    backend.save(str(draft))
    draft.replace(folder / "tokenizer.json")


def _describe_taken(text: str) -> Problem:
    return Problem(
        key="base.new_tokens",
        got=f"{text!r}, which is a token of this base already",
        allowed="texts that are no token yet",
        do="remove it",
    )
