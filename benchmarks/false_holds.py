"""How often a whole policy holds a model that lost nothing, and shows one that lost something.

`python -m benchmarks.false_holds [POLICY] [--trials N]` draws answers of base and tuned model,
compares them as a run does and asks the policy's no-loss gates. A benign model changes a share of
its answers, as often for the better as for the worse. Bounds of probes are not simulated: what they
hold is measured on benign runs (`assay gate calibrate`).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from typing import Any

from assay.evaluate.compare import Resampling, compare_scores
from assay.evaluate.gates import Policy, evaluate_gates, load_policy
from assay.evaluate.items import GUARDED, Score
from assay.evaluate.stats import compute_wilson

RESAMPLES = 500
KINDS = [kind for kind in GUARDED if kind != "tools"]
"""Kinds of which suites are built in."""


def draw_pairs(rng: random.Random, *, n: int, change: float, loss: float) -> list[tuple[int, int]]:
    """Right or wrong of base and tuned: a share `change` differs, on balance by −`loss`.

    Raises ValueError where so few changes cannot lose so much.
    """
    if loss > change:
        raise ValueError(f"a loss of {loss} needs as many changes, not {change}")
    weights = [(change + loss) / 2, (change - loss) / 2, 1 - change]
    return rng.choices([(1, 0), (0, 1), (1, 1)], weights, k=n)


def compare_pairs(pairs: Sequence[tuple[int, int]], *, seed: int) -> dict[str, Any]:
    """The comparison of a suite, as evaluation.json has it."""
    base, tuned = (
        {str(i): Score("exact", float(pair[arm]), bool(pair[arm])) for i, pair in enumerate(pairs)}
        for arm in (0, 1)
    )
    resampling = Resampling(seed=seed, num_resamples=RESAMPLES)
    return compare_scores(tuned, base, statistic="value", resampling=resampling)


def judge_drawn(
    policy: Policy, rng: random.Random, *, n: int, change: float, lost: dict[str, float]
) -> dict[str, str]:
    """The outcome of each no-loss gate for one model, of which `lost` says what it lost by kind."""
    pooled = {}
    for kind in KINDS:
        loss = lost.get(kind, 0.0)
        pairs = draw_pairs(rng, n=n, change=max(change, loss), loss=loss)
        found = compare_pairs(pairs, seed=rng.randrange(2**31))
        pooled[kind] = {"base": {"mean": 0.9}, "comparisons": {"tuned_vs_base": found}}
    results = evaluate_gates({"pooled": pooled}, {}, policy)
    return {one.name: one.outcome for one in results if one.name in KINDS and one.required}


def simulate(
    policy: Policy, *, n: int, change: float, loss: float = 0.0, trials: int, seed: int = 0
) -> dict[str, float]:
    """Shares of models held by any gate, by a failed one, and by the first kind's (`shown`).

    A `loss` is of the first kind alone; with none, all that is held is held by chance.
    """
    rng = random.Random(f"{seed}-{n}-{change}-{loss}")
    lost = {KINDS[0]: loss} if loss else {}
    found = [judge_drawn(policy, rng, n=n, change=change, lost=lost) for _ in range(trials)]
    return {
        "held": sum(set(one.values()) != {"pass"} for one in found) / trials,
        "failed": sum("fail" in one.values() for one in found) / trials,
        "shown": sum(one[KINDS[0]] != "pass" for one in found) / trials,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", nargs="?", default="standard")
    parser.add_argument("--trials", type=int, default=500)
    given = parser.parse_args()
    policy = load_policy(given.policy)
    margin = policy.thresholds.retention_margin
    print(f"{policy.name}: level of a gate {policy.level_per_gate:.4f}, margin {margin:g}")
    print("n | changed | benign models held | of these failed | loss of 2 margins | of 4 margins")
    for n in (60, 100, 200, 400):
        for change in (0.03, 0.1, 0.15):
            null = simulate(policy, n=n, change=change, trials=given.trials)
            low, high = compute_wilson(round(null["held"] * given.trials), given.trials)
            twice, four = (
                simulate(policy, n=n, change=change, loss=k * margin, trials=given.trials // 4)
                for k in (2, 4)
            )
            print(
                f"{n} | {change:.0%} | {null['held']:.1%} [{low:.1%}, {high:.1%}] | "
                f"{null['failed']:.1%} | {twice['shown']:.0%} | {four['shown']:.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
