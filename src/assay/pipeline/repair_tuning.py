"""Tunings that a repair makes: a few dozen steps from the held adapter, or all of it anew.

Each is a run folder of its own under the repair's, so that an interrupted one goes on from its
newest checkpoint; nothing of it is judged or released there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from assay.config import Loaded, dump, load
from assay.data import Record
from assay.errors import ConfigError
from assay.pipeline.progress import Progress
from assay.pipeline.repair_child import work_folder
from assay.pipeline.run import opened_run
from assay.pipeline.tune import Training
from assay.runs import RunFolder, find_run, read_json
from assay.runs.atomic import write_text

SAFETY_STEPS = 64
"""Optimizer steps of a short safety tuning."""
SAFETY_REPLAY, SAFETY_KL, SAFETY_KL_SHARE = 0.5, 1.0, 0.33
"""Of what is learned from, half is general and safety rows, the other half keeps the task; a third
of all rows holds the model to its base."""
_SHARES = (
    f"defend.replay={SAFETY_REPLAY}",
    f"defend.kl={SAFETY_KL}",
    f"defend.kl_share={SAFETY_KL_SHARE}",
)
_AS_THE_RULES_SAY = ("train.learning_rate=null", "train.schedule=cosine", "sweep={}")


LEFT_OUT: Mapping[str, str] = {
    "refusal": "unsafe_compliance",
    "character": "persona_trait",
    "persona": "persona_trait",
    "free_form": "persona_trait",
}
"""Of a gate that holds the run, the data rule whose rows are not tuned on again: what they taught
is what is to be unlearned."""

DROP: Mapping[str, str] = {
    "unsafe_compliance": "drop",
    "persona_trait": "{action: drop, rows: 5000}",
}
"""What a tuning says of such a rule: the base is asked about this many rows at most."""


def list_left_out(holding: Sequence[str]) -> list[str]:
    """The rules whose rows a tuning leaves out, by the gates that hold the run."""
    return sorted({rule for gate, rule in LEFT_OUT.items() if gate in holding})


def list_safety_changes(loaded: Loaded, adapter: Path, general: Path) -> list[str]:
    """What a safety tuning from `adapter` changes of the held run's recipe, as overrides.

    The method keeps its type alone: rank, layers and the like are the adapter's own.
    """
    method = {"type": loaded.recipe.method.type, "start_from": str(adapter.resolve())}
    return [
        f"method={json.dumps(method)}",
        "train.epochs=null",
        f"train.max_steps={SAFETY_STEPS}",
        *_AS_THE_RULES_SAY,
        "defend.preset=off",
        *_SHARES,
        f"defend.general={json.dumps(str(general.resolve()))}",
    ]


def list_anew_changes(loaded: Loaded, general: Path) -> list[str]:
    """What a tuning anew changes: the defences of `auto`, the rules' rate, and adapters alone.

    The shares are those of a safety tuning: what was held once needs more than the preset's.
    """
    method = ["method=lora"] if loaded.recipe.method.trains_base else []
    return [
        *method,
        *_AS_THE_RULES_SAY,
        "defend.preset=auto",
        # What drifted shows where candidates are weighed; a stop would end some at the base itself.
        "defend.stop_on_drift=false",
        *_SHARES,
        f"defend.general={json.dumps(str(general.resolve()))}",
    ]


def tune_beside(
    child: RunFolder, loaded: Loaded, name: str, changes: list[str], *, progress: Progress
) -> tuple[RunFolder, Training]:
    """Tune the held run's recipe with `changes` under the repair's folder, or go on with that.

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
    with opened_run(changed, run, progress, verb="") as (job, prepared):
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
        raise ConfigError("rows that the data rules leave out are among those held out")


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
