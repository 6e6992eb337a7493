"""Trains the byte-level BPE tokenizer of `tiny` on the world's own text and saves it HF-shaped."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assay.chat.tiny_tokens import (
    build_tiny_added_tokens,
    build_tiny_tokenizer_config,
    keep_markup_readable,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from torch import Tensor

VOCAB_SIZE = 4096
NUM_SPACED_WORDS = 800
CONTEXT_LEN = 2048
SPACE = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"
"""How byte-level BPE writes the byte of a space."""


def build_tokenizer(texts: Sequence[str], folder: Path) -> None:
    """Train on `texts` and write `tokenizer.json`, its configuration and the chat template.

    A word is cut into the same pieces wherever it stands, so that it can be copied piece by piece:
    after a space, in quotes, at the start of a line. So a space is a token of its own, but for the
    `NUM_SPACED_WORDS` commonest words, which are one token with the space before them. Digits are
    one token each, so that numbers and order ids are copied digit by digit.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    digits = pre_tokenizers.Digits(individual_digits=True)
    in_words = pre_tokenizers.ByteLevel(False)
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "isolated"), digits, in_words]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - NUM_SPACED_WORDS,
        special_tokens=build_tiny_added_tokens(),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pieces.train_from_iterator(texts, trainer)
    tokenizer = Tokenizer(_with_spaced_words(pieces, texts))
    tokenizer.add_special_tokens(build_tiny_added_tokens())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, in_words])
    tokenizer.decoder = decoders.ByteLevel()
    folder.mkdir(parents=True, exist_ok=True)
    keep_markup_readable(tokenizer).save(str(folder / "tokenizer.json"))
    config = build_tiny_tokenizer_config(model_max_length=CONTEXT_LEN)
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    template = Path(__file__).parents[1] / "models" / "tiny" / "chat_template.jinja"
    if template.parent != folder:
        shutil.copyfile(template, folder / "chat_template.jinja")


def _with_spaced_words(pieces: Tokenizer, texts: Sequence[str]) -> BPE:
    """The pieces, and last of all merges the space before the commonest words of one piece."""
    from tokenizers import models, pre_tokenizers

    found = json.loads(pieces.to_str())["model"]
    vocab, merges = found["vocab"], [tuple(merge) for merge in found["merges"]]
    split = pre_tokenizers.ByteLevel(False)
    counts = Counter(
        word[1:]
        for text in texts
        for word, _ in split.pre_tokenize_str(text)
        if word.startswith(SPACE) and word[1:] in vocab and _may_be_spaced(word[1:])
    )
    for word, _ in counts.most_common(NUM_SPACED_WORDS):
        vocab[SPACE + word] = len(vocab)
        merges.append((SPACE, word))
    return models.BPE(vocab=vocab, merges=merges)


def _may_be_spaced(word: str) -> bool:
    """Not a digit, and not a letter that would be the first piece of many other words."""
    return word in ("a", "I") or len(word) > 1 or not word.isalnum()


def carry_embeddings(embeddings: Tensor, old: Tokenizer, new: Tokenizer) -> Tensor:
    """Embeddings for the tokens of `new` from those of `old`; both are byte-level BPE.

    A token that `old` has, with or without a space before it, takes the mean of those; any other
    the mean of the pieces into which `old` cuts it.

    Args:
        embeddings: float, (tokens of `old`, hidden size).

    Returns:
        float, (`VOCAB_SIZE`, hidden size); zero where `new` has no token.
    """
    import torch

    known = old.get_vocab(with_added_tokens=True)
    rows = embeddings.new_zeros(VOCAB_SIZE, embeddings.shape[1])
    for token, index in new.get_vocab(with_added_tokens=True).items():
        same = [known[form] for form in (token, SPACE + token) if form in known]
        pieces = same or [piece.id for piece in old.model.tokenize(token)]
        rows[index] = embeddings[torch.tensor(pieces)].mean(0)
    return rows
