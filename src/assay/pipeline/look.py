"""Asks one adapter and its base what a policy's gates read; it judges nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.evaluate.compare import Resampling
from assay.evaluate.gates import Policy
from assay.evaluate.judges import Judge
from assay.evaluate.log import build_item_line
from assay.evaluate.probes import Asked, Probed, Remember
from assay.evaluate.report import MeasuredSuite, build_evaluation
from assay.evaluate.suites import Suite
from assay.generate import Sampling
from assay.pipeline.guards import choose_guards, measure_suites, remember_suites, widen_guards
from assay.pipeline.known_rows import KnownRows
from assay.pipeline.measure import Answers, Examiner
from assay.pipeline.probing import as_base, remember_base, run_probes, summarise_probes
from assay.pipeline.progress import Progress
from assay.runs import canonical_json, sha256_bytes
from assay.runs.hashes import sha256_file
from assay.runs.metrics import append_line

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles

BATCH_SIZE = 32


@dataclass(frozen=True)
class Look:
    """One adapter on its base, and what is asked of both.

    Attributes:
        engine: holds the adapter on the base.
        adapter: its folder.
        task: the suite of the held-out rows, if there are some.
        policy: whose gates are to be answered.
        judge: of free answers, if one is named.
        out: gets answers, readings and ``items.jsonl``; an interrupted look goes on from it.
        formats: whether built-in questions are asked in further formats, too, where the task is
            known; no gate reads them.
        cpu_s: gets the CPU time of each suite and probe by name.
    """

    engine: LocalEngine
    base: BaseFiles
    adapter: Path
    known: KnownRows
    task: Suite | None
    policy: Policy
    out: Path
    max_items: int
    seed: int
    judge: Judge | None
    progress: Progress
    formats: bool = True
    cpu_s: dict[str, float] = field(default_factory=dict)

    def measure(self) -> dict[str, Any]:
        """The evaluation, without integrity; items.jsonl is written on the way."""
        remember = remember_base(self.base, precision="fp32")
        whole = partial(as_base, self.engine, self.base, whole=False)
        self.progress.stage("evaluate", f"evaluate: {self.adapter} on {self.base.name}")
        suites = self._choose_suites()
        of_base: dict[str, Answers] = {}
        tuned: dict[str, Answers] = {}
        for suite in suites:
            with self._timed(suite.name):
                with whole():
                    of_base |= remember_suites(self._examiner("base"), [suite], remember)
                tuned |= measure_suites(self._examiner("tuned"), [suite])
        _write_items(self.out / "items.jsonl", suites, of_base, tuned)
        self.progress.stage("probe", "probe: what questions do not show")
        probed = self._probe(whole, remember)
        resampling = Resampling(confidence=self.policy.thresholds.confidence, seed=self.seed)
        arms = ({"base": of_base[suite.name], "tuned": tuned[suite.name]} for suite in suites)
        return build_evaluation(
            [
                MeasuredSuite(suite, {arm: answers.scores for arm, answers in own.items()})
                for suite, own in zip(suites, arms, strict=True)
            ],
            decoding={"temperature": 0.0, "seed": self.seed, "batch_size": BATCH_SIZE},
            resampling=resampling,
            probes=summarise_probes(probed, resampling),
        )

    def _choose_suites(self) -> list[Suite]:
        """The built-in suites; with rows of the task those, and what a run asks beside them."""
        levels, size = self.policy.levels, self.max_items
        guards = choose_guards(self.base, levels, max_items=size, seed=self.seed)
        if self.task is None:
            return guards.suites
        system = self.known.system
        wide = widen_guards(
            guards,
            self.task.items,
            levels=levels,
            system=system,
            max_items=size,
            seed=self.seed,
            formats=self.formats,
        )
        return [self.task, *wide.suites]

    def _probe(self, whole: Any, remember: Remember) -> dict[str, Probed]:
        asked = Asked(
            engine=self.engine,
            as_base=whole,
            remember=remember,
            tokenizer=self.base.tokenizer,
            context_len=self.base.context_len,
            prompts=self.task.items if self.task else (),
            tools=self.known.tools,
            training=self.known.training,
            system=self.known.system,
            adapter=self.adapter,
            canaries=self.known.canaries,
            judge=self.judge,
            base_name=self.base.name,
            max_items=self.max_items,
            seed=self.seed,
            count=self.progress.count,
        )
        # What was found of the same weights with other rows at hand, or of fewer items, is another.
        told = [self.known.compute_sha256(), self.max_items, self.seed]
        told += [self.judge.name] if self.judge else []
        folder = self.out / "probes" / sha256_bytes(canonical_json(told))[:16]
        found: dict[str, Probed] = {}
        for name in self.policy.list_probes():
            with self._timed(name):
                found |= run_probes(asked, [name], folder, tuned=self.adapter)
        return found

    def _examiner(self, variant: str) -> Examiner:
        """Answers are of these weights: another adapter judged into the same folder has its own."""
        from assay.models.foreign import WEIGHTS

        weights = sha256_file(self.adapter / WEIGHTS)[:16]
        return Examiner(
            engine=self.engine,
            base=self.base,
            sampling=Sampling(max_new_tokens=128),
            batch_size=BATCH_SIZE,
            base_dir=Path(),
            variant=variant,
            keep_going=True,
            log_folder=self.out / "answers" / weights,
            on_count=self.progress.count,
        )

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.cpu_s[name] = round(time.process_time() - began, 3)


def _write_items(
    path: Path,
    suites: Sequence[Suite],
    of_base: Mapping[str, Answers],
    tuned: Mapping[str, Answers],
) -> None:
    path.unlink(missing_ok=True)
    for suite in suites:
        arms = {"base": of_base[suite.name], "tuned": tuned[suite.name]}
        for item in suite.items:
            outputs = {arm: answers.outputs[item.id] for arm, answers in arms.items()}
            scores = {arm: answers.scores[item.id] for arm, answers in arms.items()}
            append_line(path, build_item_line(item, outputs, scores))
