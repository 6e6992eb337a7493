"""Trains the byte-level BPE tokenizer of `tiny` on the world's own text and saves it HF-shaped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from assay.chat.tiny_tokens import (
    build_tiny_added_tokens,
    build_tiny_tokenizer_config,
    keep_markup_readable,
)

VOCAB_SIZE = 4096
CONTEXT_LEN = 2048


def build_tokenizer(texts: Iterable[str], folder: Path) -> None:
    """Train on `texts` and write `tokenizer.json`, its configuration and the chat template.

    Digits are one token each, so that numbers and order ids are copied digit by digit.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=build_tiny_added_tokens(),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    keep_markup_readable(tokenizer).save(str(folder / "tokenizer.json"))
    config = build_tiny_tokenizer_config(model_max_length=CONTEXT_LEN)
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    template = Path(__file__).parents[1] / "models" / "tiny" / "chat_template.jinja"
    if template.parent != folder:
        shutil.copyfile(template, folder / "chat_template.jinja")
