"""The interventions of a repair in turn, until one keeps enough of the task; it confirms none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assay.config import Loaded
from assay.errors import AssayError, ConfigError, UsageError
from assay.evaluate.probes.persona import load_base_traits
from assay.pipeline.progress import Progress
from assay.pipeline.repair.candidates import (
    INTERVENTIONS,
    Bench,
    Candidate,
    Changed,
    ablate,
    find_unscalable,
    halve,
    project,
)
from assay.pipeline.repair.child import RepairOptions, add_tried, work_folder
from assay.pipeline.repair.holds import CHARACTER, list_kinds
from assay.pipeline.repair.tuning import (
    SAFETY_REPLAY,
    SAFETY_STEPS,
    TASK_REPLAY,
    list_anew_changes,
    list_safety_changes,
    tune_beside,
)
from assay.pipeline.repair.weigh import Scales
from assay.pipeline.repair.weighed import Wanted, Weighed, describe
from assay.runs import RunFolder

FACTORS = (0.85, 0.7, 0.55, 0.4, 0.25)
"""Tried from the strongest down to the first that passes, and then half way back up once more."""
HELD = "held"
SAFETY, ANEW = "safety tuning", "tuning anew"
SAFETY_TUNINGS, TUNED_ANEW = ("safety-tuning", "safety-tuning-on"), "tuned-anew"
"""The names of the tunings' folders; the second safety tuning goes on from the first."""


