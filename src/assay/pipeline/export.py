"""Exports a run's tuned model, checks its logits against the run's, and judges it again.

An export lies beside its run, not in it: the signature of a release covers every file of the run
folder, so a file added later would break it, and one left out could be exchanged unseen. To have
an export signed, write it into the run folder with `out` before the release. What it was judged by
lies beside it in turn, in a folder that ends in ``-gates``: the answers hold the user's own rows,
and an export is there to be given away.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.config import load
from assay.errors import ConfigError, Problem, ReleaseError, UsageError
from assay.evaluate.gates import Policy, load_policy
from assay.pipeline.forms import JudgedForm, check_judgeable, judge_form
from assay.pipeline.gate import load_gate_policy
from assay.pipeline.progress import Progress
from assay.pipeline.subject import find_run_base, find_tuned_run, refuse_reward_model
from assay.runs import RunFolder, read_json
from assay.runs.atomic import disk_full_named, write_json
from assay.runs.blocked import read_blocked
from assay.runs.find import summarize
from assay.runs.hashes import sha256_file

if TYPE_CHECKING:
    from assay.models.base import BaseFiles

FORMS = ("merged",)
FEW_BITS = ("int8", "nf4", "fp4")
"""Number formats of bitsandbytes, in which linear layers are held."""
DTYPES = ("fp32", "bf16", *FEW_BITS)
PROBES = ("Hello.", "What can you do for me?", "Please list three things.")
"""Plain text, which a base without a chat template reads as well; weights are what is compared."""
OFF = "off"
MANIFEST = "assay_export.json"
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Exported:
    """What was written and how far its logits are from the run's, at most `tolerance`.

    `requantised` is how far they are where it is held in few bits again as the run's base was;
    None where that was not. `status` is released, held or not judged, and `why` one sentence;
    `judged` is what its gates say, None where none were asked.
    """

    folder: Path
    difference: float
    tolerance: float
    requantised: float | None = None
    status: str = NOT_JUDGED
    why: str = ""
    judged: JudgedForm | None = None


def export_run(
    name: str,
    *,
    form: str,
    out: str | None,
    dtype: str = "fp32",
    root: str = "runs",
    gates: str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a run's model in another form, compare its logits with the run's, and judge it again.

    `out` is the folder to write, by default the run's with the form's name behind it. In few bits
    the merged weights are checked before they are rounded, and the rounded ones by their answers.
    `gates` names a policy, or is ``off``; None is the run's own policy, or off where the run was
    never measured.
    An export that its gates hold is there to be looked at; its manifest says that it is held.

    Raises:
        UsageError: an unknown form or dtype, a base instead of a run, a method that cannot be
            merged, a folder that exists, or one within a run that is signed.
        CheckpointError: gates are asked for, and the run was not measured.
        ReleaseError: the logits differ by more than the tolerance; nothing is left behind.
    """
    from assay.models.export import compute_requantised_gap, merge_tolerance, quantize_folder

    _check_options(form, dtype)
    run = find_tuned_run(name, root=root)
    if run is None:
        raise UsageError(f"{name} is a base, which needs no export; name a run")
    target = _find_target(run, form, out)
    with _drafted(target) as draft:
        refuse_reward_model(run)
        policy = _choose_policy(run, gates)
        base = find_run_base(run)
        prompts = [base.tokenizer.encode(text) for text in PROBES]
        plain = "fp32" if dtype in FEW_BITS else dtype
        tolerance = merge_tolerance(plain)
        difference = _write_weights(run, base, draft, prompts, plain)
        if not difference <= tolerance:
            raise ReleaseError(
                f"{run.path}: exported logits differ from the run's by {difference:.3g}, more than"
                f" {tolerance:g}; nothing was written"
            )
        requantised = None
        if base.quantization is not None:
            requantised = compute_requantised_gap(base, run.adapter, draft, prompts=prompts)
        same: dict[str, Any] = {"difference": difference, "tolerance": tolerance}
        if dtype in FEW_BITS:
            own = run.model if run.model.is_dir() else run.adapter
            quantize_folder(base, draft, kind=dtype, tokenizer_folder=own)
            same = {"not_applicable": f"held in {dtype}: its answers are compared, not its logits"}
        evidence = name_evidence(target)
        status, why, judged = _judge(run, base, draft, policy, evidence, same, progress)
        exported = Exported(target, difference, tolerance, requantised, status, why, judged)
        write_json(draft / MANIFEST, _describe(run, draft, exported, form, dtype, policy))
        draft.rename(target)
    return exported


