"""Exports a run's tuned model; an export whose logits differ from the run's is refused.

An export lies beside its run, not in it: the signature of a release covers every file of the run
folder, so a file added later would break it, and one left out could be exchanged unseen. To have
an export signed, write it into the run folder with `out` before the release.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from assay.errors import ConfigError, Problem, ReleaseError, UsageError
from assay.pipeline.subject import find_run_base, find_tuned_run
from assay.runs.atomic import disk_full_named

FORMS = ("merged",)
DTYPES = ("fp32", "bf16")
PROBES = ("Hello.", "What can you do for me?", "Please list three things.")
"""Plain text, which a base without a chat template reads as well; weights are what is compared."""


@dataclass(frozen=True)
class Exported:
    """What was written and how far its logits are from the run's, at most `tolerance`.

    `requantised` is how far they are where it is held in few bits again as the run's base was;
    None where that was not.
    """

    folder: Path
    difference: float
    tolerance: float
    requantised: float | None = None


def export_run(
    name: str, *, form: str, out: str | None, dtype: str = "fp32", root: str = "runs"
) -> Exported:
    """Write a run's model in another form and compare its logits with the run's.

    `out` is the folder to write, by default the run's with the form's name behind it.

    Raises:
        UsageError: an unknown form or dtype, a base instead of a run, a method that cannot be
            merged, a folder that exists, or one within a run that is signed.
        ReleaseError: the logits differ by more than the tolerance; nothing is left behind.
    """
    from assay.models.export import compute_requantised_gap, export_merged, merge_tolerance

    wrong = [
        Problem(key=option, got=value, allowed=", ".join(allowed), do="choose one")
        for option, value, allowed in (("--to", form, FORMS), ("--dtype", dtype, DTYPES))
        if value not in allowed
    ]
    if wrong:
        raise UsageError(wrong)
    run = find_tuned_run(name, root=root)
    if run is None:
        raise UsageError(f"{name} is a base, which needs no export; name a run")
    if run.model.is_dir():
        raise UsageError(f"{run.path}: its method wrote whole weights; copy {run.model}")
    folder = run.path.resolve()
    target = Path(out) if out else folder.with_name(f"{folder.name}-{form}")
    if target.exists():
        raise UsageError(f"{target} exists; name another folder with --out")
    if run.signature.exists() and target.resolve().is_relative_to(folder):
        raise UsageError(
            f"{target} lies in a signed run, which a further file would break; name a folder"
            " elsewhere with --out"
        )
    draft = _make_draft(target)
    base = find_run_base(run)
    prompts = [base.tokenizer.encode(text) for text in PROBES]
    try:
        difference = export_merged(base, run.adapter, draft, prompts=prompts, dtype=dtype)
    except ConfigError as error:
        shutil.rmtree(draft)
        raise UsageError(f"{run.path}: {error}; use its adapter as it is") from error
    tolerance = merge_tolerance(dtype)
    if not difference <= tolerance:
        shutil.rmtree(draft)
        raise ReleaseError(
            f"{run.path}: merged logits differ from the adapter's by {difference:.3g}, more than"
            f" {tolerance:g}; nothing was written"
        )
    requantised = None
    if base.quantization is not None:
        requantised = compute_requantised_gap(base, run.adapter, draft, prompts=prompts)
    draft.rename(target)
    return Exported(target, difference, tolerance, requantised)


def _make_draft(target: Path) -> Path:
    """An empty folder beside `target`, made before the work so that it is not done in vain.

    Raises:
        UsageError: it cannot be made.
    """
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with disk_full_named(draft):
            draft.mkdir(parents=True)
    except OSError as error:
        problem = Problem(
            key="--out",
            got=f"{str(target)!r}, which cannot be made ({error.strerror})",
            allowed="a folder that can be made and written",
            do="name another folder",
        )
        raise UsageError(problem) from error
    return draft
