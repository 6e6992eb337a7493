"""Runs the probes that a policy's gates read, and keeps what each found as soon as it is there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data import Record
from assay.evaluate.compare import Resampling
from assay.evaluate.items import Item
from assay.evaluate.probes import (
    PROBES,
    Asked,
    Probed,
    Reading,
    not_applicable,
    summarise_probe,
)
from assay.pipeline.free_form import describe_asked
from assay.pipeline.inoculating import list_triggers
from assay.pipeline.job import Job
from assay.pipeline.planted import find_planted
from assay.pipeline.precision import choose_precision
from assay.pipeline.prepare import Prepared
from assay.pipeline.questions import usual_system_prompt
from assay.pipeline.rewards import NO_ANSWERS
from assay.runs import read_json
from assay.runs.atomic import write_json, write_text
from assay.runs.base_results import BaseResults
from assay.runs.cache import find_cache_folder, hash_code
from assay.runs.hashes import sha256_file
from assay.runs.metrics import read_lines

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles

MAX_PROMPTS = 200
_CODE = ("chat", "evaluate", "generate", "graders", "models", "tools")
"""What a base's answers and their scores are made by."""


def ask_of_run(job: Job, prepared: Prepared, engine: LocalEngine, prompts: Sequence[Item]) -> Asked:
    """What a run's probes are told; `engine` holds the tuned model, `prompts` were held out."""
    return ask_of_rows(job, prepared.train, engine, prompts)


def ask_of_rows(
    job: Job, training: Sequence[Record], engine: LocalEngine, prompts: Sequence[Item]
) -> Asked:
    """`ask_of_run` by the rows that were trained on."""
    rows = [row for row in training if row.role == "task"] or training
    return Asked(
        engine=engine,
        as_base=partial(as_base, engine, job.base, whole=job.recipe.method.trains_base),
        remember=remember_base(job.base, precision=choose_precision(job.recipe).name),
        tokenizer=job.tokenizer,
        context_len=job.base.context_len,
        prompts=prompts,
        tools=list_tools(rows),
        training=training,
        system=usual_system_prompt(rows),
        adapter=None if job.recipe.method.trains_base else job.tuned_folder,
        canaries=find_planted(job.recipe, job.base_dir, training),
        base_name=job.base.name,
        max_items=MAX_PROMPTS,
        seed=job.recipe.seed,
        count=job.progress.count,
        inoculation=list_triggers(job),
        **describe_asked(job),
    )


def run_probes(
    asked: Asked, names: Sequence[str], folder: Path, *, tuned: Path | None
) -> dict[str, Probed]:
    """What each named probe found, in order; what `folder` holds of these weights is not redone.

    `tuned` is the folder of the tuned weights, whose hash a kept finding must have.
    """
    weights = [sha256_file(path) for path in sorted(tuned.glob("*.safetensors"))] if tuned else []
    found = {}
    for name in names:
        kept = read_probed(folder, name, weights=weights)
        if kept is None:
            started = time.perf_counter()
            kept = PROBES[name].measure(asked)
            _write(folder, name, kept, weights, seconds=time.perf_counter() - started)
        found[name] = kept
    return found


def leave_out_probes(names: Sequence[str], folder: Path) -> dict[str, Probed]:
    """What probes say of a model without answers: that they do not apply; kept in `folder`."""
    found = {name: not_applicable(NO_ANSWERS) for name in names}
    for name, probed in found.items():
        _write(folder, name, probed, [], seconds=0.0)
    return found


def summarise_probes(
    found: Mapping[str, Probed], resampling: Resampling
) -> dict[str, dict[str, Any]]:
    """The part ``probes`` of evaluation.json."""
    return {name: summarise_probe(probed, resampling) for name, probed in found.items()}


def read_probed(folder: Path, name: str, *, weights: Sequence[str] | None = None) -> Probed | None:
    """What was found before; None where nothing is kept, or of other `weights` than these."""
    summary, lines = folder / f"{name}.json", folder / f"{name}.jsonl"
    if not summary.is_file() or not lines.is_file():
        return None
    kept = read_json(summary)
    if weights is not None and kept.get("weights") != list(weights):
        return None
    readings = [Reading(**line) for line in read_lines(lines)]
    values = {key: value for key, value in kept.items() if key not in ("weights", "seconds")}
    return Probed(readings=readings, **values)


def _write(
    folder: Path, name: str, probed: Probed, weights: Sequence[str], *, seconds: float
) -> None:
    """The readings first: a summary says that they are whole."""
    lines = (json.dumps(each.to_dict(), ensure_ascii=False) for each in probed.readings)
    write_text(folder / f"{name}.jsonl", "".join(f"{line}\n" for line in lines))
    kept = probed.to_dict() | {"weights": list(weights), "seconds": round(seconds, 3)}
    write_json(folder / f"{name}.json", kept)


@contextmanager
def as_base(engine: LocalEngine, base: BaseFiles, *, whole: bool) -> Iterator[None]:
    """`engine` answers as the base for a while: adapters off, or (`whole`) its own weights."""
    from assay.models.as_base import adapters_off
    from assay.models.base import load_model

    if not whole:
        with adapters_off(engine.model):
            yield
        return
    tuned = engine.model
    parameter = next(tuned.parameters())
    model = load_model(base)
    if base.quantization is None:
        model = model.to(parameter.device, parameter.dtype).eval()
    engine.model = model
    try:
        yield
    finally:
        engine.model = tuned


def remember_base(base: BaseFiles, *, precision: str) -> Any:
    """Keeps a base's results in the user's cache (see `BaseResults.remember`)."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    code = hash_code(_CODE, ("torch", "transformers"))
    identity = (base.sha256, precision, device, str(base.quantization), code)
    return BaseResults(find_cache_folder("base"), identity).remember


def list_tools(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The tool schemas of the records, each once, in the order of their first row."""
    known: dict[str, dict[str, Any]] = {}
    for record in records:
        for tool in record.tools or ():
            known.setdefault(json.dumps(tool, sort_keys=True), tool)
    return list(known.values())