@dataclass
class Trial:
    """What is tried, and what came of it.

    Attributes:
        held: the held run's weights.
        holding: the gates that hold the run.
        general: the rows that may be tuned on; None where there are none.
        find_left_out: ids of training rows that taught the loss, by what is said of them; asked
            before something is tuned.
        anew_steps: optimizer steps of a tuning anew.
        known: what an earlier sitting weighed, by name; it counts when its turn comes.
        tried: every candidate that was weighed, by name, in order.
        skipped: by intervention, why it was not tried.
    """

    child: RunFolder
    loaded: Loaded
    options: RepairOptions
    held: Candidate
    holding: Sequence[str]
    bench: Bench
    scales: Scales
    progress: Progress
    general: Path | None
    find_left_out: Callable[[], Mapping[str, list[str]]]
    anew_steps: int
    known: dict[str, Weighed]
    tried: dict[str, Weighed] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def run(self) -> Weighed | None:
        """Try in turn, and choose: the best on the task of all that pass; None where none does."""
        held = self.weigh(Wanted(HELD, HELD, "as it was tuned"))
        self.scales = replace(self.scales, tuned_gain=held.gain)
        steps: dict[str, Callable[[], None]] = dict(
            zip(
                INTERVENTIONS,
                (self._scale, self._project, self._ablate, self._tune_safely, self._tune_anew),
                strict=True,
            )
        )
        for name, step in steps.items():
            if any(map(self._keeps_enough, self._list_changed())):
                self.skipped[name] = "what was tried before keeps enough of the task"
                continue
            try:
                step()
            except AssayError as error:
                self._skip(name, _tell_reason(error))
        if self._choose() is None and "scale" not in self.skipped:
            self.progress.stage("scale", "scale: at whatever cost, since nothing else passes")
            self._sweep("scale", "scale", "", least=0.0)
        return self._choose()

    def weigh(self, wanted: Wanted, *, began: float | None = None) -> Weighed:
        """The candidate on the choosing questions; what an earlier sitting found is taken.

        `began` is `time.perf_counter` before it was made, where that took time.
        """
        weighed = self.tried.get(wanted.name) or self.known.get(wanted.name)
        if weighed is None:
            began = time.perf_counter() if began is None else began
            with self.bench.holding(self.find(wanted)):
                weighed = self.scales.weigh(wanted, began=began)
            add_tried(self.child, weighed)
        self.tried[wanted.name] = weighed
        self.progress.note(f"   {describe(weighed)}")
        return weighed

    def find(self, one: Wanted | Weighed) -> Candidate:
        """Where the weights of a candidate lie."""
        source = self.child.path / one.source if one.source else self.held.source
        whole = self.held.whole and not one.source
        return Candidate(source, one.factor, whole)

    def _keeps_enough(self, one: Weighed) -> bool:
        return one.passes and one.kept is not None and one.kept >= self.options.keep

    def _choose(self) -> Weighed | None:
        """Of equal scores the milder change, which stands first."""
        passing = [one for one in self._list_changed() if one.passes]
        return max(passing, key=lambda one: one.task, default=None)

    def _list_changed(self) -> list[Weighed]:
        return [one for one in self.tried.values() if one.name != HELD]

    def _skip(self, name: str, reason: str) -> None:
        self.skipped[name] = reason
        self.progress.note(f"   {name}: not tried, {reason}")

    def _scale(self) -> None:
        self.progress.stage("scale", "scale: between the base and the held model")
        reason = find_unscalable(self.held.source, whole=self.held.whole)
        if reason:
            raise ConfigError(reason)
        self._sweep("scale", "scale", "", least=self.options.keep)

    def _sweep(
        self, prefix: str, intervention: str, source: str, *, least: float, note: str = ""
    ) -> None:
        """Scales from the strongest down to the first that passes, then half way back up.

        It ends where less than `least` of the gain is kept: a milder one keeps less still.
        """
        above = 1.0
        for factor in FACTORS:
            found = self._weigh_factor(prefix, intervention, source, factor, note)
            if found.passes:
                middle = (above + factor) / 2
                self._weigh_factor(prefix, intervention, source, middle, note)
            if found.passes or (found.kept is not None and found.kept < least):
                return
            above = factor

    def _weigh_factor(
        self, prefix: str, intervention: str, source: str, factor: float, note: str
    ) -> Weighed:
        setting = f"{note}{factor:g} of the update"
        name = f"{prefix}-{factor:g}"
        return self.weigh(Wanted(name, intervention, setting, source, factor))

    def _project(self) -> None:
        aligned, unaligned = self.options.aligned, self.options.unaligned
        if not aligned or not unaligned:
            raise ConfigError("no aligned and unaligned weights are named")
        self._require_adapter()
        self.progress.stage("project", "project: on what aligned the base")
        pair = {"aligned": Path(aligned), "unaligned": Path(unaligned)}
        self._weigh_changed("project", project(self.held.source, **pair))

    def _ablate(self) -> None:
        if not CHARACTER.issuperset(list_kinds(self.holding)):
            raise ConfigError("more is lost than character, which is all that it mends")
        self._require_adapter()
        self.progress.stage("ablate", "ablate: what the adapter writes along a trait")
        traits = load_base_traits(self.scales.asked).traits
        self._weigh_changed("ablate", ablate(self.held.source, traits))

    def _weigh_changed(self, intervention: str, changed: Iterable[Changed]) -> None:
        for one in changed:
            source = self._place(one.save(work_folder(self.child) / "weights"))
            self.weigh(Wanted(one.name, intervention, one.setting, source))

    def _place(self, folder: Path) -> str:
        return folder.relative_to(self.child.path).as_posix()

    def _tune_safely(self) -> None:
        """From half of the held adapter, and on from that once more where it does not pass yet or
        keeps too little of the task: with more of what it lacks."""
        self._require_adapter()
        general, adapter = self._require_general(), self._halve()
        replay, rows = SAFETY_REPLAY, "general and task rows"
        for number, name in enumerate(SAFETY_TUNINGS, start=1):
            changes = list_safety_changes(self.loaded, adapter, general, replay=replay)
            setting = f"{number * SAFETY_STEPS} steps on {rows}"
            found, adapter = self._tune(SAFETY, name, setting, changes)
            if self._keeps_enough(found):
                return
            if found.passes:
                replay, rows = TASK_REPLAY, "general and more task rows"
        if not found.passes:
            self._sweep_tuned(found)

    def _halve(self) -> Path:
        """The held adapter at half its size, from which less has to be brought back; as it is where
        it cannot be scaled."""
        half = halve(self.held.source)
        return half.save(work_folder(self.child) / "weights") if half else self.held.source

    def _tune_anew(self) -> None:
        general = self._require_general()
        changes = list_anew_changes(self.loaded, general, num_steps=self.anew_steps)
        setting = f"{self.anew_steps} steps of the recipe with defend: auto"
        found, _ = self._tune(ANEW, TUNED_ANEW, setting, changes)
        if not found.passes:
            self._sweep_tuned(found)

    def _tune(
        self, intervention: str, name: str, setting: str, changes: list[str]
    ) -> tuple[Weighed, Path]:
        """What a tuning gave on the choosing questions, and its adapter."""
        left_out = {key for ids in self.find_left_out().values() for key in ids}
        setting = f"{setting}, rows left out: {len(left_out)}" if left_out else setting
        self.progress.stage(name, f"{intervention}: {setting}")
        began = time.perf_counter()
        run, _ = tune_beside(
            self.child,
            self.loaded,
            name,
            changes,
            left_out=left_out,
            progress=self.progress,
        )
        source = self._place(run.adapter)
        return self.weigh(Wanted(name, intervention, setting, source), began=began), run.adapter

    def _sweep_tuned(self, found: Weighed) -> None:
        if not find_unscalable(self.child.path / found.source, whole=False):
            least, note = self.options.keep, f"{found.setting}, "
            self._sweep(found.name, found.intervention, found.source, least=least, note=note)

    def _require_adapter(self) -> None:
        if self.held.whole:
            raise ConfigError("the held run changed the base itself, and this needs adapters")

    def _require_general(self) -> Path:
        if self.general is None:
            raise ConfigError("no general rows are named (--general FILE)")
        return self.general


def _tell_reason(error: AssayError) -> str:
    if isinstance(error, UsageError) and not error.problems[0].key:
        return error.problems[0].got
    return str(error).splitlines()[0]
