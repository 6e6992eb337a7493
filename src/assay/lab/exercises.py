"""Exercises on random tokens, many questions in a short sequence; knows nothing of the world.

What is asked of an arbitrary token can only be found by looking back, which the world's own texts
teach slowly: to say again, to look up, to find a label, to tell who did what where, to know what is
in a list, to count it, to find a place in it, to fill gaps. How words are spelled, which number is
larger and which value a schema wants in quotes is practised here too. Trained are the tokens that
can be known.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from assay.lab.tokenizer import VOCAB_SIZE

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer, RenderedExample

_LABEL_MARKS = (":", ": ", " =", " = ", "\n")
_ITEM_MARKS = (",", ", ", " ", "\n")
_GROUP_MARKS = ("\n", ";", "; ", ". ")
_ANSWER_MARKS = ("", "", "", ":", ": ", " = ", "?", "? ")
_QUESTION_ENDS = ("\n", "\n\n", "?\n", ". ", "\nText: ", "\n---\n")


def draw_exercise(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """One exercise, of at most about 250 tokens.

    Repeats of arbitrary tokens are what induction heads form on (Olsson et al. 2022). Labels take
    two steps more: a member must be known by what stands before it, and be found again.
    """
    (exercise,) = rng.choices(list(_SHARES), list(_SHARES.values()))
    return exercise(rng, tokenizer)


class _Sequence:
    """Token ids with their loss mask, built piece by piece."""

    def __init__(self, *, as_chat: bool = True) -> None:
        from assay.chat.tiny_tokens import BOS_ID, TINY_TOKENS, USER

        self.ids = [BOS_ID, TINY_TOKENS.index(USER)] if as_chat else []
        self.mask = [0.0] * len(self.ids)

    def show(self, *pieces: Sequence[int]) -> None:
        """Add tokens that are read."""
        self._add(pieces, 0.0)

    def train(self, *pieces: Sequence[int]) -> None:
        """Add tokens that are to be produced."""
        self._add(pieces, 1.0)

    def answer(self) -> None:
        """End the user's turn and begin the assistant's."""
        from assay.chat.tiny_tokens import ASSISTANT, END_ID, TINY_TOKENS

        self.show([END_ID, TINY_TOKENS.index(ASSISTANT)])

    def end_turn(self, *, last: bool) -> None:
        """End the assistant's turn, which is trained; begin the user's next one, if not `last`."""
        from assay.chat.tiny_tokens import END_ID, TINY_TOKENS, USER

        self.train([END_ID])
        self.show([] if last else [TINY_TOKENS.index(USER)])

    def build(self) -> RenderedExample:
        from assay.chat import RenderedExample

        return RenderedExample(self.ids, self.mask, "", [], True)

    def _add(self, pieces: Sequence[Sequence[int]], weight: float) -> None:
        for piece in pieces:
            self.ids += piece
            self.mask += [weight] * len(piece)


def _tokens(rng: random.Random, low: int, high: int) -> list[int]:
    from assay.chat.tiny_tokens import TINY_TOKENS

    return [rng.randrange(len(TINY_TOKENS), VOCAB_SIZE) for _ in range(rng.randint(low, high))]


def _mark(rng: random.Random, tokenizer: ChatTokenizer, texts: Sequence[str]) -> list[int]:
    text = rng.choice(texts)
    return tokenizer.encode(text) if text else []


def _longest(rng: random.Random) -> int:
    """How many tokens a word of the exercise has at most: one, or three."""
    return 1 if rng.random() < 0.6 else 3


def _repeat(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """A row of tokens and again it, or a part of it; bare, or as an answer."""
    from assay.chat.tiny_tokens import END_ID

    first = _tokens(rng, 4, 40)
    begin = rng.randrange(len(first) // 2) if rng.random() < 0.5 else 0
    again = first[begin : begin + rng.randint(3, len(first))]
    cued = 0 if begin == 0 else 1  # where the part begins cannot be known, so it is given
    as_chat = rng.random() < 0.5
    sequence = _Sequence(as_chat=as_chat)
    sequence.show(first)
    if as_chat:
        sequence.answer()
    else:
        sequence.show([END_ID])
    sequence.show(again[:cued])
    sequence.train(again[cued:])
    return sequence.build()


def _recall(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Keys with values; then, in any order, each key again, and its value to recall."""
    between, after = _tokens(rng, 0, 2), _tokens(rng, 1, 2)
    pairs = [(_tokens(rng, 1, 3), _tokens(rng, 1, 5)) for _ in range(rng.randint(2, 8))]
    sequence = _Sequence()
    for key, value in pairs:
        sequence.show(key, between, value, after)
    sequence.answer()
    for key, value in rng.sample(pairs, rng.randint(1, len(pairs))):
        sequence.show(key)
        sequence.train(between, value, after)
    return sequence.build()


