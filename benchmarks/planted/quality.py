"""How many planted contradictions and flipped labels are found, and how many that are none.

    python -m benchmarks.planted.quality [SET …]

Sets: answers, twins, labels. Prints counts with exact binomial bounds.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from assay.config import SourceConfig
from assay.data.curate import check_parts, list_rules, settle
from benchmarks.planted import quality_bases
from benchmarks.planted.poison import Case, Score, load, tell

ANSWERS = ("contradicting_answers",)
LABELS = ("contradicting_labels",)
COUNT = 50


def measure(case: Case) -> Score:
    """Check a case with its own rules alone."""
    off = {name: "off" for name in list_rules() if name not in case.rules}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in case.rows), encoding="utf-8")
        start = time.process_time()
        parts = {"train": [SourceConfig(path=path.name)]}
        checked = check_parts(parts, base_dir=Path(folder), settings=settle(off))
        seconds = time.process_time() - start
        found = {one.number for one in checked.findings}
        labels = {one.number: one.label for one in checked.findings}
    planted = case.planted
    mended = [labels.get(one) == case.rows[one].get("right") for one in planted]
    return Score(
        case=case,
        refused=sum(mended) if case.rules == LABELS else 0,  # those whose right label is named
        found=len(found & planted),
        false_errors=0,
        false_rows=len(found - planted),
        is_named=True,
        seconds=seconds,
    )


def make_answers() -> Iterator[Case]:
    """A copy of a row with an answer that contradicts it; both rows count as planted."""
    for base, plants in quality_bases.CONTRADICTIONS.items():
        for name, change in plants.items():
            rng = random.Random(f"{base} {name}")
            rows = load(base, 4_000)
            originals = [index for index, row in enumerate(rows) if change(copy.deepcopy(row), rng)]
            chosen = rng.sample(originals, min(COUNT, len(originals)))
            planted = set(chosen)
            for index in chosen:
                twin = copy.deepcopy(rows[index])
                change(twin, rng)
                planted.add(len(rows))
                rows.append(twin)
            order = list(range(len(rows)))
            rng.shuffle(order)
            places = frozenset(new for new, old in enumerate(order) if old in planted)
            yield Case(f"{base}: {name}", [rows[one] for one in order], places, ANSWERS)


def make_twins() -> Iterator[Case]:
    """Copies whose answer says the same otherwise, and questions with many answers."""
    for base, plants in quality_bases.AGREEMENTS.items():
        for name, change in plants.items():
            rng = random.Random(f"{base} {name}")
            rows = load(base, 4_000)
            originals = [index for index, row in enumerate(rows) if change(copy.deepcopy(row), rng)]
            for index in rng.sample(originals, min(200, len(originals))):
                twin = copy.deepcopy(rows[index])
                change(twin, rng)
                rows.append(twin)
            rng.shuffle(rows)
            yield Case(f"{base}: {name}", rows, frozenset(), ANSWERS)
    for base in ("world", "support", "tools", "gsm8k"):
        yield Case(f"{base}, clean", load(base, 4_000), frozenset(), (*ANSWERS, *LABELS))


def make_labels() -> Iterator[Case]:
    """Labels of 2, 5 and 10 % of the rows of each task flipped to another label of its set."""
    for name, rows in quality_bases.load_tasks().items():
        for share in (0.0, 0.02, 0.05, 0.1):
            rng = random.Random(f"{name} {share}")
            own = copy.deepcopy(rows)
            labels = sorted({row["messages"][-1]["content"] for row in own})
            planted = rng.sample(range(len(own)), round(share * len(own)))
            for index in planted:
                last = own[index]["messages"][-1]
                own[index]["right"] = last["content"]
                last["content"] = rng.choice([one for one in labels if one != last["content"]])
            yield Case(f"{name}: {share:.0%} flipped", own, frozenset(planted), LABELS)


SETS: dict[str, Callable[[], Iterator[Case]]] = {
    "answers": make_answers,
    "twins": make_twins,
    "labels": make_labels,
}


def main(names: Sequence[str]) -> None:
    """Measure the named sets, or all."""
    for name in names or SETS:
        for case in SETS[name]():
            print(tell(measure(case)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
