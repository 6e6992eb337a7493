"""JSON that fits a schema: which tokens may come next, by llguidance (the extra ``schema``).

Shape legend: V vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.chat import ChatTokenizer
from assay.errors import GenerationError


class Guide:
    """One completion's way through a grammar; `source` is what it was made of."""

    def __init__(self, matcher: Any, source: Mapping[str, Any] | str) -> None:
        self._matcher, self.source = matcher, source

    def allowed(self, vocab_size: int) -> Tensor:
        """Which tokens may come next, bool, shape (V,): stop tokens alone once all is written."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        allowed = np.zeros(vocab_size, bool)
        known = np.unpackbits(bits, bitorder="little")[:vocab_size]
        allowed[: len(known)] = known
        return torch.from_numpy(allowed)

    def advance(self, token_id: int) -> None:
        """Take the next token.

        Raises:
            GenerationError: it was not allowed, or the grammar has grown beyond the library's
                limits.
        """
        if not self._matcher.consume_token(token_id):
            raise GenerationError(f"the JSON schema: {self._matcher.get_error()}")


class Schema:
    """A JSON schema for one tokenizer, or as text a grammar in llguidance's form of Lark.

    Raises:
        GenerationError: llguidance is not installed, or cannot follow the schema; or the tokenizer
            has no stop token to end with.
    """

    def __init__(
        self, schema: Mapping[str, Any] | str, tokenizer: ChatTokenizer, stop_ids: tuple[int, ...]
    ) -> None:
        library = _load_library()
        self._source = schema
        if not stop_ids:
            raise GenerationError("a JSON schema needs a stop token, and the tokenizer has none")
        self._tokenizer = _load_tokenizer(tokenizer, stop_ids)
        matcher = library.LLMatcher
        if isinstance(schema, str):
            self._grammar = matcher.grammar_from_lark(schema)
        else:
            self._grammar = matcher.grammar_from_json_schema(json.dumps(schema))
        wrong = matcher.validate_grammar(self._grammar, self._tokenizer)
        if wrong:
            raise GenerationError(f"a JSON schema that cannot be followed: {wrong}")
        self._build = matcher

    def begin(self) -> Guide:
        """The way of a new completion."""
        return Guide(self._build(self._tokenizer, self._grammar, log_level=0), self._source)


def _load_library() -> Any:
    try:
        import llguidance
    except ImportError as error:
        raise GenerationError(
            "completions that fit a JSON schema need llguidance; install the extra `schema`"
        ) from error
    return llguidance


@lru_cache(maxsize=4)
def _load_tokenizer(tokenizer: ChatTokenizer, stop_ids: tuple[int, ...]) -> Any:
    """Takes about a second for a large vocabulary."""
    return _load_library().LLTokenizer(tokenizer.backend.to_str(), eos_token=list(stop_ids))
