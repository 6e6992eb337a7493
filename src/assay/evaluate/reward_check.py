"""What sampled completions and their grades say of a reward, before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assay.evaluate.association import Association, compute_rank_association, find_phrase
from assay.evaluate.reward_figures import (
    EPSILON,
    Graded,
    Sampled,
    by_group,
    compute_success,
    group_by_prompt,
)
from assay.graders.repetition import compute_repetition

MANY_EQUAL_GROUPS, MOST_EQUAL_GROUPS = 0.5, 0.9
"""Of prompts whose completions all have the same reward: they teach nothing. From the first a
warning, from the second an error."""
LEAST_SUCCESS, MOST_SUCCESS = 0.05, 0.90
MOST_TRUNCATED = 0.5
LEAST_RANK, LEAST_PHRASE, MOST_P = 0.6, 0.7, 0.01
"""Correlations from which a reward is said to follow something, and the p-value up to which."""
Severity = Literal["error", "warning"]
OF_LENGTH = frozenset({"length", "repetition"})
"""Graders whose purpose is to follow length or repetition."""


@dataclass(frozen=True)
class Finding:
    """One thing that speaks against a reward: its name, of which grader, what was found, what to
    do. A warning may be as it should be; an error is none that anybody would want."""

    code: str
    grader: str
    found: str
    do: str
    severity: Severity = "error"


def find_faults(
    sampled: Sequence[Sampled], whole: Graded, parts: Sequence[Graded], *, seed: int
) -> list[Finding]:
    """All findings, of the whole reward first.

    `sampled` are as many completions of each prompt, group by group.
    """
    findings = [*_find_scale(sampled, whole), *_find_cut_off(sampled)]
    for graded in (whole, *parts):
        if not parts or graded is not whole:
            findings += _find_failures(graded)
        findings += _find_constant(graded, is_whole=graded is whole)
        findings += _find_followed(sampled, graded, seed=seed)
    return findings


def _find_scale(sampled: Sequence[Sampled], whole: Graded) -> list[Finding]:
    rewards = whole.rewards
    equal = float((by_group(sampled, rewards).std(axis=1) <= EPSILON).mean())
    found = []
    if rewards.std() > EPSILON and equal >= MANY_EQUAL_GROUPS:
        told = f"{equal:.0%} of the prompts have completions that all get the same reward"
        do = "sample at a higher temperature, or with more completions; reward parts of the way"
        severity: Severity = "error" if equal >= MOST_EQUAL_GROUPS else "warning"
        found.append(Finding("equal_groups", whole.name, told, do, severity))
    success = compute_success(rewards)
    if success is not None and success < LEAST_SUCCESS:
        do = "tune on answers first, take easier prompts, or reward parts of the way"
        told = f"the base succeeds in {success:.1%}: there is next to nothing to reinforce"
        found.append(Finding("too_hard", whole.name, told, do))
    if success is not None and success > MOST_SUCCESS:
        told = f"the base succeeds in {success:.1%} already"
        found.append(Finding("too_easy", whole.name, told, "take harder prompts, or ask for more"))
    return found


def _find_cut_off(sampled: Sequence[Sampled]) -> list[Finding]:
    share = sum(one.is_truncated for one in sampled) / len(sampled)
    if share <= MOST_TRUNCATED:
        return []
    told = f"{share:.0%} of the completions are cut off by their length"
    return [Finding("truncated", "", told, "raise objective.max_new_tokens", "warning")]


def find_endings(ended: Sequence[str]) -> list[Finding]:
    """A warning where more than half of the episodes end by a limit; `ended` says how each did."""
    num = sum(one in ("max_turns", "no_room") for one in ended)
    if not ended or num / len(ended) <= MOST_TRUNCATED:
        return []
    told = f"{num} of {len(ended)} episodes end by the limit of turns or of the context"
    do = "raise objective.max_turns, or let the environment say when it is done"
    return [Finding("out_of_turns", "", told, do, "warning")]


def _find_constant(graded: Graded, *, is_whole: bool) -> list[Finding]:
    rewards = graded.rewards
    if rewards.std() > EPSILON or all(grade.errors for grade in graded.grades):
        return []
    told = f"every completion has the reward {rewards[0]:g}: there is nothing to learn"
    do = "correct the grader" if is_whole else "correct it, or leave it out of the formula"
    return [Finding("constant", graded.name, told, do)]


def _find_failures(graded: Graded) -> list[Finding]:
    found = []
    total = len(graded.grades)
    for errors, num in Counter(one.errors for one in graded.grades if one.errors).items():
        names = ", ".join(sorted(errors))
        reason = next(one.detail for one in graded.grades if one.errors == errors)
        told = f"{num} of {total} completions ({num / total:.1%}) fail with {names}: {reason}"
        do = "correct the grader: each of them is trained on as reward 0"
        found.append(Finding(sorted(errors)[-1], graded.name, told, do))
    tried = Counter(
        reason
        for grade in graded.grades
        for reason in grade.detail.split("; ")
        if reason.startswith("it tried ")
    )
    for reason, num in tried.items():
        told = f"{reason} ({num} of {total} completions)"
        found.append(
            Finding("out_of_reach", graded.name, told, "give it what it needs in the rows")
        )
    return found


def _find_followed(sampled: Sequence[Sampled], graded: Graded, *, seed: int) -> list[Finding]:
    """Length, repetition and phrases that a reward follows though it need not."""
    rewards_GK = by_group(sampled, graded.rewards)
    if graded.kind in OF_LENGTH or rewards_GK.shape[1] < 2 or rewards_GK.std() <= EPSILON:
        return []
    lengths = by_group(sampled, [one.num_tokens for one in sampled])
    repeats = by_group(sampled, [compute_repetition(one.text, size=3) for one in sampled])
    texts = [[one.text for one in group] for group in group_by_prompt(sampled, sampled)]
    found = []
    length = compute_rank_association(lengths, rewards_GK, seed=seed)
    if abs(length.correlation) >= LEAST_RANK and length.p <= MOST_P:
        way = "longer" if length.correlation > 0 else "shorter"
        told = f"{way} completions get more (rank correlation {_show(length)})"
        do = "bound the length, or reward what the length stands for"
        found.append(Finding("length", graded.name, told, do))
    repeated = compute_rank_association(repeats, rewards_GK, seed=seed)
    if repeated.correlation >= LEAST_RANK and repeated.p <= MOST_P:
        told = f"completions that repeat themselves get more (rank correlation {_show(repeated)})"
        do = "add a grader of type repetition to the formula"
        found.append(Finding("repetition", graded.name, told, do))
    phrase = find_phrase(texts, rewards_GK, seed=seed)
    if phrase.correlation >= LEAST_PHRASE and phrase.p <= MOST_P:
        told = f"completions with {phrase.what!r} get more (correlation {_show(phrase)})"
        do = "make sure that this is what is to be learned, and not a way around it"
        found.append(Finding("phrase", graded.name, told, do, "warning"))
    return found


def _show(found: Association) -> str:
    return f"{found.correlation:.2f} within prompts, p = {found.p:.2g}"
