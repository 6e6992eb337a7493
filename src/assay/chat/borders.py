"""Checks that prompts are tokenised in training as they are at inference; it changes nothing.

Training tokenises a whole conversation; at inference the prompt ends where the answer begins. A
tokenizer that looks across that border (to merge, or to split a run of spaces) gives the prompt
other tokens then, and the model starts from a place that it was never trained on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from assay.chat.tokenizer import ChatTokenizer


def count_changed_prompts(
    tokenizer: ChatTokenizer,
    text: str,
    *,
    input_ids: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    starts: Sequence[int],
) -> int:
    """How many answers follow other tokens in `input_ids` than they will at inference.

    Only the text since the last added token is looked at, since those are never merged.

    Args:
        tokenizer: the tokenizer that gave `input_ids`.
        text: the whole rendering.
        input_ids: its tokens.
        offsets: their characters, ``[start, end)``.
        starts: the character at which each answer begins.
    """
    token_starts = [start for start, _ in offsets]
    changed = 0
    for start in starts:
        stop = bisect_left(token_starts, start)
        first = next((i for i in range(stop - 1, 0, -1) if input_ids[i] in tokenizer.added_ids), 0)
        at_inference = tokenizer.encode(text[token_starts[first] : start]) if stop else []
        changed += at_inference != list(input_ids[first:stop])
    return changed
