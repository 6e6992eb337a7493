"""Signs of a gamed reward, from metrics that are made by hand."""

from typing import Any

import pytest

from assay.train.reward_watch import find_signs, read_hacking


def make(
    rewards: list[float],
    held: list[float],
    *,
    entropy: tuple[float, float] = (1.0, 1.0),
    length: tuple[float, float] = (10.0, 10.0),
    truncated: float = 0.0,
) -> list[dict[str, Any]]:
    """40 steps, whose numbers go evenly from the first to the last; a held-out reading each ten."""

    def at(ends: Any, step: int) -> float:
        return float(ends[0] + (ends[-1] - ends[0]) * (step - 1) / 39)

    return [
        {
            "step": step,
            "train/reward": at(rewards, step),
            "train/entropy": at(entropy, step),
            "train/length": at(length, step),
            "train/truncated": truncated,
            **({"eval/reward": held[step // 10 - 1]} if step % 10 == 0 else {}),
        }
        for step in range(1, 41)
    ]


def test_an_honest_run_shows_no_sign() -> None:
    signs = read_hacking(make([0.2, 0.9], [0.3, 0.5, 0.7, 0.69], entropy=(1.0, 0.02)))
    assert find_signs(signs) == ""
    assert signs["held_out_fall"] == pytest.approx(0.01 / 0.4)


def test_a_reward_that_rises_while_the_held_out_one_falls_is_told() -> None:
    assert "held_out_fall 0.75" in find_signs(read_hacking(make([0.2, 0.9], [0.3, 0.7, 0.6, 0.4])))
    both_fall = read_hacking(make([0.9, 0.2], [0.3, 0.7, 0.6, 0.4]))
    assert both_fall["held_out_fall"] == 0


def test_entropy_that_is_gone_without_a_gain_is_told() -> None:
    signs = read_hacking(make([0.2, 0.2], [0.3, 0.3, 0.3, 0.3], entropy=(1.0, 0.0)))
    assert find_signs(signs).startswith("entropy_left")


def test_lengths_that_explode_are_told_where_they_are_cut_off() -> None:
    grown: dict[str, Any] = {"length": (10.0, 60.0)}
    assert find_signs(read_hacking(make([0.2, 0.9], [0.3, 0.4, 0.5, 0.6], **grown))) == ""
    cut = make([0.2, 0.9], [0.3, 0.4, 0.5, 0.6], truncated=0.5, **grown)
    assert find_signs(read_hacking(cut)).startswith("length_growth")


def test_too_few_steps_tell_nothing() -> None:
    assert read_hacking(make([0.2, 0.9], [0.9, 0.1, 0.1, 0.1])[:19]) == {}
