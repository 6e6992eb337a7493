"""The bytes that single tokens stand for: pieces of text need not be whole characters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

from assay.chat.tokenizer import ChatTokenizer

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def find_token_bytes(tokenizer: ChatTokenizer, token_id: int) -> bytes:
    """What `token_id` adds to a text; of a control token its name.

    Byte-level tokenizers write each byte as a letter (Radford et al. 2019), those of SentencePiece
    spaces as ``▁`` and single bytes as ``<0x0A>``.
    """
    token = tokenizer.backend.id_to_token(token_id)
    if token is None:
        return b""
    if token_id in tokenizer.added_ids:
        return token.encode()
    if is_byte_level(tokenizer):
        letters = _letters()
        return b"".join(bytes([letters[c]]) if c in letters else c.encode() for c in token)
    match = _BYTE.fullmatch(token)
    return bytes([int(match[1], 16)]) if match else token.replace("▁", " ").encode()


@lru_cache(maxsize=16)
def is_byte_level(tokenizer: ChatTokenizer) -> bool:
    """Whether its tokens are written in the letters that stand for bytes."""
    return '"ByteLevel"' in json.dumps(json.loads(tokenizer.backend.to_str()).get("decoder"))


@lru_cache(maxsize=1)
def _letters() -> Mapping[str, int]:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [value for value in range(256) if value not in plain]
    letters = {chr(value): value for value in plain}
    return letters | {chr(256 + place): value for place, value in enumerate(others)}