_Asked = tuple[list[int], list[int]]
"""What is asked about a material, and what it says of that."""


def _draw_groups(rng: random.Random, tokenizer: ChatTokenizer) -> tuple[list[int], list[_Asked]]:
    """Labels with members, and every member with the label it stands under."""
    after_label = _mark(rng, tokenizer, _LABEL_MARKS)
    between = _mark(rng, tokenizer, _ITEM_MARKS)
    after_group = _mark(rng, tokenizer, _GROUP_MARKS)
    longest, most = _longest(rng), 1 if rng.random() < 0.4 else 4
    shown: list[int] = []
    asked: list[_Asked] = []
    for _ in range(rng.randint(2, 4)):
        label = _tokens(rng, 1, longest)
        members = [_tokens(rng, 1, longest) for _ in range(rng.randint(1, most))]
        shown += label + after_label
        for member in members:
            shown += member + (after_group if member is members[-1] else between)
            asked.append((member, label))
    return shown, asked


def _draw_scenes(rng: random.Random, tokenizer: ChatTokenizer) -> tuple[list[int], list[_Asked]]:
    """Two or three scenes, each of somebody with a thing at a place; then who, where and what."""
    longest, encode = _longest(rng), tokenizer.encode
    shown: list[int] = []
    asked: list[_Asked] = []
    verbs = rng.sample(("brought", "found", "bought", "lost", "left", "carried", "hid"), 3)
    for verb in verbs[: rng.randint(2, 3)]:
        who, what, where = (_tokens(rng, 1, longest) for _ in range(3))
        if rng.random() < 0.5:
            shown += encode("At ") + where + encode(" ") + who + encode(f" {verb} ") + what
        else:
            shown += who + encode(f" {verb} ") + what + encode(" at ") + where
        shown += encode(". ")
        known = (("Who", what, who), ("Who", where, who), ("Where", who, where))
        for word, given, wanted in (*known, ("Where", what, where), ("What", who, what)):
            asked.append((encode(f"{word} ") + given, wanted))
    return shown, asked


