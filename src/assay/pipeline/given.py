"""What the rules of data may ask of a base; no weight is loaded for its tokenizer."""

from __future__ import annotations

from assay.data.curate import Given


def read_tokenizer(name: str) -> Given:
    """Tokenizer and context of a base (``tiny``, a folder or a Hub id).

    Raises:
        ConfigError: no such base.
    """
    from assay.models.base import find_base

    base = find_base(name)
    return Given(tokenizer=base.tokenizer, context_len=base.context_len)
