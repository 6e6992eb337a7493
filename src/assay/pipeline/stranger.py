"""An adapter of unknown origin, judged by a policy: no rows of its training are known.

What it is asked and looked at is what a run's model is, on the base that it is said to be of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import ConfigError, Problem
from assay.evaluate.compare import Resampling
from assay.evaluate.gates import GateResult, Level, Policy, Verdict, decide_verdict, evaluate_gates
from assay.evaluate.log import build_item_line
from assay.evaluate.probes import Asked
from assay.evaluate.report import MeasuredSuite, build_evaluation
from assay.evaluate.suites import Suite
from assay.generate import Sampling
from assay.pipeline.guards import choose_guards, measure_suites, remember_suites
from assay.pipeline.measure import Answers, Examiner
from assay.pipeline.probing import as_base, remember_base, run_probes, summarise_probes
from assay.pipeline.progress import PlainProgress, Progress
from assay.runs.atomic import write_json
from assay.runs.hashes import sha256_file
from assay.runs.metrics import append_line

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles
    from assay.models.foreign import AdapterFacts

NEEDS_ROWS = ("data", "task_gain", "prompting_gain", "overfit")
"""Gates that only rows of the training and of the task could answer."""
BATCH_SIZE = 32


@dataclass(frozen=True)
class JudgedAdapter:
    """The verdict on an adapter, the evaluation it was read from, and what its files say."""

    verdict: Verdict
    gates: list[GateResult]
    evaluation: dict[str, Any]
    facts: AdapterFacts

    def to_dict(self) -> dict[str, Any]:
        """As verdict.json, and the adapter's facts."""
        gates = [gate.to_dict() for gate in self.gates]
        return self.verdict.to_dict() | {"gates": gates, "adapter": self.facts.to_dict()}


def judge_adapter(
    adapter: Path,
    base_name: str,
    policy: Policy,
    *,
    out: Path,
    max_items: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> JudgedAdapter:
    """Ask the base with and without an adapter what the policy's gates read, and judge.

    Answers, readings, evaluation.json and verdict.json go to `out`, from which an interrupted
    judgement goes on.

    Raises:
        ConfigError: files that must not or cannot be loaded (see `inspect_adapter`), another base's
            adapter, or no such base.
    """
    from assay.models.base import find_base
    from assay.models.foreign import WEIGHTS, inspect_adapter

    progress = progress or PlainProgress()
    base = find_base(base_name)
    facts = inspect_adapter(adapter, base)
    policy = without_rows(policy)
    engine = _load(base, adapter)
    whole = partial(as_base, engine, base, whole=False)
    remember = remember_base(base, precision="fp32")
    progress.stage("evaluate", f"evaluate: {adapter} on {base.name}")
    suites = choose_guards(base, policy.levels, max_items=max_items, seed=seed).suites
    # Answers are of these weights: another adapter judged into the same folder has its own.
    answers = out / "answers" / sha256_file(adapter / WEIGHTS)[:16]
    ask = partial(_examiner, engine, base, answers, progress)
    with whole():
        of_base = remember_suites(ask("base"), suites, remember)
    tuned = measure_suites(ask("tuned"), suites)
    progress.stage("probe", "probe: what questions do not show")
    asked = Asked(
        engine=engine,
        as_base=whole,
        remember=remember,
        tokenizer=base.tokenizer,
        context_len=base.context_len,
        adapter=adapter,
        base_name=base.name,
        max_items=max_items,
        seed=seed,
        count=progress.count,
    )
    probed = run_probes(asked, policy.list_probes(), out / "probes", tuned=adapter)
    resampling = Resampling(confidence=policy.thresholds.confidence, seed=seed)
    evaluation = build_evaluation(
        [
            MeasuredSuite(suite, {"base": of_base[suite.name].scores, "tuned": own.scores})
            for suite, own in zip(suites, (tuned[suite.name] for suite in suites), strict=True)
        ],
        decoding={"temperature": 0.0, "seed": seed, "batch_size": BATCH_SIZE},
        resampling=resampling,
        probes=summarise_probes(probed, resampling),
    )
    evaluation["integrity"] = _check_integrity(engine, base, adapter, facts)
    gates = evaluate_gates(evaluation, evaluation["integrity"], policy)
    judged = JudgedAdapter(decide_verdict(gates), gates, evaluation, facts)
    _write(out, suites, of_base, tuned, judged)
    return judged


def without_rows(policy: Policy) -> Policy:
    """The policy without the gates of `NEEDS_ROWS`.

    Raises:
        ConfigError: no gate of it is required then: it could hold nothing.
    """
    off: dict[str, Level] = dict.fromkeys(NEEDS_ROWS, "off")
    levels = {**policy.levels, **off}
    if "required" not in levels.values():
        got = f"{policy.name}, which requires nothing that can be asked without the training rows"
        raise ConfigError(Problem(got=got, allowed="standard, strict, agent", key="--policy"))
    return replace(policy, levels=levels)


def _load(base: BaseFiles, adapter: Path) -> LocalEngine:
    from assay.generate.local import LocalEngine
    from assay.models.adapters import load_adapter
    from assay.models.base import load_model

    try:
        model = load_adapter(load_model(base), adapter).get_base_model()
    except (RuntimeError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        problem = Problem(
            got=f"{adapter}, which does not fit {base.name} ({reason})",
            allowed="an adapter of this base",
            do="name the base that it was tuned from",
            key="--base",
        )
        raise ConfigError(problem) from error
    return LocalEngine(model, base.tokenizer, batch_size=BATCH_SIZE, context_len=base.context_len)


def _examiner(
    engine: LocalEngine, base: BaseFiles, answers: Path, progress: Progress, variant: str
) -> Examiner:
    return Examiner(
        engine=engine,
        base=base,
        sampling=Sampling(max_new_tokens=128),
        batch_size=BATCH_SIZE,
        base_dir=Path(),
        variant=variant,
        keep_going=True,
        log_folder=answers,
        on_count=progress.count,
    )


def _check_integrity(
    engine: LocalEngine, base: BaseFiles, adapter: Path, facts: AdapterFacts
) -> dict[str, Any]:
    """What of integrity can be checked of an adapter that was not tuned here."""
    from assay.models.export import check_integrity, take_probe

    prompts = [base.tokenizer.encode(text) for text in ("Hello.", "What is the time?")]
    probe = take_probe(engine.model, prompts)
    found = check_integrity(base, adapter, probe, adapter=True)
    merged: dict[str, Any] = {"difference": found.merge_difference, "tolerance": found.tolerance}
    if found.merge_difference is None:
        merged = {"not_applicable": found.not_merged}
    return {
        "adapter_reloads": {"difference": found.reload_difference, "tolerance": found.tolerance},
        "merged_equals_adapter": merged,
        "template_unchanged": facts.template_unchanged,
    }


def _write(
    out: Path,
    suites: Sequence[Suite],
    of_base: dict[str, Answers],
    tuned: dict[str, Answers],
    judged: JudgedAdapter,
) -> None:
    items = out / "items.jsonl"
    items.unlink(missing_ok=True)
    for suite in suites:
        arms = {"base": of_base[suite.name], "tuned": tuned[suite.name]}
        for item in suite.items:
            outputs = {arm: answers.outputs[item.id] for arm, answers in arms.items()}
            scores = {arm: answers.scores[item.id] for arm, answers in arms.items()}
            append_line(items, build_item_line(item, outputs, scores))
    write_json(out / "evaluation.json", judged.evaluation)
    write_json(out / "verdict.json", judged.to_dict())
