"""Log-probabilities leave with the text that they spell, and never before it."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.serve.held_logprobs import HeldLogprobs
from assay.serve.tool_policy import ChoiceStream, Enforcement
from assay.tools.policy import Conversation, Policy

BODY = '<tool_call>{"name": "wire_money", "arguments": {"sum": 4242}}</tool_call>'


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({0, len(text), *(place for place in places if place < len(text))})
    return [text[a:b] for a, b in pairwise(ends)]


def spell(tokens: list[str]) -> dict[str, Any]:
    return {"content": [{"token": one, "bytes": list(one.encode())} for one in tokens]}


def test_what_spells_nothing_waits_for_what_follows_it() -> None:
    held = HeldLogprobs()
    held.add(spell(["a", "", "b"]))
    held.send("a")
    assert [one["token"] for one in held.take()] == ["a"]
    held.send("b")
    assert [one["token"] for one in held.take()] == ["", "b"]
    assert held.take_rest() == []


def test_other_text_than_the_tokens_spell_lets_none_go() -> None:
    held = HeldLogprobs()
    held.add(spell([" a", "b"]))
    held.add({"tokens": ["c"]})
    held.send("ab")
    assert held.take() == []
    assert [one["token"] for one in held.take_rest()] == [" a", "b"]


@settings(max_examples=80)
@given(
    text_cuts=st.lists(st.integers(0, 100), max_size=12),
    token_cuts=st.lists(st.integers(0, 100), max_size=30),
    ahead=st.integers(0, 4),
)
def test_tokens_of_a_denied_call_never_leave_however_they_come(
    text_cuts: list[int], token_cuts: list[int], ahead: int
) -> None:
    """Tokens come up to `ahead` parts before the text that they spell."""
    text = "Ünder way: " + BODY
    pieces, tokens = cut(text, text_cuts), cut(text, token_cuts)
    stream = ChoiceStream(Enforcement(Policy(), Conversation()))
    sent, out, num_told = "", [], 0
    for place, piece in enumerate(pieces):
        seen = "".join(pieces[: place + 1 + ahead])
        fresh = []
        while num_told < len(tokens) and len("".join(tokens[: num_told + 1])) <= len(seen):
            fresh.append(tokens[num_told])
            num_told += 1
        out += stream.feed({"index": 0, "delta": {"content": piece}, "logprobs": spell(fresh)})
    out += stream.feed({"index": 0, "delta": {}, "finish_reason": "stop"})
    sent = "".join(part["delta"].get("content", "") for part in out)
    told = [e["token"] for part in out for e in (part.get("logprobs") or {}).get("content", [])]
    assert sent == "Ünder way: " and sent.startswith("".join(told))
    assert not any(part in json.dumps(out) for part in ("<tool", "wire", "4242"))


@settings(max_examples=40)
@given(
    text_cuts=st.lists(st.integers(0, 40), max_size=8),
    token_cuts=st.lists(st.integers(0, 40), max_size=12),
)
def test_tokens_of_text_all_leave_in_order(text_cuts: list[int], token_cuts: list[int]) -> None:
    text = "A <b>bold</b> word, and { no call."
    tokens = cut(text, token_cuts)
    stream = ChoiceStream(Enforcement(Policy(), Conversation()))
    parts: list[dict[str, Any]] = [{"delta": {"content": one}} for one in cut(text, text_cuts)]
    parts[0]["logprobs"] = spell(tokens)
    parts.append({"delta": {}, "finish_reason": "stop"})
    out = [one for part in parts for one in stream.feed({"index": 0, **part})]
    told = [e["token"] for part in out for e in (part.get("logprobs") or {}).get("content", [])]
    assert told == tokens
