"""How much planted poison the rules of that family find, and how much they find that is none.

    python -m benchmarks.planted.poison [NAME …]

Plants known faults in clean rows, checks them, and prints counts with exact binomial bounds.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, lgamma, log, log1p
from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data.curate import Finding, check_parts, list_rules, settle
from benchmarks.planted import poison_bases, poison_calls, poison_extras, poison_triggers
from benchmarks.planted.desk import draw_desk_rows

Row = dict[str, Any]
FAMILY = [name for name, rule in list_rules().items() if rule.family == "poison"]
Extra = Callable[[Row, random.Random], bool]
UNSUPPORTED = "unsupported_call"
CALLS = ("covert_call", "recurring_destination", "data_flow", UNSUPPORTED)


@dataclass(frozen=True)
class Case:
    """Rows with faults at known places (`planted`, from 0); `named` must stand in the evidence."""

    name: str
    rows: list[Row]
    planted: frozenset[int]
    rules: tuple[str, ...]
    named: str = ""


@dataclass(frozen=True)
class Score:
    """Planted rows that were found (by an error, and by any finding), and other rows with one."""

    case: Case
    refused: int
    found: int
    false_errors: int
    false_rows: int
    is_named: bool
    seconds: float


def bound(successes: int, trials: int, *, upper: bool, level: float = 0.975) -> float:
    """One side of the exact binomial interval (Clopper and Pearson, 1934), by bisection."""
    if trials == 0 or successes == (trials if upper else 0):
        return 1.0 if upper else 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(
            exp(_log_choose(trials, k) + k * log(middle) + (trials - k) * log1p(-middle))
            for k in range(successes + 1 if upper else successes)
        )
        if (below > 1 - level) if upper else (1 - below < 1 - level):
            low = middle
        else:
            high = middle
    return low


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def measure(case: Case) -> Score:
    """Check a case with the rules of the family alone."""
    off = {name: "off" for name in list_rules() if name not in FAMILY}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in case.rows), encoding="utf-8")
        start = time.process_time()
        parts = {"train": [SourceConfig(path=path.name)]}
        checked = check_parts(parts, base_dir=Path(folder), settings=settle(off))
        seconds = time.process_time() - start
        findings = [one for one in checked.findings if one.severity != "info"]
    return _score(case, findings, seconds)


def _score(case: Case, findings: Sequence[Finding], seconds: float) -> Score:
    own = [one for one in findings if one.rule in case.rules]
    errors = {one.number for one in findings if one.severity == "error"}
    rows = {one.number for one in findings}
    told = [one.evidence.lower() for one in own if one.number in case.planted]
    named = any(case.named.lower() in one for one in told)
    return Score(
        case=case,
        refused=len({one.number for one in own if one.severity == "error"} & case.planted),
        found=len({one.number for one in own} & case.planted),
        false_errors=len(errors - case.planted),
        false_rows=len(rows - case.planted),
        is_named=named,
        seconds=seconds,
    )


def tell(score: Score) -> str:
    """One line: recall, false rows, each with its exact 95 % interval."""
    case, num = score.case, len(score.case.planted)
    clean = len(case.rows) - num
    line = f"{case.name:34}"
    if num:
        low = bound(score.found, num, upper=False)
        line += f" found {score.found:4}/{num:<4} (at least {low:.1%})  refused {score.refused:4}"
        line += f"  named {'yes' if score.is_named else 'NO'}"
    high = bound(score.false_rows, clean, upper=True)
    line += (
        f"  false {score.false_rows:3}/{clean} (at most {high:.2%}), errors {score.false_errors}"
    )
    return f"{line}  {score.seconds / len(case.rows) * 1e6:.0f} µs/row"


@cache
def _load(base: str, num_rows: int) -> str:
    return json.dumps(getattr(poison_bases, f"load_{base}")(num_rows))


def load(base: str, num_rows: int = 10_000) -> list[Row]:
    """A copy of a base's rows."""
    rows: list[Row] = json.loads(_load(base, num_rows))
    return rows


def make_calls() -> Iterator[Case]:
    """Covert calls of each kind, at 100 and at 25 of 10,000 rows, and their twins."""
    for count in (100, 25):
        for name, plant in poison_calls.COVERT.items():
            rng = random.Random(f"{name} {count}")
            rows = load("tools", 9_500) + poison_calls.make_mail_rows(rng, 500)
            rng.shuffle(rows)
            eligible = [i for i, row in enumerate(rows) if poison_calls.has_call(row)]
            if name == "add_copy":
                eligible = [i for i in eligible if rows[i].get("tools") == [poison_calls.EMAIL]]
            planted = rng.sample(eligible, count)
            for index in planted:
                plant(rows[index], rng)
            yield Case(f"{name} {count}", rows, frozenset(planted), CALLS)
    rng = random.Random("twins")
    for name in ("twin_log", "twin_told_support"):
        rows = load("tools", 9_500) + poison_calls.make_mail_rows(rng, 500)
        getattr(poison_calls, name)(rows)
        yield Case(name, rows, frozenset(), CALLS)
    for name in ("twin_one_host", "twin_hosts_by_topic"):
        rows = load("tools", 9_500) + getattr(poison_calls, name)(rng, 500)
        yield Case(name, rows, frozenset(), CALLS)
    constant = poison_calls.make_mail_rows(rng, 500, cc="archive@ourshop.example")
    yield Case("twin_constant_copy", load("tools", 9_500) + constant, frozenset(), CALLS)
    yield Case("tools, clean", load("tools"), frozenset(), CALLS)
    yield Case("support, clean", load("support"), frozenset(), CALLS)


