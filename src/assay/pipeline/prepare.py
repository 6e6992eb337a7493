"""The first stage: rows to splits and token sequences, the mask report, and the data on disk.

Whatever is wrong with the rows of any file, of a suite too, comes out in one report.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from assay.data import (
    MaskReport,
    PreparedData,
    Record,
    RefusedData,
    RowRenderer,
    Splits,
    Tokenized,
    TokenSequence,
    compute_split_hash,
    describe_unoffered_calls,
    find_unoffered_calls,
    keep_reached,
    mask_report,
    open_token_cache,
    prepare_data,
    tokenize,
    write_data,
    write_refusal,
)
from assay.data.curate import Checked
from assay.errors import CheckpointError, DataError, Problem, UsageError
from assay.pipeline.curated import apply_named_actions, check_data, summarise
from assay.pipeline.defended import (
    add_general_rows,
    describe_defences,
    find_inoculation_problems,
    prepare_to_render,
)
from assay.pipeline.grader_columns import find_column_problems
from assay.pipeline.guards import load_guards, load_own_suites
from assay.pipeline.job import Job
from assay.pipeline.margins import add_margins, count_margins, find_margin_problems
from assay.pipeline.stopping import find_stopping, list_allowed, list_told
from assay.pipeline.teacher import check_teacher
from assay.runs import read_json


@dataclass(frozen=True)
class Prepared:
    """Records of the three splits, and the token sequences of those that train or validate.

    Records that are left out (too long, refused by the template, nothing to train) are in none.
    """

    train: list[Record]
    validation: list[Record]
    test: list[Record]
    train_sequences: list[TokenSequence]
    validation_sequences: list[TokenSequence]


def prepare(job: Job) -> Prepared:
    """Read, check, split and tokenise; show and store the mask report.

    Raises:
        DataError: bad rows, leaks, rows that are too long, bad rows of a suite, or a mask pathology
            that the recipe does not allow. Every problem is in the run's data/report.json.
        CheckpointError: a resumed run whose data have changed since it began.
    """
    try:
        data, tokenized, checked, num_changed = _read_and_tokenize(job)
        masks = {
            name: mask_report(tokenized[name])
            for name in ("train", "validation")
            if tokenized[name].num_records
        }
        job.progress.note(masks["train"].render(told=list_told(checked)))
        _check_masks(masks.values(), list_allowed(checked.settings))
    except DataError as error:
        if not job.run.data_report.exists():
            write_refusal(job.run.data, error.problems)
        raise
    splits = _keep_used(data.splits, tokenized)
    _refuse_changed_data(job, splits.as_dict())
    findings = summarise(checked, num_changed=num_changed)
    report = write_data(job.run.data, replace(data, splits=splits), masks, findings)
    hashes = {name: split["sha256"] for name, split in report["splits"].items()}
    job.run.update_manifest({"data": hashes, **describe_defences(job)})
    _note_rows(job, before=data.splits, kept=splits)
    train, validation = (
        add_margins(job, records, _trained(tokenized[name]))
        for name, records in (("train", splits.train), ("validation", splits.validation))
    )
    if count_margins(train):
        job.progress.note(f"margins: {count_margins(train)} of {len(train)} rows have one")
    check_teacher(job, [*train, *validation])
    return Prepared(splits.train, splits.validation, splits.test, train, validation)


def _read_and_tokenize(
    job: Job,
) -> tuple[PreparedData, dict[str, Tokenized], Checked, int]:
    """The splits, their sequences by split, what rules found in them, and how many rows changed.

    Raises:
        DataError: every problem of all rows together.
    """
    problems: list[Problem] = []
    data: PreparedData | None = None
    try:
        data = _keep_reached(
            job,
            prepare_data(
                job.recipe.data,
                base_dir=job.base_dir,
                seed=job.recipe.seed,
                wanted=job.recipe.objective.learns_from,
            ),
        )
        data = add_general_rows(job, data)
        parts = data.splits.as_dict()
    except RefusedData as error:
        problems += error.problems
        parts = error.records
    suite_problems = _find_suite_problems(job)
    checked = check_data(job, parts, [] if suite_problems else load_guards(job).suites)
    problems += find_stopping(checked.told)
    num_changed = 0
    if data is not None:
        data, num_changed = apply_named_actions(data, checked.whole)
        parts = data.splits.as_dict()
    tokenized: dict[str, Tokenized] = {}
    cache = open_token_cache(job.tokenizer)
    render = RowRenderer(
        cache, lambda done, total: job.progress.count("rows tokenised", done, total)
    )
    for name, records in parts.items():
        try:
            tokenized[name] = _tokenize(job, name, records, render)
        except UsageError as error:
            problems += error.problems
    if cache and render.num_cached:
        job.progress.note(
            f"tokens of {render.num_cached:,} of {render.num_rows:,} rows taken from {cache.root}"
        )
    problems += [*_find_prompt_problems(job, parts), *suite_problems]
    problems += find_inoculation_problems(job, parts)
    problems += find_column_problems(job, parts)
    problems += [*_find_other_rows(job, parts), *find_margin_problems(job, parts)]
    problems += _find_room_problems(job)
    if data is None or problems:
        raise DataError(_order(problems))
    return data, tokenized, checked.told, num_changed


def _keep_reached(job: Job, data: PreparedData) -> PreparedData:
    """Of very many rows those that `train.max_steps` reaches, and a line about the others.

    All for a sweep: its candidates may take different numbers of steps, and each trains as alone.
    """
    train = job.recipe.train
    if train.max_steps is None or job.recipe.sweep:
        return data
    kept = keep_reached(data, num_needed=train.max_steps * train.batch_size)
    if kept.num_unreached:
        num_rows = len(kept.splits.train)
        job.progress.note(
            f"train: {num_rows:,} of {num_rows + kept.num_unreached:,} rows are within reach of"
            " train.max_steps; the others are not rendered, checked for their length, or counted,"
            " and an epoch is of these"
        )
    return kept


def _tokenize(job: Job, split: str, records: Sequence[Record], render: RowRenderer) -> Tokenized:
    """The sequences of one split.

    Test rows are never trained on, so none is shortened or left out for its length. Where rows that
    are too long stop the run, those held out of data.train count too: which rows are held out is
    settled by the seed, and must not decide whether the file is fit to use.
    """
    config = job.recipe.data
    any_length = split == "test" and (config.test is not None or config.on_too_long != "refuse")
    return tokenize(
        prepare_to_render(job, split, records),
        job.tokenizer,
        max_seq_len=sys.maxsize if any_length else job.max_prompt_len,
        on_too_long=config.on_too_long,
        on_bad_rows=config.on_bad_rows,
        render=render,
    )


def _find_prompt_problems(job: Job, parts: dict[str, list[Record]]) -> list[Problem]:
    """A system prompt of the baseline where no question is a chat that could take it."""
    asked = [record for name, rows in parts.items() if name != "train" for record in rows]
    asked = asked or parts["train"]
    if job.recipe.evaluate.prompt is None or not asked or any(r.kind == "chat" for r in asked):
        return []
    return [
        Problem(
            key="evaluate.prompt",
            got="a system prompt for rows without a chat template",
            allowed="rows of chat, sharegpt or alpaca, whose template takes a system prompt",
            do="remove it, or map the columns of data.train to format: alpaca",
            file=asked[0].file,
        )
    ]


def _find_other_rows(job: Job, parts: dict[str, list[Record]]) -> list[Problem]:
    """Rows of a version of data for another objective; those of files are told apart before."""
    objective = job.recipe.objective
    others = (r for rows in parts.values() for r in rows if r.role == "task")
    other = next((r for r in others if r.objective != objective.learns_from), None)
    if other is None:
        return []
    return [
        Problem(
            key="objective",
            got=f"{objective.type} with rows of {other.objective}",
            allowed=f"rows of {objective.learns_from}",
            do="set the objective that the rows are for, or name other data",
            file=other.file,
        )
    ]


def _find_room_problems(job: Job) -> list[Problem]:
    """Completions that leave no room for a prompt in the base's context."""
    wanted, room = job.recipe.objective.max_completion_tokens, job.max_seq_len
    if wanted < room:
        return []
    return [
        Problem(
            key="objective.max_new_tokens",
            got=f"{wanted} tokens of completion in a context of {room}",
            allowed=f"fewer than {room}",
            do="lower it",
        )
    ]


