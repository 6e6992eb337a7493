"""The added tokens of the embedded base `tiny`, in id order; it knows neither merges nor weights.

Control tokens are `special` (dropped when text is decoded for reading). The tool markup is not:
a parser must still see ``<tool_call>`` in decoded text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

PAD = "<|pad|>"
BOS = "<|bos|>"
END = "<|end|>"
SYSTEM = "<|system|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
TOOL = "<|tool|>"
TOOL_CALL_START = "<tool_call>"
TOOL_CALL_END = "</tool_call>"
TOOLS_START = "<tools>"
TOOLS_END = "</tools>"

CONTROL_TOKENS = (PAD, BOS, END, SYSTEM, USER, ASSISTANT, TOOL)
MARKUP_TOKENS = (TOOL_CALL_START, TOOL_CALL_END, TOOLS_START, TOOLS_END)
RESERVED_TOKENS = tuple(f"<|reserved_{n}|>" for n in range(5))

TINY_TOKENS: tuple[str, ...] = (*CONTROL_TOKENS, *MARKUP_TOKENS, *RESERVED_TOKENS)
"""Every added token; a token's place (from 0 to 15) is its id."""

PAD_ID = TINY_TOKENS.index(PAD)
BOS_ID = TINY_TOKENS.index(BOS)
END_ID = TINY_TOKENS.index(END)


def build_tiny_added_tokens() -> list[AddedToken]:
    """The tokens for `tokenizers`, in id order: the `special_tokens` of the BPE trainer."""
    from tokenizers import AddedToken

    return [_added_token(AddedToken, token) for token in TINY_TOKENS]


def keep_markup_readable(tokenizer: Tokenizer) -> Tokenizer:
    """A copy whose decoding drops control tokens but keeps the tool markup.

    A trainer marks every token it was given as special, whatever the token's own flag says; so
    call this once after training and save the copy.
    """
    from tokenizers import AddedToken, Tokenizer

    tokenizer.add_tokens([_added_token(AddedToken, token) for token in MARKUP_TOKENS])
    return Tokenizer.from_str(tokenizer.to_str())


def _added_token(kind: type[AddedToken], token: str) -> AddedToken:
    return kind(token, special=token not in MARKUP_TOKENS, normalized=False)


def build_tiny_tokenizer_config(*, model_max_length: int) -> dict[str, Any]:
    """`tokenizer_config.json` of `tiny`; `model_max_length` is the context in tokens."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model_max_length,
        "bos_token": BOS,
        "eos_token": END,
        "pad_token": PAD,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
    }
