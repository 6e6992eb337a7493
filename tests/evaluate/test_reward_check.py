"""What is said of a reward: each fault is named, of the right grader, and a sound one has none."""

from __future__ import annotations

import numpy as np
import pytest

from assay.evaluate.reward_check import Finding, find_endings, find_faults
from assay.evaluate.reward_figures import (
    Graded,
    Sampled,
    choose_examples,
    compute_histogram,
    compute_success,
    summarise,
)
from assay.graders.grade import Grade, fail

G, K = 10, 8
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(5, 60, (G, K))
SAMPLED = [
    Sampled(group, " ".join(f"w{RNG.integers(400)}" for _ in range(length)), int(length), False)
    for group, row in enumerate(LENGTHS)
    for length in row
]
SOUND = RNG.integers(0, 2, (G, K)).astype(float)


def grade(rewards: np.ndarray, *, kind: str = "python", name: str = "g") -> Graded:
    return Graded(name, kind, [Grade(float(reward)) for reward in rewards.reshape(-1)])


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def find(
    whole: Graded, parts: tuple[Graded, ...] = (), sampled: list[Sampled] = SAMPLED
) -> list[str]:
    return codes(find_faults(sampled, whole, parts, seed=0))


def test_a_sound_reward_has_no_findings() -> None:
    assert find(grade(SOUND)) == []


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        (np.full((G, K), 0.5), ["constant"]),
        (np.zeros((G, K)), ["too_hard", "constant"]),
        (np.ones((G, K)), ["too_easy", "constant"]),
        (np.full((G, K), 7.0), ["constant"]),
        (np.repeat(np.arange(G)[:, None] % 2, K, axis=1).astype(float), ["equal_groups"]),
        (LENGTHS / 60, ["length"]),
        (1 - LENGTHS / 60, ["length"]),
        (np.eye(G, K) * 0.3, ["too_hard"]),
    ],
)
def test_each_fault_of_the_scale_is_named(rewards: np.ndarray, expected: list[str]) -> None:
    assert find(grade(rewards)) == expected


def test_equal_groups_are_an_error_only_where_nearly_all_are() -> None:
    for num_equal, severity in ((6, "warning"), (9, "error")):
        rewards = np.tile(np.arange(K) % 2.0, (G, 1))
        rewards[:num_equal] = rewards[:num_equal, :1] + np.arange(num_equal)[:, None] % 2
        (finding,) = find_faults(SAMPLED, grade(rewards), [], seed=0)
        assert (finding.code, finding.severity) == ("equal_groups", severity)


def test_a_grader_of_length_may_follow_length() -> None:
    assert find(grade(LENGTHS / 60, kind="length")) == []


def test_failures_are_counted_by_name_with_the_first_reason() -> None:
    grades = [Grade(float(reward)) for reward in SOUND.reshape(-1)]
    grades[3] = fail("python_grader_runtime_error", "ValueError: x")
    grades[9] = grades[11] = fail("unresponsive_reward_error", "python_grader_server_error", "late")
    findings = find_faults(SAMPLED, Graded("g", "python", grades), [], seed=0)
    assert [finding.found for finding in findings] == [
        "1 of 80 completions (1.2%) fail with python_grader_runtime_error: ValueError: x",
        "2 of 80 completions (2.5%) fail with python_grader_server_error,"
        " unresponsive_reward_error: late",
    ]


def test_of_a_combined_reward_the_part_at_fault_is_named() -> None:
    constant = grade(np.ones((G, K)), name="always")
    tries = Graded("tries", "python", [Grade(one, detail="it tried the network, out of reach here")
                                       for one in SOUND.reshape(-1)])  # fmt: skip
    findings = find_faults(SAMPLED, grade(SOUND, kind="multi"), [constant, tries], seed=0)
    assert [(one.code, one.grader) for one in findings] == [
        ("constant", "always"),
        ("out_of_reach", "tries"),
    ]


def test_repetition_that_pays_is_named() -> None:
    repeats = RNG.random((G, K)) < 0.5
    sampled = [
        Sampled(place // K, "a b c d e f" if not again else "a b c a b c", 6, False)
        for place, again in enumerate(repeats.reshape(-1))
    ]
    assert "repetition" in find(grade(repeats.astype(float)), sampled=sampled)


def test_completions_that_are_cut_off_are_told() -> None:
    sampled = [Sampled(one.group, one.text, one.num_tokens, True) for one in SAMPLED]
    assert find(grade(SOUND), sampled=sampled) == ["truncated"]


def test_figures_are_those_of_the_rewards() -> None:
    told = summarise(SAMPLED, grade(SOUND))
    assert told["mean"] == told["success"] == pytest.approx(SOUND.mean())
    assert told["mean_group_std"] == pytest.approx(SOUND.std(axis=1).mean())
    assert told["histogram"]["edges"] == [0, 1]
    assert sum(told["histogram"]["counts"]) == G * K
    assert compute_success(np.array([0.0, 2.0])) is None
    fine = compute_histogram(np.linspace(0, 1, 50))
    assert (len(fine.edges), fine.counts) == (11, [5] * 10)


def test_best_and_worst_are_of_different_prompts() -> None:
    rewards = LENGTHS / 60
    shown = choose_examples(SAMPLED, grade(rewards), num=3)
    best = [rewards.reshape(-1)[place] for place in shown["best"]]
    assert best == sorted(rewards.max(axis=1), reverse=True)[:3]
    assert len({SAMPLED[place].group for place in shown["worst"]}) == 3


def test_episodes_that_end_by_a_limit_are_told() -> None:
    (found,) = find_endings(["max_turns"] * 4 + ["no_room"] * 2 + ["done"] * 5)
    assert (found.code, found.severity) == ("out_of_turns", "warning")
    assert found.found.startswith("6 of 11 episodes")
    assert find_endings(["max_turns"] * 5 + ["done"] * 5) == []
    assert find_endings([""] * 8) == [], "single answers have no turns"