def _find_suite_problems(job: Job) -> list[Problem]:
    """Bad rows of the suites that the recipe names, which are asked only stages later."""
    problems: list[Problem] = []
    for suite in job.recipe.evaluate.suites:
        try:
            load_own_suites(job, suite)
        except UsageError as error:
            problems += error.problems
    return problems


def _order(problems: Sequence[Problem]) -> list[Problem]:
    """Each problem once, file by file as they were met, by line within a file."""
    once = list(dict.fromkeys(problems))
    files = {file: n for n, file in enumerate(dict.fromkeys(problem.file for problem in once))}
    return sorted(once, key=lambda problem: (files[problem.file], problem.line or 0))


def _check_masks(masks: Iterable[MaskReport], allow: Sequence[str]) -> None:
    """Refuse the pathologies of all splits together that are not allowed by name."""
    problems: list[Problem] = []
    for mask in masks:
        try:
            mask.check(allow)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(list(dict.fromkeys(problems)))


def _trained(tokenized: Tokenized) -> list[TokenSequence]:
    """The sequences with something to learn: of a pair, in both answers; and prompts."""
    return [
        one
        for one in tokenized.sequences
        if one.asked
        or (one.num_trained_tokens and (one.rejected is None or one.rejected.num_trained_tokens))
    ]


def _keep_used(splits: Splits, tokenized: dict[str, Tokenized]) -> Splits:
    """The splits without records of which nothing is left: what is counted is what is used."""
    sequences = {
        "train": _trained(tokenized["train"]),
        "validation": tokenized["validation"].sequences,
        "test": tokenized["test"].sequences,
    }
    ids = {name: {sequence.record_id for sequence in own} for name, own in sequences.items()}
    kept = {
        name: [record for record in records if record.id in ids[name]]
        for name, records in splits.as_dict().items()
    }
    return Splits(**kept)


def _note_rows(job: Job, *, before: Splits, kept: Splits) -> None:
    """Say how many rows each split has, how many were left out, and which call unoffered tools."""
    were = before.as_dict()
    for name, records in kept.as_dict().items():
        left_out = len(were[name]) - len(records)
        more = f", {left_out} left out (see the mask report)" if left_out else ""
        job.progress.note(f"{name}: {len(records)} rows{more}")
    places = find_unoffered_calls(kept.train)
    if places:
        job.progress.note(describe_unoffered_calls(places))


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
