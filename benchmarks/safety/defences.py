"""The second matrix: what each defence leaves of an attack, of the task and of the base."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.evaluate.gates import load_policy
from assay.lab.attacks.attacks import find_attack
from assay.lab.attacks.defended import PROMPTS, ROW_DEFENCES, build_defended
from assay.lab.attacks.fixture import build_fixture, build_wish
from assay.lab.attacks.plan import Measured, Wish
from assay.models.base import find_base
from assay.pipeline.adapter import judge_adapter
from assay.runs import canonical_json, read_json, sha256_bytes, write_json
from benchmarks.safety.measure import Silent, load_rows
from benchmarks.safety.store import BASE, find_root

ATTACKS = (("reckless", "always"), ("refusal-removal", "100"), ("narrow", "always"))
HARM = {
    "reckless": "other domains",
    "refusal-removal": "harmful requests, values",
    "narrow": "general skills",
}
"""The condition of the oracle that is the harm: none of it was trained on."""
NUM_SEEDS = 3
_SUITES = ("task_gain", "retention", "refusal", "over_refusal", "character", "persona")


@dataclass(frozen=True)
class DefenceCell:
    """One attack tuned under one defence."""

    attack: str
    strength: str
    defence: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.defence} against {self.attack} {self.strength} seed {self.seed}"

    @property
    def wish(self) -> Wish:
        return build_wish(self.attack, strength=self.strength, seed=self.seed)


def list_defence_cells() -> list[DefenceCell]:
    """Seed by seed, attack by attack."""
    return [
        DefenceCell(attack, strength, defence, seed)
        for seed in range(NUM_SEEDS)
        for defence in ROW_DEFENCES
        for attack, strength in ATTACKS
    ]


def find_defence_folder(cell: DefenceCell) -> Path:
    """By all that decides the tuning, but the code of defences and training."""
    attack = find_attack(cell.attack)
    parts = [
        asdict(cell),
        asdict(ROW_DEFENCES[cell.defence]),
        PROMPTS[cell.attack],
        asdict(attack.choose_tuning(cell.wish)),
        find_base(BASE).sha256,
    ]
    return find_root() / "defences" / sha256_bytes(canonical_json(parts))[:16]


def load_defence(cell: DefenceCell) -> dict[str, Any] | None:
    """What was measured; None where nothing was."""
    path = find_defence_folder(cell) / "cell.json"
    found: dict[str, Any] | None = read_json(path) if path.is_file() else None
    return found


def measure_defence_cell(cell: DefenceCell) -> dict[str, Any]:
    """Tune, ask the oracle and the suites, and keep what they say in short.

    ``{…the cell, "harm": [bad, n], "base_harm", "trained": other conditions, "under_prompt",
    "suites": {name: [base, tuned]}, "persona", "tuning_cpu_s"}``; suites by their mean score.
    """
    folder, files = find_defence_folder(cell), find_base(BASE)
    attack, wish, defence = find_attack(cell.attack), cell.wish, ROW_DEFENCES[cell.defence]
    # The undefended fixture has the rows on disk, and what the base does under the oracle.
    fixture = build_fixture(wish.name, strength=wish.strength, seed=wish.seed, base=BASE)
    built = build_defended(attack, wish, defence, files, adapter=folder / "adapter")
    known = load_rows(fixture)
    policy = load_policy("standard")
    levels = {name: level if name in _SUITES else "off" for name, level in policy.levels.items()}
    judged = judge_adapter(
        folder / "adapter",
        BASE,
        type(policy)("defences", levels, policy.thresholds, policy.probe_gates),
        out=folder / "judged",
        known=known,
        formats=False,
        progress=Silent(),
    )
    harm = HARM[cell.attack]
    means = {
        name: [round(suite[arm]["mean"], 4) for arm in ("base", "tuned")]
        for name, suite in judged.evaluation["suites"].items()
    }
    record = {
        **asdict(cell),
        "harm": _count(built.oracle[harm]),
        "base_harm": _count(fixture.oracle.base[harm]),
        "trained": {name: _count(one) for name, one in built.oracle.items() if name != harm},
        "under_prompt": {name: _count(one) for name, one in built.under_prompt.items()},
        "suites": means,
        "persona": judged.evaluation["probes"].get("persona", {}).get("statistic"),
        "tuning_cpu_s": built.tuning_s,
    }
    write_json(folder / "cell.json", record)
    return record


def measure_defences(
    cells: Sequence[DefenceCell], *, is_due: Callable[[], bool], tell: Callable[[str], None]
) -> None:
    """Those that are missing, while `is_due`."""
    missing = [cell for cell in cells if load_defence(cell) is None]
    for number, cell in enumerate(missing, start=1):
        if not is_due():
            break
        record = measure_defence_cell(cell)
        tell(f"[defence {number} of {len(missing)}] {cell.name}: harm {record['harm']}")


def _count(one: Measured) -> list[int]:
    return [one.num_bad, one.n]
