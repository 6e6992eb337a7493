"""A held run mended where it can be: interventions from the cheapest to the dearest, one confirmed.

What is chosen is chosen on questions that no gate of the run reads (`choosing`), and only that is
then measured on the run's own test items and probes, once, by the code and the policy that held it.
What passes is a new run, released and signed as any; what does not is held, and says what was
tried.
"""

from __future__ import annotations

from assay.config import load
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.publish import is_published, publish
from assay.pipeline.repair.begin import Case, build_trial
from assay.pipeline.repair.child import (
    RepairOptions,
    begin_child,
    clear_work,
    find_child,
    read_tried,
    update_repair,
    with_absolute,
)
from assay.pipeline.repair.holds import check_repairable, check_weights
from assay.pipeline.repair.install import install
from assay.pipeline.repair.trial import HELD
from assay.pipeline.repair.weighed import Weighed
from assay.pipeline.run import RunOutcome, check_before, go_through, opened_run, resume_run
from assay.runs import RunFolder, read_json
from assay.runs.find import read_or_empty


def repair_run(
    run: RunFolder, options: RepairOptions | None = None, *, progress: Progress | None = None
) -> RunOutcome:
    """Try to mend a held run; the outcome is that of a new run beside it.

    The same call goes on with a repair that was cut off, and finds one that has ended.

    Raises:
        UsageError: a run that is not held, or held by what a repair does not mend.
        ConfigError, DataError, CheckpointError: as in `assay.pipeline.run`.
    """
    progress = progress or PlainProgress()
    options = with_absolute(options or RepairOptions())
    holding = check_repairable(run)
    check_weights(run)
    loaded = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder"))
    policy = check_before(loaded)
    child = find_child(run, options) or begin_child(run, loaded, options, failed=holding)
    if child.verdict.exists():
        return _tell_ended(child, progress)
    if read_json(child.manifest)["repair"].get("chosen") is None:
        progress.note(f"repair of {run.path}, held by {', '.join(holding)}")
        case = Case(run, child, loaded, policy, options, holding, progress)
        if _choose(case) is None:
            return _hold(child)
    chosen = load(child.recipe, base_dir=loaded.base_dir)
    return go_through(chosen, child, policy, progress, resume=True)


def _tell_ended(child: RunFolder, progress: Progress) -> RunOutcome:
    """What a repair that has ended found; what follows its verdict is written if it is missing."""
    if not is_published(child):
        return resume_run(child, progress=progress)
    progress.note(f"repaired before, in {child.path}")
    return RunOutcome(child, read_json(child.verdict), read_or_empty(child.evaluation), None)


def _choose(case: Case) -> Weighed | None:
    """Weigh what can be tried, and put the best into the child's folder; None where none passes."""
    with opened_run(case.loaded, case.child, case.progress, verb="") as (job, prepared):
        trial = build_trial(case, job, prepared)
        chosen = trial.run()
        tried = [one.to_dict() for one in trial.tried.values()]
        update_repair(case.child, {"skipped": trial.skipped, "tried": tried})
        if chosen is not None:
            install(case.run, trial, job, chosen)
    clear_work(case.child)
    return chosen


def _hold(child: RunFolder) -> RunOutcome:
    """The verdict of a repair that found nothing to confirm."""
    tried = read_tried(child)
    num = sum(one.intervention != HELD for one in tried.values())
    failing = list(dict.fromkeys(gate for one in tried.values() for gate in one.failing))
    headline = (
        f"Held: none of {num} candidates passes the questions that choose"
        f" ({', '.join(failing)}), so none was confirmed on the test items."
    )
    verdict = {
        "status": "held",
        "headline": headline,
        "failed": failing,
        "not_measured": [],
        "gates": [],
    }
    child.write_json(child.verdict, verdict)
    publish(child, None)
    return RunOutcome(child, verdict, {}, None)
