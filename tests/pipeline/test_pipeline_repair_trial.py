"""The order of interventions, when they end, and what is chosen: by a model that is a formula."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from assay.pipeline.progress import PlainProgress
from assay.pipeline.repair.candidates import Bench, Candidate
from assay.pipeline.repair.child import RepairOptions, read_tried
from assay.pipeline.repair.trial import FACTORS, HELD, Trial
from assay.pipeline.repair.tuning import (
    SAFETY_REPLAY,
    SAFETY_STEPS,
    TASK_REPLAY,
    count_anew_steps,
)
from assay.pipeline.repair.weigh import Scales
from assay.pipeline.repair.weighed import Wanted, Weighed
from assay.runs import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


class FakeBench:
    @contextmanager
    def holding(self, candidate: Candidate) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class FakeScales:
    """A candidate of factor f gains f and passes by `passes`; a tuning gains what `tuned_gains`
    says by its name, else 0.9, and passes by `tuned_passes`."""

    passes: Callable[[float], bool]
    asked: list[str]
    tuned_gain: float | None = None
    tuned_passes: Callable[[str], bool] = lambda name: True
    tuned_gains: Mapping[str, float] = field(default_factory=dict)

    def weigh(self, wanted: Wanted, *, began: float) -> Weighed:
        self.asked.append(wanted.name)
        is_tuned = wanted.intervention not in (HELD, "scale")
        gain = self.tuned_gains.get(wanted.name, 0.9) if is_tuned else wanted.factor
        return Weighed(
            name=wanted.name,
            intervention=wanted.intervention,
            setting=wanted.setting,
            source=wanted.source,
            factor=wanted.factor,
            task=gain,
            gain=gain,
            kept=None if self.tuned_gain is None else gain / self.tuned_gain,
            gates=[],
            losses={},
            passes=self.tuned_passes(wanted.name) if is_tuned else self.passes(wanted.factor),
            seconds=0.0,
        )


class TunedTrial(Trial):
    """Whose tunings are weighed and not made; `changes` are what each would have been told."""

    changes: dict[str, list[str]]

    def _halve(self) -> Path:
        return self.held.source

    def _tune(
        self, intervention: str, name: str, setting: str, changes: list[str]
    ) -> tuple[Weighed, Path]:
        self.changes[name] = changes
        source = f"repair/tunings/{name}/adapter"
        found = self.weigh(Wanted(name, intervention, setting, source))
        return found, self.child.path / source


def build_trial(
    tmp_path: Path,
    passes: Callable[[float], bool],
    monkeypatch: pytest.MonkeyPatch,
    *,
    keep: float = 0.8,
    general: bool = False,
    whole: bool = False,
) -> tuple[TunedTrial, list[str]]:
    monkeypatch.setattr("assay.pipeline.repair.trial.find_unscalable", lambda folder, *, whole: "")
    module = "assay.pipeline.repair.trial"
    monkeypatch.setattr(f"{module}.list_safety_changes", lambda *given, replay: [str(replay)])
    monkeypatch.setattr(f"{module}.list_anew_changes", lambda *given, num_steps: [])
    asked: list[str] = []
    trial = TunedTrial(
        child=RunFolder(tmp_path),
        loaded=cast(Any, None),
        options=RepairOptions(keep=keep),
        held=Candidate(tmp_path / "adapter", whole=whole),
        holding=["retention"],
        bench=cast(Bench, FakeBench()),
        scales=cast(Scales, FakeScales(passes, asked)),
        progress=PlainProgress(),
        general=tmp_path / "general.jsonl" if general else None,
        find_left_out=dict,
        anew_steps=128,
        known={},
    )
    trial.changes = {}
    return trial, asked


def test_scales_go_down_to_the_first_that_passes_and_half_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, asked = build_trial(tmp_path, lambda f: f <= 0.9, monkeypatch)
    chosen = trial.run()
    assert asked == ["held", "scale-0.85", "scale-0.925"]
    assert chosen is not None
    assert (chosen.factor, chosen.kept) == (0.85, 0.85)
    assert set(trial.skipped) == {"project", "ablate", "safety tuning", "tuning anew"}


def test_the_best_on_the_task_of_those_that_pass_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, _ = build_trial(tmp_path, lambda f: f <= 0.93, monkeypatch)
    chosen = trial.run()
    assert chosen is not None
    assert chosen.factor == pytest.approx(0.925)


def test_too_mild_a_scale_is_not_enough_where_something_dearer_keeps_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 0.7 too little is kept, so scales end there; the safety tuning passes and keeps enough."""
    trial, asked = build_trial(tmp_path, lambda f: f <= 0.5, monkeypatch, general=True)
    chosen = trial.run()
    assert asked == ["held", "scale-0.85", "scale-0.7", "safety-tuning"]
    assert chosen is not None
    assert chosen.intervention == "safety tuning"
    assert "keeps enough" in trial.skipped["tuning anew"]


