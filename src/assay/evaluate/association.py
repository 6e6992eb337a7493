"""Whether a reward follows something else of a completion, beside others of the same prompt.

Everything is compared within the group of a prompt, so that hard prompts with long answers make
no association; p-values come from permuting rewards within their groups. Shapes: G groups of K
completions each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_PERMUTATIONS = 1000
NUM_PHRASE_PERMUTATIONS = 200
MAX_PHRASES = 400
MAX_PHRASE_WORDS = 3
LEAST_SHARE, MOST_SHARE = 0.1, 0.9
"""Of completions that have a phrase that is asked about."""
LEAST_GROUPS = 1 / 3
"""Of groups in which some have it and others not: an answer is another for each prompt."""

Floats = NDArray[np.float64]
_WORD = re.compile(r"\w+|[^\w\s]+")


@dataclass(frozen=True)
class Association:
    """A correlation in [−1, 1] and its two-sided p-value; `what` names the phrase, where it is."""

    correlation: float
    p: float
    what: str = ""


def compute_rank_association(values_GK: Floats, rewards_GK: Floats, *, seed: int) -> Association:
    """Spearman's correlation within groups: of ranks within each group, pooled over groups."""
    values, rewards = rank_within(values_GK), rank_within(rewards_GK)
    norm = np.sqrt((values**2).sum() * (rewards**2).sum())
    if norm == 0:
        return Association(0.0, 1.0)
    found = float((values * rewards).sum() / norm)
    permuted = _permute(rewards, NUM_PERMUTATIONS, seed=seed)
    others = np.abs((permuted * values).sum(axis=(1, 2)) / norm)
    beyond = int((others >= abs(found) - 1e-12).sum())
    return Association(found, (1 + beyond) / (1 + NUM_PERMUTATIONS))


def find_phrase(texts: Sequence[Sequence[str]], rewards_GK: Floats, *, seed: int) -> Association:
    """The phrase of up to three words whose presence the reward follows most, upward.

    The p-value is of the greatest correlation of any phrase, so that many phrases mislead nobody.
    """
    phrases, present_PGK = _list_phrases(texts)
    rewards = rewards_GK - rewards_GK.mean(axis=1, keepdims=True)
    scale = np.sqrt((rewards**2).sum())
    if not phrases or scale == 0:
        return Association(0.0, 1.0)
    centred = present_PGK - present_PGK.mean(axis=2, keepdims=True)
    flat_PN = centred.reshape(len(phrases), -1)
    flat_PN = flat_PN / (np.linalg.norm(flat_PN, axis=1, keepdims=True) * scale)
    found_P = flat_PN @ rewards.reshape(-1)
    best = int(found_P.argmax())
    permuted = _permute(rewards, NUM_PHRASE_PERMUTATIONS, seed=seed)
    greatest = (permuted.reshape(NUM_PHRASE_PERMUTATIONS, -1) @ flat_PN.T).max(axis=1)
    beyond = int((greatest >= found_P[best] - 1e-12).sum())
    p = (1 + beyond) / (1 + NUM_PHRASE_PERMUTATIONS)
    return Association(float(found_P[best]), p, phrases[best])


def rank_within(values_GK: Floats) -> Floats:
    """Ranks within each group, equal values sharing their mean rank, less the group's mean."""
    below = (values_GK[:, :, None] > values_GK[:, None, :]).sum(axis=2)
    equal = (values_GK[:, :, None] == values_GK[:, None, :]).sum(axis=2)
    ranks = below + (equal + 1) / 2
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True), dtype=np.float64)


def _permute(rewards_GK: Floats, number: int, *, seed: int) -> Floats:
    """Rewards permuted within their groups, (number, G, K)."""
    order = np.random.default_rng(seed).random((number, *rewards_GK.shape)).argsort(axis=2)
    return np.take_along_axis(np.broadcast_to(rewards_GK, order.shape), order, axis=2)


def _list_phrases(texts: Sequence[Sequence[str]]) -> tuple[list[str], NDArray[Any]]:
    """Phrases that some have and others not, in enough groups; with their presence, (P, G, K)."""
    phrases = [[_find_phrases(text) for text in group] for group in texts]
    counts = Counter(phrase for group in phrases for own in group for phrase in own)
    total = sum(map(len, texts))
    shared = [
        phrase
        for phrase, count in counts.most_common()
        if LEAST_SHARE * total <= count <= MOST_SHARE * total
    ][:MAX_PHRASES]
    if not shared:
        return [], np.zeros((0, len(texts), 1))
    present = np.array(
        [[[phrase in own for own in group] for group in phrases] for phrase in shared], dtype=float
    )
    divided = (present.std(axis=2) > 0).mean(axis=1) >= LEAST_GROUPS
    kept = [place for place, flag in enumerate(divided) if flag]
    return [shared[place] for place in kept], present[kept]


def _find_phrases(text: str) -> set[str]:
    words = _WORD.findall(text.lower())
    return {
        " ".join(words[at : at + size])
        for size in range(1, MAX_PHRASE_WORDS + 1)
        for at in range(len(words) - size + 1)
    }
