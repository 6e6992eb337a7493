"""The first stage: rows to splits and token sequences, the mask report, and the data on disk."""

from __future__ import annotations

from dataclasses import dataclass

from assay.data import (
    MaskReport,
    Record,
    TokenSequence,
    compute_split_hash,
    mask_report,
    prepare_data,
    tokenize,
    write_data,
    write_refusal,
)
from assay.errors import CheckpointError, DataError
from assay.pipeline.job import Job
from assay.runs import read_json


@dataclass(frozen=True)
class Prepared:
    """Records of the three splits, and the token sequences of those that train or validate."""

    train: list[Record]
    validation: list[Record]
    test: list[Record]
    train_sequences: list[TokenSequence]
    validation_sequences: list[TokenSequence]


def prepare(job: Job) -> Prepared:
    """Read, check, split and tokenise; show and store the mask report.

    Raises:
        DataError: bad rows, leaks, rows that are too long, or a mask pathology that the recipe
            does not allow. Every problem is in the run's data/report.json.
        CheckpointError: a resumed run whose data have changed since it began.
    """
    config = job.recipe.data
    try:
        data = prepare_data(config, base_dir=job.base_dir, seed=job.recipe.seed)
        masks: dict[str, MaskReport] = {}
        sequences: dict[str, list[TokenSequence]] = {}
        for name in ("train", "validation"):
            tokenized = tokenize(
                data.splits.as_dict()[name],
                job.tokenizer,
                max_seq_len=job.max_seq_len,
                on_too_long=config.on_too_long,
                on_bad_rows=config.on_bad_rows,
            )
            sequences[name] = [s for s in tokenized.sequences if s.num_trained_tokens]
            if tokenized.num_records:
                masks[name] = mask_report(tokenized)
        job.progress.note(masks["train"].render())
        for mask in masks.values():
            mask.check(config.allow)
    except DataError as error:
        if not job.run.data_report.exists():
            write_refusal(job.run.data, error.problems)
        raise
    _refuse_changed_data(job, data.splits.as_dict())
    report = write_data(job.run.data, data, masks)
    hashes = {name: split["sha256"] for name, split in report["splits"].items()}
    job.run.update_manifest({"data": hashes})
    for name, split in data.splits.as_dict().items():
        job.progress.note(f"{name}: {len(split)} rows")
    return Prepared(
        data.splits.train,
        data.splits.validation,
        data.splits.test,
        sequences["train"],
        sequences["validation"],
    )


def _refuse_changed_data(job: Job, splits: dict[str, list[Record]]) -> None:
    if not job.run.data_report.exists():
        return
    before = read_json(job.run.data_report).get("splits", {})
    for name, records in splits.items():
        known = before.get(name, {}).get("sha256")
        if known and known != compute_split_hash(records):
            raise CheckpointError(
                f"{job.run.path}: the {name} rows have changed since this run began; start a new"
                " run, or restore the data files"
            )
