"""What the choosing questions say of one candidate, by the gates' own rules; it chooses nothing."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from assay.evaluate.compare import Resampling
from assay.evaluate.gates import Level, Policy, evaluate_gates
from assay.evaluate.probes import Asked, Probed, Reading
from assay.evaluate.probes.fixed_rows import lay_out_answers
from assay.evaluate.probes.persona import build_pairs, measure_on
from assay.evaluate.report import MeasuredSuite, build_evaluation
from assay.evaluate.suites import Suite
from assay.pipeline.baseline import VALIDATION_NAME
from assay.pipeline.guards import describe_decoding, measure_suites
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, Examiner, build_examiner
from assay.pipeline.precision import choose_precision
from assay.pipeline.probing import summarise_probes
from assay.pipeline.questions import SUITE_NAME
from assay.pipeline.repair.choosing import Choosing
from assay.pipeline.repair.weighed import Wanted, Weighed

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.pipeline.batches import TrainingRows

PERSONA, DRIFT, FREE_FORM, OVERFIT = "persona", "drift", "free_form", "overfit"


@dataclass(frozen=True)
class Scales:
    """On what candidates are weighed.

    Attributes:
        engine: holds the candidate that is weighed.
        asked: as what a run's probes are told, without a run's test items.
        policy: the gates that choose (see `choose_policy`).
        rows: what losses are measured on.
        base_task, base_suites: the base's answers to the choosing questions.
        tuned_gain: of the held model on the task's validation items; None before it was weighed.
        folder: keeps every answer as soon as it is there.
    """

    job: Job
    engine: LocalEngine
    asked: Asked
    policy: Policy
    choosing: Choosing
    rows: TrainingRows
    base_task: Answers
    base_suites: Mapping[str, Answers]
    folder: Path
    tuned_gain: float | None = None

    def weigh(self, wanted: Wanted, *, began: float) -> Weighed:
        """Ask the model that `engine` holds now; `began` is `time.perf_counter` of its making.

        A candidate that fails on one kind is not asked the others: it cannot be chosen.
        """
        examiner = replace(
            build_examiner(self.job, self.engine, "tuned"),
            variant=wanted.name,
            log_folder=self.folder / "answers",
        )
        task = examiner.measure(self.choosing.task.items, name=VALIDATION_NAME)
        suites, policy = self._ask_suites(examiner)
        losses = self._measure_losses()
        evaluation = self._evaluate(task, suites, losses, policy)
        found = evaluation["suites"][SUITE_NAME]
        gain = float(found["comparisons"]["tuned_vs_base"]["difference"] or 0.0)
        gates = evaluate_gates(evaluation, {}, policy)
        whole = self.tuned_gain
        return Weighed(
            **asdict(wanted),
            task=float(found["tuned"]["mean"] or 0.0),
            gain=gain,
            kept=gain / whole if whole is not None and whole > 0 else None,
            gates=[gate.to_dict() for gate in gates],
            losses=losses,
            passes=gain > self.policy.thresholds.min_gain
            and all(gate.outcome == "pass" for gate in gates if gate.required),
            seconds=round(time.perf_counter() - began, 1),
        )

    def _ask_suites(self, examiner: Examiner) -> tuple[dict[str, Answers], Policy]:
        """Answers up to the first kind that fails, and the policy of the gates that they answer."""
        found: dict[str, Answers] = {}
        for suite in self.choosing.suites:
            found |= measure_suites(examiner, [suite])
            if self._fails(suite, found[suite.name]):
                asked = [one.kind for one in self.choosing.suites if one.name in found]
                return found, keep_gates(self.policy, (*asked, OVERFIT))
        return found, self.policy

    def _fails(self, suite: Suite, answers: Answers) -> bool:
        measured = [self._pair(suite, self.base_suites[suite.name], answers)]
        evaluation = build_evaluation(measured, decoding={}, resampling=self._resampling)
        gates = evaluate_gates(evaluation, {}, keep_gates(self.policy, (suite.kind,)))
        return any(gate.required and gate.outcome == "fail" for gate in gates)

    @property
    def _resampling(self) -> Resampling:
        confidence = self.policy.thresholds.confidence
        return Resampling(confidence=confidence, seed=self.job.recipe.seed)

    @staticmethod
    def _pair(suite: Suite, base: Answers, tuned: Answers) -> MeasuredSuite:
        return MeasuredSuite(suite, {"base": base.scores, "tuned": tuned.scores})

    def _measure_losses(self) -> dict[str, float]:
        from assay.models.forward import packed_mode
        from assay.train.sft import compute_mean_loss

        model, precision = self.engine.model, choose_precision(self.job.recipe).name
        with packed_mode(model):
            train, validation = (
                compute_mean_loss(model, batches, precision=precision)
                for batches in (self.rows.comparable, self.rows.validation)
            )
        return {"loss_train": train, "loss_validation": validation}

    def _evaluate(
        self,
        task: Answers,
        suites: Mapping[str, Answers],
        losses: Mapping[str, float],
        policy: Policy,
    ) -> dict[str, Any]:
        asked = [suite for suite in self.choosing.suites if suite.name in suites]
        measured = [self._pair(self.choosing.task, self.base_task, task)]
        measured += [self._pair(s, self.base_suites[s.name], suites[s.name]) for s in asked]
        return build_evaluation(
            measured,
            decoding=describe_decoding(self.job),
            train={**losses, "num_validation": self.rows.num_validation},
            resampling=self._resampling,
            probes=summarise_probes(self._probe(policy), self._resampling),
        )

    def _probe(self, policy: Policy) -> dict[str, Probed]:
        """Character and divergence on the choosing questions, where a gate reads them."""
        found = {}
        if policy.levels[PERSONA] != "off":
            items = self.choosing.others["character"]
            pairs = [pair for item in items for pair in build_pairs(item)]
            found[PERSONA] = measure_on(self.asked, pairs)
        if policy.levels[DRIFT] != "off":
            rows = lay_out_answers(self.asked, self.choosing.others["retention"])
            divergences = self.engine.kl_to_base([row for _, row in rows], self.asked.as_base)
            named = zip(rows, divergences, strict=True)
            found[DRIFT] = Probed([Reading(row[0], 0.0, fmean(kl)) for row, kl in named])
        return found


def choose_policy(policy: Policy, choosing: Choosing) -> Policy:
    """The gates of `policy` that the choosing questions can answer, at their levels.

    Free answers are sampled and judged when the choice is confirmed; the character's shift stands
    for them here.
    """
    levels: dict[str, Level] = dict.fromkeys(policy.levels, "off")
    for suite in choosing.suites:
        levels[suite.kind] = policy.levels.get(suite.kind, "off")
    levels[OVERFIT] = policy.levels.get(OVERFIT, "off")
    shown = {PERSONA: choosing.others["character"], DRIFT: choosing.others["retention"]}
    stand_for = {PERSONA: (PERSONA, FREE_FORM), DRIFT: (DRIFT,)}
    for name, items in shown.items():
        needed = [policy.levels.get(gate, "off") for gate in stand_for[name]]
        levels[name] = "required" if "required" in needed and items else "off"
    return replace(policy, levels=levels)


def keep_gates(policy: Policy, names: Collection[str]) -> Policy:
    """The policy with all gates but these turned off."""
    levels: dict[str, Level] = dict.fromkeys(policy.levels, "off")
    return replace(policy, levels=levels | {name: policy.levels[name] for name in names})
