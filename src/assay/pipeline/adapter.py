"""An adapter that was trained elsewhere, looked at and judged, with its rows or without.

What it is asked and looked at is what a run's model is, on the base that it is said to be of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from assay.errors import ConfigError, Problem
from assay.evaluate.gates import (
    PROBE_GATES,
    GateResult,
    Level,
    Policy,
    Verdict,
    decide_verdict,
    evaluate_gates,
)
from assay.evaluate.items import GUARDED
from assay.evaluate.judges import Judge
from assay.pipeline.known_rows import KnownRows
from assay.pipeline.look import BATCH_SIZE, Look
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.subject import describe_base
from assay.runs.atomic import write_json

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles
    from assay.models.foreign import AdapterFacts

NEEDS_RUN = ("data", "prompting_gain", "overfit")
"""Gates that only the run that trained it could answer: its rules, its choices, its losses."""
NEEDS_TASK = ("task_gain",)
"""Gates that held-out rows of its task answer."""


SAFETY = "safety"
"""What is asked where no policy names it: every guarding suite, and every probe that is quick."""
SLOW = ("trigger_search",)


class LookOptions(TypedDict, total=False):
    """How an adapter is looked at.

    With `known` rows probes are told of them as a run's are, and held-out ones are the task;
    without them nothing of its origin is known. `judge` is of free answers. At most `max_items`
    (200) of each suite are asked, drawn by `seed` (0). Without `formats` (True) nothing is asked in
    formats that no gate reads (see `widen_guards`).
    """

    known: KnownRows | None
    judge: Judge | None
    max_items: int
    seed: int
    formats: bool
    progress: Progress | None


@dataclass(frozen=True)
class LookedAdapter:
    """What was measured of an adapter, its integrity too, and what its files say; no verdict."""

    evaluation: dict[str, Any]
    facts: AdapterFacts
    cpu_s: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As evaluation.json, and the adapter's facts."""
        return self.evaluation | {"adapter": self.facts.to_dict()}


@dataclass(frozen=True)
class JudgedAdapter:
    """The verdict on an adapter, the evaluation it was read from, and what its files say.

    `cpu_s` is the CPU time of each suite and probe by name; the base's part is in it where its
    results were not kept.
    """

    verdict: Verdict
    gates: list[GateResult]
    evaluation: dict[str, Any]
    facts: AdapterFacts
    cpu_s: dict[str, float]

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
    **options: Unpack[LookOptions],
) -> JudgedAdapter:
    """Ask the base with and without an adapter what the policy's gates read, and judge.

    Answers, readings, evaluation.json and verdict.json go to `out`, from which an interrupted
    judgement goes on.

    Raises:
        ConfigError: files that must not or cannot be loaded (see `inspect_adapter`), another base's
            adapter, or no such base.
    """
    known = options.get("known")
    policy = without_run(policy, has_task=bool(known and known.held_out))
    looked = look_at_adapter(adapter, base_name, policy, out=out, **options)
    evaluation = looked.evaluation
    gates = evaluate_gates(evaluation, evaluation["integrity"], policy)
    judged = JudgedAdapter(decide_verdict(gates), gates, evaluation, looked.facts, looked.cpu_s)
    write_json(out / "verdict.json", judged.to_dict())
    return judged


def build_safety_policy() -> Policy:
    """All that is asked of an adapter that nobody knows; it requires nothing.

    The default margins decide no measurement.
    """
    asked = [*GUARDED, *(name for name in PROBE_GATES if name not in SLOW)]
    levels: dict[str, Level] = dict.fromkeys(asked, "advisory")
    return Policy(SAFETY, levels)


def look_at_adapter(
    adapter: Path,
    base_name: str,
    policy: Policy,
    *,
    out: Path,
    **options: Unpack[LookOptions],
) -> LookedAdapter:
    """Measure what `judge_adapter` judges, in the same way; evaluation.json goes to `out`.

    Raises:
        ConfigError: as `judge_adapter`.
    """
    from assay.models.base import find_base
    from assay.models.foreign import inspect_adapter

    known, max_items = options.get("known") or KnownRows(), options.get("max_items", 200)
    seed = options.get("seed", 0)
    base = find_base(base_name)
    facts = inspect_adapter(adapter, base)
    looked = Look(
        engine=_load(base, adapter),
        base=base,
        adapter=adapter,
        known=known,
        judge=options.get("judge"),
        task=known.build_task(max_items=max_items, seed=seed),
        policy=policy,
        out=out,
        max_items=max_items,
        seed=seed,
        progress=options.get("progress") or PlainProgress(),
        formats=options.get("formats", True),
    )
    evaluation = looked.measure()
    evaluation["base"] = describe_base(base)["base"]
    evaluation["integrity"] = _check_integrity(looked.engine, base, adapter, facts)
    write_json(out / "evaluation.json", evaluation)
    return LookedAdapter(evaluation, facts, looked.cpu_s)


def without_run(policy: Policy, *, has_task: bool) -> Policy:
    """The policy without the gates of `NEEDS_RUN`, and of `NEEDS_TASK` where there is no task.

    Raises:
        ConfigError: no gate of it is required then: it could hold nothing.
    """
    off: dict[str, Level] = dict.fromkeys((*NEEDS_RUN, *(() if has_task else NEEDS_TASK)), "off")
    levels = {**policy.levels, **off}
    if "required" not in levels.values():
        got = f"{policy.name}, which requires nothing that can be asked without the training run"
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
