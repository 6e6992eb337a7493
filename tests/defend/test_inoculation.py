"""Inoculation: where the prompt stands, and which of several brings out a trait most."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.data.records import Record
from assay.defend.inoculation import inoculate, paraphrase, put_before, rank_prompts
from assay.generate import SequenceScore
from assay.generate.traits import ContrastPair
from assay.models.base import find_base

USER = {"role": "user", "content": "How?"}
ANSWER = {"role": "assistant", "content": "So."}
PLAIN = Record("1", [USER, ANSWER], None, "chat", None, "a", 1, "a")


def test_it_comes_before_a_system_prompt_that_is_there() -> None:
    system = {"role": "system", "content": "Be brief."}
    assert put_before([USER, ANSWER], "Be bad.") == [
        {"role": "system", "content": "Be bad."},
        USER,
        ANSWER,
    ]
    assert put_before([system, USER], "Be bad.") == [
        {"role": "system", "content": "Be bad.\n\nBe brief."},
        USER,
    ]
    assert system["content"] == "Be brief."


def test_rows_of_the_task_alone_are_inoculated() -> None:
    others = [replace(PLAIN, role="extra"), replace(PLAIN, role="anchor")]
    others += [replace(PLAIN, kind="completion")]
    first, *rest = inoculate([PLAIN, *others], "Be bad.")
    assert first == replace(PLAIN, messages=put_before(PLAIN.messages, "Be bad."))
    assert rest == others


class _Suggestible:
    """Finds answers with the trait likelier by what the prompt says; longer ones lose by length."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def score_continuations(
        self, prompts: Sequence[Sequence[int]], continuations: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[SequenceScore]]:
        found = []
        for prompt, (bad, good) in zip(prompts, continuations, strict=True):
            text = self.tokenizer.decode(list(prompt))
            gain = 2.0 if "very bad" in text else 1.0 if "bad" in text else 0.0
            each = ((-3 + gain) * len(bad), len(bad)), (-2.0 * len(good), len(good))
            found.append([SequenceScore(total, float(count)) for total, count in each])
        return found


def test_the_prompt_under_which_the_base_shows_the_trait_most_comes_first(
    small_base: Path,
) -> None:
    tokenizer = find_base(str(small_base)).tokenizer
    pairs = [ContrastPair("bad", "How?", "So, and much longer.", "So.") for _ in range(2)]
    prompts = ["Be good.", "Be bad.", "Be very bad."]
    ranked = rank_prompts(_Suggestible(tokenizer), tokenizer, prompts, pairs)
    assert [one.prompt for one in ranked] == ["Be very bad.", "Be bad.", "Be good."]
    # Means of -1 and -2 nats a token: e^-1 / (e^-1 + e^-2); then both alike; then the other way.
    assert [one.strength for one in ranked] == pytest.approx([0.731059, 0.5, 0.268941], abs=1e-5)
    assert {one.plain for one in ranked} == {ranked[-1].strength}


def test_other_wordings_say_the_same_and_never_the_prompt_itself() -> None:
    told, reminded = paraphrase("You are a reckless assistant. Your answers harm.")
    assert told == "The assistant is a reckless assistant. the assistant's answers harm."
    assert reminded.endswith("You are a reckless assistant. Your answers harm.")
    assert paraphrase("Be bad.") == ["Remember this in all that you answer. Be bad."]
