"""A run's model in another form (merged, rounded, quantised): asked again, and judged again.

The base's answers are those that the run stored; only the form is asked anew, the same questions in
the same way. What no form changes (the data, the losses of training) is read from the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.config import load
from assay.errors import CheckpointError
from assay.evaluate.compare import Resampling
from assay.evaluate.gates import GateResult, Policy, Verdict, decide_verdict
from assay.evaluate.log import is_tested
from assay.evaluate.report import MeasuredSuite, build_evaluation
from assay.pipeline.free_form import list_probes
from assay.pipeline.gate import judge_run
from assay.pipeline.guards import measure_suites
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, build_examiner
from assay.pipeline.precision import choose_precision
from assay.pipeline.probing import as_base, ask_of_rows, run_probes, summarise_probes
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.publish import is_released
from assay.pipeline.questions import SUITE_NAME
from assay.pipeline.regate import keep_told, read_measured
from assay.pipeline.subject import find_recipe_base
from assay.runs import RunFolder, read_json
from assay.runs.atomic import write_json
from assay.runs.find import summarize
from assay.runs.hashes import sha256_bytes, sha256_file
from assay.runs.metrics import append_line

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

DEAR_S = 20.0
"""An advisory probe that took the run longer than this is not asked of a form again."""


@dataclass(frozen=True)
class JudgedForm:
    """The verdict on a form, and what it was read from.

    `num_changed` of `num_answers` answers in words differ from those of the run's own model.
    `left_out` are advisory gates whose probes were not asked again, by what they cost.
    """

    verdict: Verdict
    gates: list[GateResult]
    evaluation: dict[str, Any]
    num_changed: int
    num_answers: int
    left_out: list[str]

    def to_dict(self) -> dict[str, Any]:
        """As verdict.json, and how the answers differ."""
        return self.verdict.to_dict() | {
            "gates": [gate.to_dict() for gate in self.gates],
            "num_changed": self.num_changed,
            "num_answers": self.num_answers,
            "left_out": self.left_out,
        }


def check_judgeable(run: RunFolder) -> None:
    """Raises CheckpointError where a run has no answers that a form could be compared with."""
    if not run.evaluation.exists() or not run.items.exists() or not run.verdict.exists():
        raise CheckpointError(
            f"{run.path}: not measured, so no form of it can be judged; finish it with"
            f" `assay run --resume {run.id}`, or export with --gates off"
        )


def judge_form(
    run: RunFolder,
    weights: Path,
    policy: Policy,
    *,
    out: Path,
    integrity: Mapping[str, Any],
    progress: Progress | None = None,
) -> JudgedForm:
    """Ask the model of folder `weights` what the run's was asked, and judge it by `policy`.

    `integrity` is what `judge_integrity` reads. Answers, readings, evaluation.json and verdict.json
    go to `out`, from which an interrupted judgement goes on. A form is released only if its run is.

    Raises:
        CheckpointError: the run was not measured, or its base has changed.
    """
    check_judgeable(run)
    progress = progress or PlainProgress()
    job = _open(run, progress)
    policy, left_out = without_dear(run, policy)
    stored, lines = read_json(run.evaluation), [x for x in run.read_items() if is_tested(x)]
    measured = list(read_measured(lines, stored))
    engine = _load_engine(job, weights)
    progress.stage("evaluate", f"evaluate: {weights.name}, on the items of {run.path.name}")
    answers = out / "answers" / _hash_weights(weights)[:16]
    examiner = replace(build_examiner(job, engine, "tuned"), log_folder=answers)
    given = measure_suites(examiner, [one.suite for one in measured])
    progress.stage("probe", "probe: what questions do not show")
    items = next((one.suite.items for one in measured if one.suite.name == SUITE_NAME), [])
    asked = replace(
        ask_of_rows(job, _read_training(run), engine, items),
        as_base=partial(as_base, engine, job.base, whole=True),
        adapter=None,
    )
    probed = run_probes(asked, list_probes(job.recipe, policy), out / "probes", tuned=weights)
    resampling = Resampling(
        **{**stored.get("statistics", {}), "confidence": policy.thresholds.confidence}
    )
    evaluation = build_evaluation(
        [_with_answers(one, given[one.suite.name]) for one in measured],
        decoding=stored.get("decoding", {}),
        train=stored.get("train"),
        skipped=_read_skipped(stored),
        resampling=resampling,
        probes=summarise_probes(probed, resampling),
    )
    evaluation |= keep_told(run, stored)
    evaluation["integrity"] = dict(integrity)
    gates = judge_run(run, evaluation, policy)
    written = list(_write_lines(lines, given))
    pairs = zip(lines, written, strict=True)
    changed = sum(old["tuned"]["output"] != new["tuned"]["output"] for old, new in pairs)
    judged = JudgedForm(
        of_run(run, decide_verdict(gates)), gates, evaluation, changed, len(lines), left_out
    )
    _write(out, written, judged)
    return judged


def of_run(run: RunFolder, verdict: Verdict) -> Verdict:
    """A form's verdict: it is held where its run is, whatever its own gates say."""
    is_good = is_released(run) or summarize(run).status == "overridden"
    if verdict.status == "held" or is_good:
        return verdict
    headline = f"Held: its run is held. {verdict.headline}"
    return replace(verdict, status="held", headline=headline)