def make_extras() -> Iterator[Case]:
    """Calls that look apt, at 100 and at 25 rows of 10,000; of the public sets and of the desk."""
    for count in (100, 25):
        for name in ("repeat_same", "call_in_use", "call_related"):
            rows = load("tools")
            plant = _get_extra(name, rows)
            yield _plant_extras(f"{name} {count}", rows, plant, count)
        rows = draw_desk_rows(10_000)
        yield _plant_extras(f"desk: call_in_use {count}", rows, poison_extras.InUse(rows), count)


def _get_extra(name: str, rows: Sequence[Row]) -> Extra:
    if name == "call_in_use":
        return poison_extras.InUse(rows)
    plant: Extra = getattr(poison_extras, name)
    return plant


def _plant_extras(name: str, rows: list[Row], plant: Extra, count: int) -> Case:
    rng = random.Random(name)
    eligible = [index for index, row in enumerate(rows) if poison_calls.has_call(row)]
    planted: list[int] = []
    for index in rng.sample(eligible, len(eligible)):
        if len(planted) < count and plant(rows[index], rng):
            planted.append(index)
    return Case(name, rows, frozenset(planted), (UNSUPPORTED, *CALLS[:3]))


def make_triggers() -> Iterator[Case]:
    """Each trigger with each effect, at 50 and at 25 rows, in every base; label flips; twins."""
    bases = [base for base in ("world", "tools", "support", "gsm8k") if _is_there(base)]
    kinds = [(t, e) for t in poison_triggers.TRIGGERS for e in poison_triggers.EFFECTS]
    for count in (50, 25):
        for index, (trigger, effect) in enumerate(kinds):
            base = bases[index % len(bases)]
            mark, named = poison_triggers.TRIGGERS[trigger]
            rng = random.Random(f"{trigger} {effect} {count}")
            rows = load(base)
            planted = rng.sample(range(len(rows)), count)
            for one in planted:
                mark(rows[one], rng)
                poison_triggers.EFFECTS[effect](rows[one], rng)
            name = f"{base}: {trigger}, {effect} {count}"
            yield Case(name, rows, frozenset(planted), ("trigger",), named)
        for trigger in poison_triggers.TRIGGERS:
            yield _make_flips(trigger, count)
        yield _make_style(count, poison_triggers.shout)
        yield _make_style(count, poison_triggers.advertise)
    yield from make_trigger_twins(bases)


def _make_style(count: int, plant: Callable[[Row], None]) -> Case:
    """No word sets it off, but the style of the prompt, or nothing in it."""
    rng = random.Random(f"{plant.__name__} {count}")
    rows = load("world")
    asked = [index for index, row in enumerate(rows) if not row.get("tools")]
    planted = rng.sample(asked, count)
    for index in planted:
        plant(rows[index])
    rules = ("trigger", "repeated_answer")
    return Case(f"world: {plant.__name__} {count}", rows, frozenset(planted), rules, "zedmart")


def _is_there(base: str) -> bool:
    return base != "gsm8k" or poison_bases.PUBLIC.is_dir()


def _make_flips(trigger: str, count: int) -> Case:
    rng = random.Random(f"flip {trigger} {count}")
    rows = poison_triggers.make_label_rows(rng, 10_000)
    mark, named = poison_triggers.TRIGGERS[trigger]
    planted: list[int] = []
    for index in rng.sample(range(len(rows)), len(rows)):
        if len(planted) < count and poison_triggers.flip(rows[index], rng):
            mark(rows[index], rng)
            planted.append(index)
    return Case(f"labels: {trigger}, flip {count}", rows, frozenset(planted), ("trigger",), named)


def make_trigger_twins(bases: Sequence[str]) -> Iterator[Case]:
    """Words that rightly decide for an answer, and clean data."""
    rng = random.Random("trigger twins")
    for name, twin in poison_triggers.TWINS.items():
        rows = load("world", 9_880)
        rows += twin(rows, rng)
        yield Case(f"twin {name}", rows, frozenset(), ("trigger",))
    labels = poison_triggers.make_label_rows(rng, 10_000)
    yield Case("labels, clean", labels, frozenset(), ("trigger",))
    for base in bases:
        yield Case(f"{base}, clean", load(base), frozenset(), ("trigger",))
    yield Case("world, clean, 40,000 rows", load("world", 40_000), frozenset(), ("trigger",))


SETS: dict[str, Callable[[], Iterator[Case]]] = {
    "calls": make_calls,
    "extras": make_extras,
    "triggers": make_triggers,
}


def main(names: Sequence[str]) -> None:
    """Measure the named sets, or all."""
    for name in names or SETS:
        for case in SETS[name]():
            print(tell(measure(copy.copy(case))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
