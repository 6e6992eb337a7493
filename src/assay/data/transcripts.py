"""Reads conversations that stand in one text, with markers before each turn, as hh-rlhf has them.

``\\n\\nHuman: …\\n\\nAssistant: …`` (Bai et al. 2022). A text without these markers is none, and is
not parted by guessing.
"""

from __future__ import annotations

import re

from assay.data.records import Message

_ROLES = {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):")


def is_transcript(text: str) -> bool:
    """Whether a text begins with a turn of one of the two, and has one of the assistant's."""
    begins = _TURN.match(text.lstrip("\n")) is not None
    return begins and "\n\nAssistant:" in text


def read_transcript(text: str) -> list[Message]:
    """The turns of a transcript as messages, each without white space around it."""
    found = list(_TURN.finditer(text.lstrip("\n")))
    text = text.lstrip("\n")
    ends = [*(one.start() for one in found[1:]), len(text)]
    return [
        {"role": _ROLES[one[1]], "content": text[one.end() : end].strip()}
        for one, end in zip(found, ends, strict=True)
    ]
