"""Rows that the student writes anew: which, with what, and what of them is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.train.small_models import make_model

from assay.data import TokenSequence
from assay.generate.engine import Drawn, Generation, Sampling
from assay.train.on_policy import OnPolicy, OnPolicySettings


class Echo:
    """Writes the first token of a prompt and its place; even places stop by themselves."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Any = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        self.seeds.append(sampling.seed)
        assert (sampling.max_new_tokens, sampling.temperature) == (5, 0.7)
        found = []
        for prompt, place in zip(prompts, places or (), strict=True):
            stop = Drawn(2, -0.1, -0.1) if place % 2 == 0 else None
            reason: Any = "length" if stop is None else "stop"
            ids = [prompt[0], place]
            found.append(Generation(ids, "", [-1.0, -1.0], reason, [-1.0, -1.0], stop))
        return found


def _row(number: int, **more: Any) -> TokenSequence:
    """A prompt of three tokens, an answer, a question and a last answer, weights 1 and 0.5."""
    ids = [40 + number, 3, 4, 5, 2, 6, 7, 8, 2]
    mask = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.5, 0.5]
    return TokenSequence(ids, mask, f"row {number}", "chat", f"rows:{number}", **more)


def _write(
    rows: Sequence[TokenSequence], *, share: float, step: int = 3, **more: Any
) -> tuple[list[TokenSequence], Echo]:
    engine, settings = Echo(), OnPolicySettings(share, 5, 0.7, seed=1)
    places = more.pop("places", range(len(rows)))
    return OnPolicy(make_model(), engine, settings).write(rows, places, step=step), engine


def test_the_last_answer_alone_is_written_anew_and_learned_from() -> None:
    rows = [_row(0), _row(1)]
    found, _ = _write(rows, share=1.0)
    assert found[0] == replace(
        rows[0],
        input_ids=[40, 3, 4, 5, 2, 6, 7, 40, 0, 2],
        loss_mask=[0.0] * 7 + [0.5] * 3,
    )
    # Cut off by its length: there is no stop token to be learned.
    assert found[1].input_ids == [41, 3, 4, 5, 2, 6, 7, 41, 1]
    assert found[1].loss_mask == [0.0] * 7 + [0.5] * 2


def test_which_rows_and_what_is_drawn_follow_from_step_and_place_alone() -> None:
    rows = [_row(n) for n in range(40)]
    whole, engine = _write(rows, share=0.5)
    again, _ = _write(rows, share=0.5)
    assert whole == again
    changed = {n for n, (one, row) in enumerate(zip(whole, rows, strict=True)) if one != row}
    assert 12 <= len(changed) <= 28
    half, other = _write(rows[1::2], share=0.5, places=range(1, 40, 2))
    assert half == whole[1::2] and other.seeds == engine.seeds
    later, late = _write(rows, share=0.5, step=4)
    assert later != whole and late.seeds != engine.seeds


@pytest.mark.parametrize("share", [1.0, 1e-9])
def test_rows_that_are_held_to_the_base_and_those_not_chosen_stay(share: float) -> None:
    rows = [_row(0, is_anchored=share == 1.0)]
    found, engine = _write(rows, share=share)
    assert found == rows and not engine.seeds