def judge_weights(
    name: str,
    weights: Path,
    *,
    root: str = "runs",
    gates: str | None = None,
    out: str | None = None,
    progress: Progress | None = None,
) -> JudgedForm:
    """Judge a run's model in a form that something else wrote: a Transformers folder.

    Its logits are not compared, since rounding to few bits moves them; its answers are.

    Raises:
        UsageError: no run of that name, or no folder of weights.
        CheckpointError: the run was not measured.
    """
    from assay.models.export import same_template

    run = find_tuned_run(name, root=root)
    if run is None:
        raise UsageError(f"{name} is a base; name the run that the weights are of")
    if not (weights / "config.json").is_file() or not any(weights.glob("*.safetensors")):
        problem = Problem(
            key="--weights",
            got=f"{weights}, without config.json or *.safetensors",
            allowed="a Transformers folder with safetensors weights",
            do="name the folder",
        )
        raise UsageError(problem)
    check_judgeable(run)
    policy = _choose_policy(run, gates)
    assert policy is not None, "a run that can be judged has a policy"
    integrity = {
        "adapter_reloads": {"not_applicable": "this form holds no adapter"},
        "merged_equals_adapter": {"not_applicable": "its answers are compared, not its logits"},
        "template_unchanged": same_template(find_run_base(run).tokenizer_files, weights),
    }
    evidence = Path(out) if out else name_evidence(weights)
    return judge_form(run, weights, policy, out=evidence, integrity=integrity, progress=progress)


def _check_options(form: str, dtype: str) -> None:
    wrong = [
        Problem(key=option, got=value, allowed=", ".join(allowed), do="choose one")
        for option, value, allowed in (("--to", form, FORMS), ("--dtype", dtype, DTYPES))
        if value not in allowed
    ]
    if dtype in FEW_BITS:
        from assay.models.quantize import find_missing_for_export

        missing = find_missing_for_export(dtype)
        wrong += [missing] if missing else []
    if wrong:
        raise UsageError(wrong)


def _find_target(run: RunFolder, form: str, out: str | None) -> Path:
    folder = run.path.resolve()
    target = Path(out) if out else folder.with_name(f"{folder.name}-{form}")
    if target.exists():
        raise UsageError(f"{target} exists; name another folder with --out")
    if run.signature.exists() and target.resolve().is_relative_to(folder):
        raise UsageError(
            f"{target} lies in a signed run, which a further file would break; name a folder"
            " elsewhere with --out"
        )
    return target


def _choose_policy(run: RunFolder, gates: str | None) -> Policy | None:
    if gates == OFF or (gates is None and not run.verdict.exists()):
        return None
    check_judgeable(run)
    if gates:
        return load_policy(gates)
    return load_gate_policy(load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder")))


def _write_weights(
    run: RunFolder, base: BaseFiles, draft: Path, prompts: list[list[int]], dtype: str
) -> float:
    from assay.models.export import export_merged, export_whole

    if run.model.is_dir():
        return export_whole(base, run.model, draft, prompts=prompts, dtype=dtype)
    try:
        return export_merged(base, run.adapter, draft, prompts=prompts, dtype=dtype)
    except ConfigError as error:
        raise UsageError(f"{run.path}: {error}; use its adapter as it is") from error


def _judge(
    run: RunFolder,
    base: BaseFiles,
    draft: Path,
    policy: Policy | None,
    evidence: Path,
    same: dict[str, Any],
    progress: Progress | None,
) -> tuple[str, str, JudgedForm | None]:
    """Released, held or not judged, with a sentence; equal bits are judged as their run was."""
    from assay.models.export import equal_weights, same_template

    if policy is None:
        return NOT_JUDGED, "No gates were asked.", None
    own_template = same_template(base.tokenizer_files, draft)
    if own_template and run.model.is_dir() and equal_weights(run.model, draft):
        status = summarize(run).status
        why = f"Its weights are the run's, bit for bit, and the run is {status}."
        return ("held" if status == "held" else "released"), why, None
    integrity: dict[str, Any] = {
        "adapter_reloads": {"not_applicable": "an export holds no adapter"},
        "merged_equals_adapter": same,
        "template_unchanged": own_template,
    }
    judged = judge_form(run, draft, policy, out=evidence, integrity=integrity, progress=progress)
    return judged.verdict.status, judged.verdict.headline, judged


def name_evidence(target: Path) -> Path:
    """Where an export's answers, readings and verdict lie."""
    return target.with_name(f"{target.name}-gates")


def _describe(
    run: RunFolder, draft: Path, exported: Exported, form: str, dtype: str, policy: Policy | None
) -> dict[str, Any]:
    """What stands beside the weights of an export: nothing of the user's rows."""
    judged = exported.judged
    hashes = {path.name: sha256_file(path) for path in sorted(draft.glob("*.safetensors"))}
    return {
        "run": run.id,
        "run_status": summarize(run).status,
        "form": form,
        "dtype": dtype,
        "weights": hashes,
        "blocked_prompts": read_blocked(run),
        "difference": exported.difference,
        "tolerance": exported.tolerance,
        "gates": policy.name if policy else OFF,
        "status": exported.status,
        "why": exported.why,
        "verdict": judged.to_dict() if judged else None,
        "evidence": name_evidence(exported.folder).name if judged else None,
    }


@contextmanager
def _drafted(target: Path) -> Iterator[Path]:
    """A draft of `target` that is gone if the work on it fails."""
    draft = _make_draft(target)
    try:
        yield draft
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


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