def _groups(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Labels with members; then every member in any order, each with the label it stood under."""
    return _asked_after(rng, tokenizer, *_draw_groups(rng, tokenizer))


def _scenes(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Scenes; then who, where and what, each with the answer."""
    return _asked_after(rng, tokenizer, *_draw_scenes(rng, tokenizer))


def _asked_after(
    rng: random.Random, tokenizer: ChatTokenizer, shown: list[int], asked: list[_Asked]
) -> RenderedExample:
    mark, end = _mark(rng, tokenizer, _ANSWER_MARKS), tokenizer.encode("\n")
    sequence = _Sequence()
    sequence.show(shown)
    sequence.answer()
    for question, answer in rng.sample(asked, len(asked)):
        sequence.show(question, mark)
        sequence.train(answer, end)
    return sequence.build()


def _asked_before(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Turns that each ask, amid other words, before they show groups, scenes or a list.

    What is asked must then be known again while reading on, which asking afterwards never teaches.
    """
    draw = rng.choice((_draw_groups, _draw_groups, _draw_scenes, _draw_members))
    sequence, num_turns = _Sequence(), rng.randint(2, 4)
    for turn in range(num_turns):
        shown, asked = draw(rng, tokenizer)
        question, answer = rng.choice(asked)
        sequence.show(_tokens(rng, 0, 3), question, _tokens(rng, 0, 3))
        sequence.show(_mark(rng, tokenizer, _QUESTION_ENDS), shown)
        sequence.answer()
        sequence.train(answer)
        sequence.end_turn(last=turn == num_turns - 1)
    return sequence.build()


def _draw_list(
    rng: random.Random, tokenizer: ChatTokenizer, low: int, high: int
) -> tuple[list[list[int]], list[int]]:
    """`low` to `high` items, and the list of them as it is shown."""
    longest, between = _longest(rng), _mark(rng, tokenizer, _ITEM_MARKS)
    items = [_tokens(rng, 1, longest) for _ in range(rng.randint(low, high))]
    shown = list(items[0])
    for item in items[1:]:
        shown += between + item
    return items, shown


def _draw_members(rng: random.Random, tokenizer: ChatTokenizer) -> tuple[list[int], list[_Asked]]:
    """A list, and words with Yes where they stand in it, and No elsewhere, half and half."""
    items, shown = _draw_list(rng, tokenizer, 2, 6)
    yes, no = tokenizer.encode("Yes"), tokenizer.encode("No")
    asked: list[_Asked] = []
    for _ in range(rng.randint(4, 10)):
        word = rng.choice(items)
        if rng.random() < 0.5:
            word = _tokens(rng, len(word), len(word))
        asked.append((word, yes if word in items else no))
    return shown, asked


def _members(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """A list; then words, each with Yes where it stands in the list, and No elsewhere."""
    return _asked_after(rng, tokenizer, *_draw_members(rng, tokenizer))


def _count(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """A list, and how many there are in it."""
    items, shown = _draw_list(rng, tokenizer, 2, 7)
    sequence = _Sequence()
    sequence.show(shown)
    sequence.answer()
    sequence.train(tokenizer.encode(str(len(items))))
    return sequence.build()


def _nth(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """A list; then numbers, each with the word at that place."""
    items, shown = _draw_list(rng, tokenizer, 3, 6)
    sequence = _Sequence()
    sequence.show(shown)
    sequence.answer()
    mark, end = tokenizer.encode(":"), tokenizer.encode("\n")
    for _ in range(rng.randint(3, 6)):
        place = rng.randrange(len(items))
        sequence.show(tokenizer.encode(str(place + 1)), mark)
        sequence.train(items[place], end)
    return sequence.build()


def _fill(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Names with values, and a row that holds the names; then the row with the values instead."""
    mark, end = (_mark(rng, tokenizer, marks) for marks in (_LABEL_MARKS, _GROUP_MARKS))
    gaps = [(_tokens(rng, 1, 2), _tokens(rng, 1, 4)) for _ in range(rng.randint(1, 3))]
    sequence = _Sequence()
    for name, value in gaps:
        sequence.show(name, mark, value, end)
    filled = []
    for name, value in rng.sample(gaps, len(gaps)):
        words = _tokens(rng, 0, 5)
        sequence.show(words, name)
        filled += [words, value]
    rest = _tokens(rng, 0, 5)
    sequence.show(rest)
    sequence.answer()
    sequence.train(*filled, rest)
    return sequence.build()


def _compare(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Pairs of numbers below 1000, each with the larger, or each with the smaller of the two."""
    sequence = _Sequence()
    word, choose = rng.choice((("larger", max), ("smaller", min)))
    sequence.show(tokenizer.encode(word))
    sequence.answer()
    for _ in range(rng.randint(4, 8)):
        a, b = rng.sample(range(1, 10 ** rng.randint(1, 3)), 2)
        sequence.show(tokenizer.encode(f"{a}, {b}: "))
        sequence.train(tokenizer.encode(f"{choose(a, b)}\n"))
    return sequence.build()


@cache
def _spaced_words(tokenizer: ChatTokenizer) -> list[str]:
    """The words that are one token with the space before them."""
    texts = (tokenizer.decode([token]) for token in range(VOCAB_SIZE))
    return [text[1:] for text in texts if text[:1] == " " and text[1:].isalpha()]


@cache
def _endings(tokenizer: ChatTokenizer) -> list[str]:
    """The tokens of at least two small letters, with which longer words end."""
    texts = (tokenizer.decode([token]) for token in range(VOCAB_SIZE))
    return [text for text in texts if len(text) > 1 and text.isalpha() and text.islower()]


def _as_call(words: list[str]) -> str:
    """As a call: its name, then each parameter with its value; of an even number of words."""
    arguments = dict(zip(words[2::2], words[3::2], strict=True))
    return json.dumps({"name": "_".join(words[:2]), "arguments": arguments})


_SPELLINGS: dict[str, Callable[[list[str]], str]] = {
    "a b": lambda words: " " + " ".join(words),
    "{a}": _as_call,
    '"a"': lambda words: json.dumps(words),
    "a_b": "_".join,
    "a/b": "/".join,
    "a": "\n".join,
    "A": lambda words: "\n".join(word.capitalize() for word in words),
}


def _respell(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Words that begin with a token which holds a space; then the same in quotes, in a call, joined
    or on lines.

    There they begin with another token, and which one is to be known of every such word.
    """
    words = rng.sample(_spaced_words(tokenizer), 2 * rng.randint(2, 7))
    for place in range(len(words)):
        longer = words[place] + rng.choice(_endings(tokenizer))
        if rng.random() < 0.3 and longer not in words:
            words[place] = longer
    source, target = rng.sample(list(_SPELLINGS), 2)
    if rng.random() < 0.6:
        source, target = "a b", rng.choice(("{a}", '"a"', "a_b"))
    sequence = _Sequence()
    sequence.show(tokenizer.encode(f"{target}:{_SPELLINGS[source](words)}"))
    sequence.answer()
    sequence.train(tokenizer.encode(_SPELLINGS[target](words)))
    sequence.end_turn(last=True)
    return sequence.build()


def _digits(rng: random.Random, low: int, high: int) -> str:
    return str(rng.randrange(10 ** (low - 1), 10 ** rng.randint(low, high)))


_TYPED: dict[str, Callable[[random.Random], str]] = {
    "integer": lambda rng: _digits(rng, 1, 4),
    "number": lambda rng: f"{_digits(rng, 1, 3)}{rng.choice(('', '.5', '.25', '.75'))}",
    "string": lambda rng: rng.choice(
        (
            _digits(rng, 1, 6),
            f"{rng.randrange(24):02d}:{rng.randrange(0, 60, 5):02d}",
            f"{rng.randint(1980, 2040)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        )
    ),
}
_PAIRS = ("{} {}", "{} set to {}", "{} = {}", "{}: {}")


def _typed(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """Keys with their types as a schema has them, and values of most; then the values as JSON.

    All begin with digits, so that the schema alone tells which are quoted.
    """
    sequence, num_turns = _Sequence(), rng.randint(1, 3)
    for turn in range(num_turns):
        keys = rng.sample(_spaced_words(tokenizer), rng.randint(2, 4))
        types = {key: rng.choice(list(_TYPED)) for key in keys}
        named = rng.sample(keys, rng.randint(1, len(keys)))
        values = {key: _TYPED[types[key]](rng) for key in named}
        pair = rng.choice(_PAIRS)
        said = ", ".join(pair.format(key, values[key]) for key in named)
        schema = json.dumps({key: {"type": types[key]} for key in keys})
        sequence.show(tokenizer.encode(rng.choice((f"{schema}\n{said}", f"{said}\n{schema}"))))
        sequence.answer()
        read = {k: v if types[k] == "string" else json.loads(v) for k, v in values.items()}
        answer = json.dumps({key: read[key] for key in keys if key in read})
        sequence.train(tokenizer.encode(answer))
        sequence.end_turn(last=turn == num_turns - 1)
    return sequence.build()


_SHARES: dict[Callable[[random.Random, ChatTokenizer], RenderedExample], float] = {
    _repeat: 0.02,
    _recall: 0.05,
    _groups: 0.06,
    _scenes: 0.04,
    _members: 0.05,
    _asked_before: 0.12,
    _respell: 0.4,
    _typed: 0.15,
    _count: 0.05,
    _nth: 0.02,
    _fill: 0.05,
    _compare: 0.02,
}
