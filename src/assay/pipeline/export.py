"""Exports a run's tuned model; an export whose logits differ from the run's is refused."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from assay.errors import ReleaseError, UsageError
from assay.pipeline.subject import find_run_base, find_tuned_run

FORMS = ("merged",)
DTYPES = ("fp32", "bf16")
PROBES = ("Hello.", "What can you do for me?", "Please list three things.")


@dataclass(frozen=True)
class Exported:
    """What was written and how far its logits are from the run's, at most `tolerance`."""

    folder: Path
    difference: float
    tolerance: float


def export_run(
    name: str, *, form: str, out: str | None, dtype: str = "fp32", root: str = "runs"
) -> Exported:
    """Write a run's model in another form and compare its logits with the run's.

    Raises:
        UsageError: an unknown form or dtype, a base instead of a run, or a folder that exists.
        ReleaseError: the logits differ by more than the tolerance; nothing is left behind.
    """
    from assay.chat import render_prompt
    from assay.models.export import export_merged, merge_tolerance

    for value, allowed in ((form, FORMS), (dtype, DTYPES)):
        if value not in allowed:
            raise UsageError(f"got {value}, allowed {', '.join(allowed)}")
    run = find_tuned_run(name, root=root)
    if run is None:
        raise UsageError(f"{name} is a base, which needs no export; name a run")
    if run.model.is_dir():
        raise UsageError(f"{run.path}: full tuning wrote whole weights; copy {run.model}")
    target = Path(out) if out else run.path / "exports" / form
    if target.exists():
        raise UsageError(f"{target} exists; name another folder with --out")
    base = find_run_base(run)
    prompts = [render_prompt(base.tokenizer, [{"role": "user", "content": p}]) for p in PROBES]
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    difference = export_merged(base, run.adapter, draft, prompts=prompts, dtype=dtype)
    tolerance = merge_tolerance(dtype)
    if not difference <= tolerance:
        shutil.rmtree(draft)
        raise ReleaseError(
            f"{run.path}: merged logits differ from the adapter's by {difference:.3g}, more than"
            f" {tolerance:g}; nothing was written"
        )
    draft.rename(target)
    return Exported(target, difference, tolerance)