def test_a_whole_model_is_not_tuned_on_but_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, _ = build_trial(tmp_path, lambda f: False, monkeypatch, general=True, whole=True)
    chosen = trial.run()
    assert chosen is not None
    assert chosen.intervention == "tuning anew"
    assert "adapters" in trial.skipped["safety tuning"]


def test_where_nothing_else_passes_any_cost_is_better_than_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, asked = build_trial(tmp_path, lambda f: f <= 0.3, monkeypatch)
    chosen = trial.run()
    assert chosen is not None
    assert chosen.factor == pytest.approx(0.25)
    assert len(asked) == len(set(asked)) == 2 + len(FACTORS)


def test_nothing_is_chosen_where_nothing_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, asked = build_trial(tmp_path, lambda f: False, monkeypatch)
    assert trial.run() is None
    assert asked == ["held", *(f"scale-{factor:g}" for factor in FACTORS)]


def test_what_was_weighed_before_is_not_weighed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = build_trial(tmp_path, lambda f: f <= 0.6, monkeypatch, keep=0.5)
    chosen = first.run()
    again, asked = build_trial(tmp_path, lambda f: f <= 0.6, monkeypatch, keep=0.5)
    again.known = read_tried(first.child)
    assert again.run() == chosen
    assert asked == []
    assert list(again.tried) == list(first.tried)


def test_a_safety_tuning_goes_on_once_more_before_all_is_tuned_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, asked = build_trial(tmp_path, lambda f: False, monkeypatch, general=True)
    scales = cast(FakeScales, trial.scales)
    trial.scales = cast(Scales, replace(scales, tuned_passes=lambda name: name.endswith("-on")))
    chosen = trial.run()
    assert asked[-2:] == ["safety-tuning", "safety-tuning-on"]
    assert chosen is not None
    assert chosen.name == "safety-tuning-on"
    assert trial.changes["safety-tuning-on"] == [str(SAFETY_REPLAY)]


def test_what_passes_and_keeps_too_little_goes_on_with_more_of_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, asked = build_trial(tmp_path, lambda f: False, monkeypatch, general=True)
    gains = {"safety-tuning": 0.7, "safety-tuning-on": 0.85}
    trial.scales = cast(Scales, replace(cast(FakeScales, trial.scales), tuned_gains=gains))
    chosen = trial.run()
    assert asked[-2:] == ["safety-tuning", "safety-tuning-on"]
    assert chosen is not None
    assert chosen.name == "safety-tuning-on"
    assert trial.changes == {
        "safety-tuning": [str(SAFETY_REPLAY)],
        "safety-tuning-on": [str(TASK_REPLAY)],
    }
    assert "keeps enough" in trial.skipped["tuning anew"]


def test_the_first_is_kept_where_going_on_loses_a_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what passes the best is chosen, though it keeps too little, after all has been tried."""
    trial, asked = build_trial(tmp_path, lambda f: False, monkeypatch, general=True)
    scales = replace(
        cast(FakeScales, trial.scales),
        tuned_gains={"safety-tuning": 0.7, "tuned-anew": 0.6},
        tuned_passes=lambda name: name in ("safety-tuning", "tuned-anew"),
    )
    trial.scales = cast(Scales, scales)
    chosen = trial.run()
    assert "tuned-anew" in asked
    assert chosen is not None
    assert chosen.name == "safety-tuning"


def test_a_trait_is_ablated_only_where_nothing_but_character_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, _ = build_trial(tmp_path, lambda f: False, monkeypatch)
    trial.holding = ["character", "retention"]
    trial.run()
    assert "more is lost than character" in trial.skipped["ablate"]


def test_a_tuning_anew_takes_the_steps_of_the_held_run() -> None:
    assert count_anew_steps(1000) == 1000
    assert count_anew_steps(20) == 2 * SAFETY_STEPS
