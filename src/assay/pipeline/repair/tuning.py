"""Tunings that a repair makes: a few dozen steps from the held adapter, or all of it anew.

Each is a run folder of its own under the repair's, so that an interrupted one goes on from its
newest checkpoint; nothing of it is judged or released there.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from assay.config import Loaded, dump, load
from assay.data import Record
from assay.errors import ConfigError
from assay.pipeline.progress import Progress
from assay.pipeline.repair.child import work_folder
from assay.pipeline.repair.rows import leave_out
from assay.pipeline.run import opened_run
from assay.pipeline.tune import Training
from assay.runs import RunFolder, find_run, read_json
from assay.runs.atomic import write_text

SAFETY_STEPS = 64
"""Optimizer steps of a short safety tuning."""
SAFETY_REPLAY, TASK_REPLAY = 0.5, 0.25
"""The share of general and safety rows in what is learned from; the others keep the task. The
second is of a tuning that goes on where the gates pass and too little of the task is kept."""
SAFETY_KL, SAFETY_KL_SHARE = 1.0, 0.33
"""A third of all rows holds the model to its base."""
_AS_THE_RULES_SAY = (
    "train.learning_rate=null",
    "train.schedule=cosine",
    "train.epochs=null",
    "sweep={}",
)


def list_safety_changes(
    loaded: Loaded, adapter: Path, general: Path, *, replay: float = SAFETY_REPLAY
) -> list[str]:
    """What a safety tuning from `adapter` changes of the held run's recipe, as overrides.

    The method keeps its type alone: rank, layers and the like are the adapter's own.
    """
    method = {"type": loaded.recipe.method.type, "start_from": str(adapter.resolve())}
    return [
        f"method={json.dumps(method)}",
        f"train.max_steps={SAFETY_STEPS}",
        "defend.preset=off",
        *_list_shared_changes(general, replay=replay),
    ]


def list_anew_changes(loaded: Loaded, general: Path, *, num_steps: int) -> list[str]:
    """What a tuning anew changes: the defences of `auto`, the rules' rate, and adapters alone.

    The shares are those of a safety tuning: what was held once needs more than the preset's.
    """
    return [
        *(["method=lora"] if loaded.recipe.method.trains_base else []),
        f"train.max_steps={num_steps}",
        "defend.preset=auto",
        # What drifted shows where candidates are weighed; a stop would end some at the base itself.
        "defend.stop_on_drift=false",
        *_list_shared_changes(general, replay=SAFETY_REPLAY),
    ]


def count_anew_steps(num_steps: int) -> int:
    """Of a tuning anew: those of the held run, and no fewer than of both safety tunings."""
    return max(num_steps, 2 * SAFETY_STEPS)


def _list_shared_changes(general: Path, *, replay: float) -> list[str]:
    return [
        *_AS_THE_RULES_SAY,
        f"defend.replay={replay}",
        f"defend.kl={SAFETY_KL}",
        f"defend.kl_share={SAFETY_KL_SHARE}",
        f"defend.general={json.dumps(str(general.resolve()))}",
    ]


def tune_beside(
    child: RunFolder,
    loaded: Loaded,
    name: str,
    changes: list[str],
    *,
    left_out: Collection[str],
    progress: Progress,
) -> tuple[RunFolder, Training]:
    """Tune the held run's recipe with `changes` under the repair's folder, or go on with that.

    Training rows whose ids are `left_out` are not learned from.

    Raises:
        ConfigError: the recipe does not allow them, or with them other rows would be held out.
        TrainingError, ResourceError: see `assay.errors`.
    """
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model
    from assay.pipeline.method import check_method
    from assay.pipeline.precision import choose_precision
    from assay.pipeline.tuned import tune_or_reload

    changed = load(loaded.path, changes, base_dir=loaded.base_dir)
    run = _open(child, changed, name)
    with opened_run(changed, run, progress, verb="") as (job, read):
        prepared = leave_out(read, left_out)
        engine = LocalEngine(
            load_model(job.base, dtype=choose_precision(job.recipe).weights),
            job.tokenizer,
            batch_size=1,
            context_len=job.base.context_len,
        )
        check_method(job, engine.model)
        _compare_held_out(child, run)
        progress.stage("tune", f"tune: {name}, {len(prepared.train)} rows")
        return run, tune_or_reload(job, prepared, engine, resume=True)


def _compare_held_out(child: RunFolder, run: RunFolder) -> None:
    """Refuse a tuning whose validation or test rows are not those of the held run."""
    mine, theirs = (read_json(one.manifest)["data"] for one in (run, child))
    if any(mine.get(name) != theirs.get(name) for name in ("validation", "test")):
        raise ConfigError("with these changes other rows would be held out")


def write_general(child: RunFolder, records: list[Record]) -> Path | None:
    """The general rows that may be tuned on, as a file of the repair; None where there are none."""
    if not records:
        return None
    path = work_folder(child) / "general.jsonl"
    rows = (
        {"messages": record.messages} | ({"tools": record.tools} if record.tools else {})
        for record in records
    )
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows)
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path


def read_training(run: RunFolder) -> Training:
    """What the training of a run gave."""
    return Training(**read_json(run.manifest)["training"])


def _open(child: RunFolder, loaded: Loaded, name: str) -> RunFolder:
    """The run folder of a tuning: the one that is there, or a new one."""
    root = work_folder(child) / "tunings"
    if any(root.glob(f"{name}-*/manifest.json")):
        return find_run(root, name)
    run = RunFolder.create(root, name, dump(loaded.recipe), recipe_folder=loaded.base_dir)
    run.update_manifest({"recipe_folder": str(loaded.base_dir.resolve())})
    return run