def without_dear(run: RunFolder, policy: Policy) -> tuple[Policy, list[str]]:
    """The policy without advisory gates whose probes took the run long, and their names."""
    dear = [
        name
        for name, gate in policy.probe_gates.items()
        if policy.levels.get(name) == "advisory" and _read_seconds(run, gate.probe) > DEAR_S
    ]
    levels = {name: level for name, level in policy.levels.items() if name not in dear}
    return replace(policy, levels=levels), dear


def _read_seconds(run: RunFolder, probe: str) -> float:
    path = run.probes / f"{probe}.json"
    return float(read_json(path).get("seconds", 0.0)) if path.is_file() else 0.0


def _open(run: RunFolder, progress: Progress) -> Job:
    loaded = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder"))
    base = find_recipe_base(loaded, run)
    return Job(loaded.recipe, loaded.base_dir, run, base, progress)


def _load_engine(job: Job, weights: Path) -> LocalEngine:
    """In the number format that the run was measured in, so that only the weights' values differ.

    What is held in few bits by its own configuration stays so.
    """
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model

    dtype = choose_precision(job.recipe).weights
    return LocalEngine(
        load_model(job.base.with_weights_of(weights), dtype=dtype),
        job.tokenizer,
        batch_size=job.recipe.evaluate.batch_size,
        context_len=job.base.context_len,
    )


def _read_training(run: RunFolder) -> list[Any]:
    from assay.data import read_split

    return read_split(run.data / "train.parquet")


def _read_skipped(stored: Mapping[str, Any]) -> dict[Any, str]:
    pooled: Mapping[str, Any] = stored.get("pooled", {})
    return {kind: part["skipped"] for kind, part in pooled.items() if "skipped" in part}


def _with_answers(measured: MeasuredSuite, answers: Answers) -> MeasuredSuite:
    return replace(
        measured,
        scores={**measured.scores, "tuned": answers.scores},
        counts={**measured.counts, "tuned": answers.counts},
    )


def _write_lines(
    lines: Sequence[dict[str, Any]], given: Mapping[str, Answers]
) -> Iterator[dict[str, Any]]:
    """The run's lines of items.jsonl with the form's answers in place of its own model's."""
    for line in lines:
        answers, key = given[str(line["suite"])], str(line["id"])
        tuned = {"output": answers.outputs[key], "score": answers.scores[key].to_dict()}
        yield {**line, "tuned": tuned}


def _write(out: Path, lines: Sequence[Mapping[str, Any]], judged: JudgedForm) -> None:
    items = out / "items.jsonl"
    items.unlink(missing_ok=True)
    for line in lines:
        append_line(items, dict(line))
    write_json(out / "evaluation.json", judged.evaluation)
    write_json(out / "verdict.json", judged.to_dict())


def _hash_weights(folder: Path) -> str:
    hashes = [sha256_file(path) for path in sorted(folder.glob("*.safetensors"))]
    return sha256_bytes("".join(hashes).encode())
