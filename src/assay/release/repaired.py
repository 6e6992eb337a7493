"""What a repair tried and what it cost, read from the manifest of the run that it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.release.wording import percent, points
from assay.runs import RunFolder
from assay.runs.find import read_or_empty
from assay.runs.values import dig, mapping, number, sequence, text

HELD = "held"


@dataclass(frozen=True)
class Tried:
    """One candidate on the questions that choose; `failing` are the gates that it does not pass.

    `kept` is the share of the held model's gain on the task's validation items.
    """

    name: str
    intervention: str
    setting: str
    task: float | None
    kept: float | None
    failing: list[str]
    passes: bool
    is_chosen: bool
    seconds: float | None

    @property
    def is_held(self) -> bool:
        """Whether it is the model that was held, as it was tuned."""
        return self.intervention == HELD


@dataclass(frozen=True)
class Repair:
    """A repair: of which run, what was tried, and the task's gain on the test items.

    `gain_before` is the held model's, `gain_after` that of the run itself; both over the base.
    `skipped` says by intervention why it was not tried. `failed` are the gates that held the run,
    `left_out` how many training rows no tuning learned again, by what is said of them.
    """

    parent: str
    failed: list[str]
    tried: list[Tried]
    skipped: dict[str, str]
    left_out: dict[str, int]
    questions: dict[str, Any]
    gain_before: float | None
    gain_after: float | None

    @property
    def chosen(self) -> Tried | None:
        """The candidate whose weights are the run's; None where none was."""
        return next((one for one in self.tried if one.is_chosen), None)

    @property
    def kept(self) -> float | None:
        """The share of the gain that is kept, on the test items."""
        if self.gain_after is None or not self.gain_before or self.gain_before < 0:
            return None
        return self.gain_after / self.gain_before

    @property
    def sentence(self) -> str:
        """What was done to which run, in words."""
        num = sum(not one.is_held for one in self.tried)
        kinds = dict.fromkeys(name.partition("/")[0] for name in self.failed)
        held = f"{self.parent} was held by {', '.join(kinds)}."
        if self.chosen is None:
            return f"{held} None of {num} candidates passes the questions that choose."
        return (
            f"{held} Chosen out of {num} candidates on other questions than those that confirm:"
            f" {self.chosen.intervention}, {self.chosen.setting}. It alone was measured on the"
            " test items."
        )

    @property
    def unlearned(self) -> str:
        """Which training rows were left out of tunings, in words; empty where none was."""
        told = [f"{count} {what}" for what, count in self.left_out.items()]
        return f"Training rows that its tunings left out: {', '.join(told)}." if told else ""

    @property
    def cost(self) -> str:
        """What the repair costs on the task, in words; empty where it was not measured."""
        if self.gain_before is None or self.gain_after is None:
            return ""
        share = "" if self.kept is None else f": {percent(self.kept)} of the gain is kept"
        return (
            f"Gain over the base on the test items: {points(self.gain_before)} points as it was"
            f" held, {points(self.gain_after)} repaired{share}."
        )


def read_repair(run: RunFolder) -> Repair | None:
    """The repair that made a run; None of any other run."""
    manifest = read_or_empty(run.manifest)
    known, origin = mapping(manifest.get("repair")), mapping(manifest.get("repaired_from"))
    if not origin:
        return None
    chosen = text(known.get("chosen"))
    return Repair(
        parent=text(origin.get("name")),
        failed=[text(name) for name in sequence(origin.get("failed"))],
        tried=[_read_tried(mapping(one), chosen) for one in sequence(known.get("tried"))],
        skipped={str(key): text(value) for key, value in mapping(known.get("skipped")).items()},
        left_out={key: len(sequence(ids)) for key, ids in mapping(known.get("left_out")).items()},
        questions=mapping(known.get("questions")),
        gain_before=number(dig(origin, "task", "comparisons", "tuned_vs_base", "difference")),
        gain_after=_read_gain(read_or_empty(run.evaluation)),
    )


def _read_gain(evaluation: dict[str, Any]) -> float | None:
    suites = [mapping(suite) for suite in mapping(evaluation.get("suites")).values()]
    task = next((suite for suite in suites if suite.get("kind") == "task"), {})
    return number(dig(task, "comparisons", "tuned_vs_base", "difference"))


def _read_tried(value: dict[str, Any], chosen: str) -> Tried:
    gates = [mapping(gate) for gate in sequence(value.get("gates"))]
    name = text(value.get("name"))
    return Tried(
        name=name,
        intervention=text(value.get("intervention")),
        setting=text(value.get("setting")),
        task=number(value.get("task")),
        kept=number(value.get("kept")),
        failing=[
            f"{text(gate.get('name'))} {points(number(gate.get('statistic')))}"
            if _is_difference(gate)
            else text(gate.get("name"))
            for gate in gates
            if gate.get("required") and gate.get("outcome") != "pass"
        ],
        passes=bool(value.get("passes")),
        is_chosen=bool(name) and name == chosen,
        seconds=number(value.get("seconds")),
    )


def _is_difference(gate: dict[str, Any]) -> bool:
    """Whether the gate's number is a difference of scores, which is shown in points."""
    return gate.get("interval") is not None
