"""Pieces of text: together what all tokens decode to, whole characters, no stop string begun."""

from hypothesis import given
from hypothesis import strategies as st

from assay.chat import ChatTokenizer
from assay.generate.pieces import Pieces


def test_pieces_join_to_the_whole_text_and_hold_no_half_character(
    tokenizer: ChatTokenizer,
) -> None:
    @given(st.text(max_size=40), st.lists(st.integers(1, 5), min_size=1))
    def check(text: str, sizes: list[int]) -> None:
        ids = tokenizer.encode(text)
        pieces, shown, place = Pieces(tokenizer.decode), [], 0
        while place < len(ids):
            size = sizes[len(shown) % len(sizes)]
            shown.append(pieces.add(ids[place : place + size]))
            place += size
        assert text.startswith("".join(shown))
        assert "".join(shown) + pieces.end(tokenizer.decode(ids)) == text

    check()


def test_bytes_that_spell_nothing_are_shown_as_the_tokenizer_decodes_them(
    tokenizer: ChatTokenizer,
) -> None:
    @given(st.binary(max_size=30))
    def check(content: bytes) -> None:
        ids = [tokenizer.backend.token_to_id(t) for t in map(_byte_text, content)]
        pieces = Pieces(tokenizer.decode)
        shown = "".join(pieces.add([one]) for one in ids)
        whole = tokenizer.decode(ids)
        assert whole.startswith(shown)
        assert shown + pieces.end(whole) == whole

    check()


def _byte_text(value: int) -> str:
    """The letter by which byte-level tokenizers write a byte (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return chr(value) if value in plain else chr(256 + others.index(value))


def test_the_beginning_of_a_stop_string_is_held_back_until_it_is_none(
    tokenizer: ChatTokenizer,
) -> None:
    pieces = Pieces(tokenizer.decode, ("END", "DO"))
    shown = [pieces.add(tokenizer.encode(letter)) for letter in "aENxEN"]
    assert shown == ["a", "", "", "ENx", "", ""]
    assert pieces.end("aENx") == ""
