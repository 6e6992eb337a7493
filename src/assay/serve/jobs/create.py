"""From a request to a job in the store, once; or a refusal that says all that is wrong."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import ConfigError
from assay.pipeline.installed import find_missing_trackers
from assay.runs.store import DEFAULT_PROJECT, Store
from assay.runs.store.aliases import find_alias, is_alias
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.events import insert_event
from assay.runs.store.files import find_file, locate_file
from assay.runs.store.ids import new_id
from assay.runs.store.jobs import JobRow, find_job, insert_job
from assay.runs.store.models import ModelRow, find_model, locate_model
from assay.runs.store.owners import find_users, insert_owner
from assay.serve.bases import Bases
from assay.serve.errors import ApiError, not_found, refuse, refuse_problems
from assay.serve.jobs.fields import MAX_SEED, CreateJob
from assay.serve.jobs.places import locate_job
from assay.serve.jobs.recipe import Inputs, write_recipe

MODEL_NOT_FOUND = "model_not_found"


@dataclass(frozen=True)
class Sender:
    """Who sends a request, whether again, and when it arrived."""

    key_id: str
    is_retry: bool
    arrived_at: float
    project: str = DEFAULT_PROJECT
    is_admin: bool = False


def create_job(store: Store, bases: Bases, asked: CreateJob, sender: Sender) -> JobRow:
    """Make a job of a request, or find the one that an earlier sending of it made.

    Raises:
        ApiError: 404 for a model or file that is not there, 400 for all that is wrong otherwise.
    """
    _check(asked)
    inputs = _find_inputs(store, bases, asked, sender)
    job_id = new_id("ftjob-")
    folder = locate_job(store, job_id)
    seed = secrets.randbelow(MAX_SEED + 1) if asked.seed is None else asked.seed
    runnable, missing_tracker = _leave_out_trackers(asked)
    try:
        written = write_recipe(folder, runnable, inputs, seed=seed, bases=bases)
        row, is_new = _insert(store, asked, sender, job_id, inputs, seed, written.hyperparameters)
    except ConfigError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise refuse_problems(error.problems) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not is_new:
        shutil.rmtree(folder, ignore_errors=True)
    elif missing_tracker:
        with store.write() as connection:
            insert_event(store, connection, row.id, missing_tracker, level="warn")
    return row


def _insert(
    store: Store,
    asked: CreateJob,
    sender: Sender,
    job_id: str,
    inputs: Inputs,
    seed: int,
    hyperparameters: dict[str, Any],
) -> tuple[JobRow, bool]:
    content = asked.model_dump(mode="json", exclude_unset=True)
    mark = fingerprint(sender.key_id, "fine_tuning/jobs", content)
    attempt = Attempt(mark, sender.is_retry, sender.arrived_at)
    with store.write() as connection:
        known = find_created(store, connection, attempt)
        if known is None:
            row = insert_job(
                connection,
                id=job_id,
                status="validating_files",
                model=_name_start(asked, inputs),
                base=inputs.base,
                training_file=asked.training_file,
                validation_file=asked.validation_file,
                request=content,
                method=_describe_method(asked, content, hyperparameters),
                hyperparameters=hyperparameters,
                seed=seed,
                suffix=asked.suffix,
                metadata=asked.metadata,
                integrations=content.get("integrations"),
                result_files=[],
                parent=inputs.parent,
                priority=asked.x_assay.priority if asked.x_assay else 0,
                num_attempts=0,
                not_before=0.0,
                created_at=store.now(connection),
            )
            insert_owner(connection, job_id, sender.project)
            note_created(store, connection, attempt, job_id)
            insert_event(store, connection, job_id, f"Created fine-tuning job: {job_id}")
            return row, True
    found = find_job(store, known)
    assert found is not None, "jobs are never deleted"
    return found, False


def _name_start(asked: CreateJob, inputs: Inputs) -> str:
    """The model as the job shows it, and its result is named after: where an alias points."""
    is_pointing = inputs.parent is not None and is_alias(asked.model)
    return str(inputs.parent) if is_pointing else asked.model


def _check(asked: CreateJob) -> None:
    if asked.method is not None and asked.hyperparameters is not None:
        message = "Give hyperparameters within method, or without one: not both."
        raise refuse(message, param="hyperparameters")
    if asked.kind == "reinforcement" and asked.validation_file is None:
        message = "Reinforcement needs a validation_file: held-out reward chooses the weights."
        raise refuse(message, param="validation_file", code="missing_required_parameter")


def _find_inputs(store: Store, bases: Bases, asked: CreateJob, sender: Sender) -> Inputs:
    base, parent, start_from = _find_start(store, bases, asked, sender)
    training, num_rows = _find_training(store, asked.training_file, sender, "training_file")
    validation, num_validation = None, 0
    if asked.validation_file is not None:
        if asked.validation_file == asked.training_file:
            message = "The validation file is the training file: what is trained confirms nothing."
            raise refuse(message, param="validation_file")
        validation, num_validation = _find_training(
            store, asked.validation_file, sender, "validation_file"
        )
    return Inputs(base, training, num_rows, validation, num_validation, start_from, parent)


def _find_start(
    store: Store, bases: Bases, asked: CreateJob, sender: Sender
) -> tuple[str, str | None, Path | None]:
    """The local base of the model; of one that was tuned here its own name, and its adapter, to go
    on from."""
    parent = asked.x_assay.parent if asked.x_assay else None
    base = bases.find(asked.model)
    name, param = (parent, "x_assay.parent") if parent else (asked.model, "model")
    if base is not None and parent is None:
        return base, None, None
    alias = find_alias(store, name)
    name = name if alias is None else str(alias.model)
    tuned = find_model(store, name)
    if tuned is None or not _may_go_on(store, tuned, sender):
        raise not_found("model", name, param=param, code=MODEL_NOT_FOUND)
    if tuned.state == "held":
        message = f"{name} is held by its gates; an admin may override that."
        raise refuse(message, param=param, code="model_held")
    if base is not None and base != tuned.base:
        raise refuse(f"{name} was not tuned from {asked.model}.", param=param)
    folder = locate_model(store, tuned)
    if not (folder / "adapter_config.json").is_file():
        raise refuse(f"{name} is a whole model and no adapter to go on from.", param=param)
    return tuned.base, name, folder


def _may_go_on(store: Store, tuned: ModelRow, sender: Sender) -> bool:
    """Whether a job may start from a model: from a checkpoint those alone who may use it."""
    if tuned.checkpoint_id is None or sender.is_admin:
        return True
    return sender.project in find_users(store, tuned.id)


def _find_training(store: Store, file_id: str, sender: Sender, param: str) -> tuple[Path, int]:
    row = find_file(store, file_id, sender.project)
    if row is None:
        raise not_found("file", file_id, param=param)
    if row.purpose != "fine-tune":
        message = f"The file's purpose is {row.purpose}, where fine-tune is needed."
        raise refuse(message, param=param, code="invalid_purpose")
    path = locate_file(store, row.id)
    if not path.is_file():
        raise ApiError(410, "The bytes of this file are gone.", code="file_deleted", param=param)
    return path, row.num_rows or 0


def _leave_out_trackers(asked: CreateJob) -> tuple[CreateJob, str]:
    """The request without integrations where their package is not here, and what is said of it."""
    if not asked.integrations or not find_missing_trackers(["wandb"]):
        return asked, ""
    message = "Weights & Biases is not installed on this server; the job goes on without it."
    return asked.model_copy(update={"integrations": None}), message


def _describe_method(
    asked: CreateJob, content: dict[str, Any], hyperparameters: dict[str, Any]
) -> dict[str, Any]:
    """The method as it was sent, with numbers in place of ``auto``."""
    given = (content.get("method") or {}).get(asked.kind) or {}
    return {"type": asked.kind, asked.kind: {**given, "hyperparameters": hyperparameters}}
