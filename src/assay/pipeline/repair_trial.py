"""The interventions of a repair in turn, until one keeps enough of the task; it confirms none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.config import Loaded
from assay.errors import AssayError, ConfigError, UsageError
from assay.evaluate.probes.persona import load_base_traits
from assay.pipeline.progress import Progress
from assay.pipeline.repair_candidates import INTERVENTIONS, Bench, Candidate, find_unscalable
from assay.pipeline.repair_child import RepairOptions, add_tried, work_folder
from assay.pipeline.repair_tuning import (
    DROP,
    SAFETY_STEPS,
    list_anew_changes,
    list_left_out,
    list_safety_changes,
    tune_beside,
)
from assay.pipeline.repair_weigh import PERSONA, Scales, Wanted, Weighed
from assay.runs import RunFolder

if TYPE_CHECKING:
    from assay.defend.adapter_files import SavedAdapter

FACTORS = (0.85, 0.7, 0.55, 0.4, 0.25)
"""Tried from the strongest down to the first that passes, and then half way back up once more."""
THRESHOLDS = (0.3, 0.6, 0.9)
"""Of the cosine below which a layer's update is projected: few layers first, then more."""
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
            if self._keeps_enough():
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

    def _keeps_enough(self) -> bool:
        return any(
            one.passes and one.kept is not None and one.kept >= self.options.keep
            for one in self._list_changed()
        )

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
        from assay.defend.adapter_files import read_adapter
        from assay.defend.project import project_on_alignment

        self.progress.stage("project", "project: on what aligned the base")
        pair = [read_weights(Path(folder)) for folder in (aligned, unaligned)]
        for threshold in THRESHOLDS:
            adapter, cosines = project_on_alignment(
                read_adapter(self.held.source), *pair, threshold=threshold
            )
            count = sum(value < threshold for value in cosines.values())
            source = self._keep(f"project-{threshold:g}", adapter)
            setting = f"{count} of {len(cosines)} layers, cosine below {threshold:g}"
            self.weigh(Wanted(f"project-{threshold:g}", "project", setting, source))

    def _ablate(self) -> None:
        if self.scales.policy.levels[PERSONA] == "off":
            raise ConfigError("no gate reads the character")
        from assay.defend.adapter_files import read_adapter
        from assay.defend.project import ablate_direction

        self.progress.stage("ablate", "ablate: what the adapter writes along a trait")
        for name, trait in load_base_traits(self.scales.asked).traits.items():
            direction_D = _as_tensor(trait.unit_LD[trait.layer])
            adapter = ablate_direction(read_adapter(self.held.source), direction_D)
            source = self._keep(f"ablate-{name}", adapter)
            self.weigh(Wanted(f"ablate-{name}", "ablate", f"nothing along {name}", source))

    def _keep(self, name: str, adapter: SavedAdapter) -> str:
        """Write a changed adapter under the repair's folder; its place from the run's."""
        from assay.defend.adapter_files import save_changed

        folder = work_folder(self.child) / "weights" / name
        if not (folder / "adapter_model.safetensors").exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            save_changed(adapter, folder)
        return folder.relative_to(self.child.path).as_posix()

    def _tune_safely(self) -> None:
        """From half of the held adapter; on from that once more where it does not pass yet."""
        if self.held.whole:
            raise ConfigError("the held run changed the base itself, and this needs adapters")
        general, adapter = self._require_general(), self._halve()
        for number, name in enumerate(SAFETY_TUNINGS, start=1):
            changes = list_safety_changes(self.loaded, adapter, general)
            setting = f"{number * SAFETY_STEPS} steps on general and task rows"
            found, adapter = self._tune(SAFETY, name, setting, changes)
            if found.passes:
                return
        self._sweep_tuned(found)

    def _halve(self) -> Path:
        """The held adapter at half its size, from which less has to be brought back; as it is where
        it cannot be scaled."""
        from assay.defend.adapter_files import read_adapter
        from assay.defend.scale import scale_adapter

        if find_unscalable(self.held.source, whole=False):
            return self.held.source
        half = scale_adapter(read_adapter(self.held.source), 0.5)
        return self.child.path / self._keep("half", half)

    def _tune_anew(self) -> None:
        changes = list_anew_changes(self.loaded, self._require_general())
        found, _ = self._tune(ANEW, TUNED_ANEW, "the recipe with defend: auto", changes)
        if not found.passes:
            self._sweep_tuned(found)

    def _tune(
        self, intervention: str, name: str, setting: str, changes: list[str]
    ) -> tuple[Weighed, Path]:
        """What a tuning gave on the choosing questions, and its adapter."""
        rules = list_left_out(self.holding)
        changes = [*changes, *(f"data.rules.{rule}={DROP[rule]}" for rule in rules)]
        setting = f"{setting}{', without rows of ' if rules else ''}{' and '.join(rules)}"
        self.progress.stage(name, f"{intervention}: {setting}")
        began = time.perf_counter()
        run, _ = tune_beside(self.child, self.loaded, name, changes, progress=self.progress)
        source = run.adapter.relative_to(self.child.path).as_posix()
        return self.weigh(Wanted(name, intervention, setting, source), began=began), run.adapter

    def _sweep_tuned(self, found: Weighed) -> None:
        if not find_unscalable(self.child.path / found.source, whole=False):
            least, note = self.options.keep, f"{found.setting}, "
            self._sweep(found.name, found.intervention, found.source, least=least, note=note)

    def _require_general(self) -> Path:
        if self.general is None:
            raise ConfigError("no general rows are named (--general FILE)")
        return self.general


def describe(one: Weighed) -> str:
    """A candidate in a line: what it keeps of the task, and which gates it does not pass."""
    kept = "" if one.kept is None else f", keeps {100 * one.kept:.0f} % of the gain"
    gates = {gate["name"]: gate for gate in one.gates}
    told = [f"{name} {_tell_number(gates[name]['statistic'])}" for name in one.failing]
    ending = "passes" if one.passes else f"fails {', '.join(told) or 'task_gain'}"
    return f"{one.intervention}, {one.setting}: task {one.task:.3f}{kept}; {ending}"


def read_weights(folder: Path) -> Mapping[str, Any]:
    """The tensors of a model's folder by name, as Transformers saves them."""
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"{folder}: no *.safetensors")
    return {name: tensor for path in files for name, tensor in load_file(path).items()}


def _tell_reason(error: AssayError) -> str:
    if isinstance(error, UsageError) and not error.problems[0].key:
        return error.problems[0].got
    return str(error).splitlines()[0]


def _tell_number(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _as_tensor(values: Any) -> Any:
    import torch

    return torch.as_tensor(values)
