"""Signs in a run's own metrics that a reward is gamed and not earned; a pure function of them.

A policy that finds a flaw of its grader is rewarded ever more for answers that are no better. Three
signs are read, each a number that is 1 or 0 where nothing is amiss:

* ``held_out_fall``: how much of what the held-out reward had gained is lost again since its best,
  while the training reward went on rising;
* ``entropy_left``: what is left of the entropy of sampling, where the held-out reward has not
  gained: nothing new is tried any more;
* ``length_growth``: how many times as long completions have become, where many are cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.train.watch import Limit

HACKING_LIMITS: Mapping[str, Limit] = {
    "held_out_fall": Limit(highest=0.5),
    "entropy_left": Limit(lowest=0.1),
    "length_growth": Limit(highest=3.0),
}
"""Half of a gain lost, nine tenths of the entropy, three times the length."""
MIN_RECORDS, MIN_READINGS = 20, 3
"""Steps and held-out readings before anything is told: before, it is noise."""
_WINDOW_SHARE, _LEAST_WINDOW = 0.1, 5
_SMALL_SHARE = 0.2
"""Of the best held-out reward: what a gain is taken to be at least, so that noise is none."""
_MANY_TRUNCATED = 0.2

Record = Mapping[str, Any]


def read_hacking(records: Sequence[Record]) -> dict[str, float]:
    """The signs in the metrics of a run so far, by step; none while there are too few."""
    steps = [one for one in records if one.get("train/reward") is not None]
    held = [one for one in steps if one.get("eval/reward") is not None]
    if len(steps) < MIN_RECORDS or len(held) < MIN_READINGS:
        return {}
    size = max(_LEAST_WINDOW, int(_WINDOW_SHARE * len(steps)))
    first, last = steps[:size], steps[-size:]
    rewards = [float(one["eval/reward"]) for one in held]
    has_gained = rewards[-1] > rewards[0] + _SMALL_SHARE * abs(rewards[0])
    entropy = _mean(last, "train/entropy") / max(_mean(first, "train/entropy"), 1e-9)
    length = _mean(last, "train/length") / max(_mean(first, "train/length"), 1e-9)
    is_cut = _mean(last, "train/truncated") > _MANY_TRUNCATED
    return {
        "held_out_fall": _measure_fall(steps, held, rewards, size),
        "entropy_left": 1.0 if has_gained else entropy,
        "length_growth": length if is_cut else 1.0,
    }


def find_signs(signs: Mapping[str, float]) -> str:
    """What of the signs is beyond its limit, as one line; empty where nothing is."""
    left = [name for name, value in signs.items() if HACKING_LIMITS[name].is_left_by(value)]
    return ", ".join(f"{name} {signs[name]:.3g}" for name in left)


def _measure_fall(
    steps: Sequence[Record], held: Sequence[Record], rewards: Sequence[float], size: int
) -> float:
    best = max(range(len(rewards)), key=lambda i: rewards[i])
    until = [one for one in steps if one["step"] <= held[best]["step"]]
    if _mean(steps[-size:], "train/reward") <= _mean(until[-size:], "train/reward"):
        return 0.0
    gain = max(rewards[best] - rewards[0], _SMALL_SHARE * abs(rewards[best]), 1e-9)
    return (rewards[best] - rewards[-1]) / gain


def _mean(records: Sequence[Record], key: str) -> float:
    values = [float(one[key]) for one in records if one.get(key) is not None]
    return sum(values) / len(values) if values else 0.0
