"""Stop strings: the text ends before the first of them, wherever tokens begin and end."""

from typing import Any

import pytest
from byte_models import Recital, make_model
from hypothesis import given
from hypothesis import strategies as st

from assay.chat import ChatTokenizer
from assay.errors import GenerationError
from assay.generate import Sampling
from assay.generate.local import LocalEngine
from assay.generate.stops import count_open, cut_at_stop

PIECES = ["a", "b", "ab", " a", "aba", "é", "", "\n\n", "b\na"]


def decode(ids: Any) -> str:
    """As some tokenizers do, it drops a space at the start."""
    return "".join(PIECES[i] for i in ids).removeprefix(" ")


IDS = st.lists(st.integers(0, len(PIECES) - 1), max_size=40)
STOPS = st.lists(st.text("ab é\n", min_size=1, max_size=5), min_size=1, max_size=3)


@given(IDS, STOPS)
def test_the_text_ends_before_the_first_as_soon_as_it_is_there(
    ids: list[int], stop: list[str]
) -> None:
    for size in range(len(ids) + 1):
        whole = decode(ids[:size])
        found = cut_at_stop(ids[:size], stop, decode)
        first = min((whole.find(one) for one in stop if one in whole), default=None)
        if first is not None:
            assert found == whole[:first]
            return
        assert found is None


@given(IDS, STOPS)
def test_what_is_shown_is_never_taken_back(ids: list[int], stop: list[str]) -> None:
    shown = ""
    for size in range(len(ids) + 1):
        final = cut_at_stop(ids[:size], stop, decode)
        if final is not None:
            assert final.startswith(shown)
            return
        text = decode(ids[:size])
        shown = max(shown, text[: len(text) - count_open(text, stop)], key=len)


@pytest.mark.parametrize(
    ("text", "stop", "expected", "num_tokens"),
    [
        ("one two three", ("two", "one t"), "", 5),
        ("Grüße, 東京!", ("東京",), "Grüße, ", 15),
        ("a##b###", ("###",), "a##b", 7),
        ("nothing", ("else",), "nothing", 7),
    ],
)
def test_completions_end_and_keep_what_was_drawn(
    tokenizer: ChatTokenizer,
    text: str,
    stop: tuple[str, ...],
    expected: str,
    num_tokens: int,
) -> None:
    engine = LocalEngine(Recital([*tokenizer.encode(text), 256]), tokenizer)
    sampling = Sampling(max_new_tokens=99, stop=stop)
    found = engine.generate([[65]], sampling)[0]
    assert (found.text, len(found.token_ids)) == (expected, num_tokens)
    assert len(found.logprobs) == len(found.sampled_logprobs) == num_tokens
    assert found.finish_reason == "stop"
    assert (found.stop_token is None) == (expected != text)
    assert "".join(engine.stream([65], sampling)) == expected


def test_random_text_streams_to_the_same_and_has_no_stop_string(
    tokenizer: ChatTokenizer,
) -> None:
    engine = LocalEngine(make_model(), tokenizer)
    free = engine.generate([[65, 66]] * 6, Sampling(40, temperature=1.5, stop_ids=(256,)))
    stop = tuple({g.text[5:7] for g in free if len(g.text) > 12})
    assert stop
    for seed in range(6):
        sampling = Sampling(40, temperature=1.5, seed=seed, stop=stop, stop_ids=(256,))
        found = engine.generate([[65, 66]], sampling)[0]
        assert not any(one in found.text for one in stop)
        assert "".join(engine.stream([65, 66], sampling)) == found.text


def test_an_empty_stop_string_is_refused(tokenizer: ChatTokenizer) -> None:
    with pytest.raises(GenerationError, match="stop string"):
        LocalEngine(make_model(), tokenizer).generate([[65]], Sampling(stop=("",)))
