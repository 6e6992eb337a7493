"""Jobs, events and checkpoints in OpenAI's form, with ours in ``x_assay``."""

from __future__ import annotations

from typing import Any

from assay.runs.store import Store
from assay.runs.store.estimates import find_estimate
from assay.runs.store.events import EventRow
from assay.runs.store.jobs import JobRow
from assay.runs.store.models import ModelRow, find_model
from assay.runs.store.overrides import find_override
from assay.serve.jobs.names import name_model
from assay.serve.lifecycle.overriding import describe_override

_SUPERVISED = ("n_epochs", "batch_size", "learning_rate_multiplier")


def render_job(store: Store, row: JobRow) -> dict[str, Any]:
    """A job. `error` is null or whole, and `hyperparameters` is never null."""
    hyperparameters = row.hyperparameters or {}
    return {
        "id": row.id,
        "object": "fine_tuning.job",
        "created_at": int(row.created_at),
        "error": row.error,
        "fine_tuned_model": row.fine_tuned_model,
        "finished_at": _whole(row.finished_at),
        "hyperparameters": {key: hyperparameters.get(key) for key in _SUPERVISED},
        "model": row.model,
        "organization_id": "org-assay",
        "result_files": row.result_files or [],
        "seed": row.seed,
        "status": row.status,
        "trained_tokens": row.trained_tokens,
        "training_file": row.training_file,
        "validation_file": row.validation_file,
        "estimated_finish": _whole(row.estimated_finish),
        "integrations": row.integrations,
        "metadata": row.metadata,
        "method": row.method,
        "user_provided_suffix": row.suffix,
        "x_assay": _describe(store, row),
    }


def render_event(row: EventRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "fine_tuning.job.event",
        "created_at": int(row.created_at),
        "level": row.level,
        "message": row.message,
        "type": row.type,
        "data": row.data,
    }


def render_checkpoint(row: ModelRow) -> dict[str, Any]:
    return {
        "id": row.checkpoint_id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": int(row.created_at),
        "fine_tuned_model_checkpoint": row.id,
        "fine_tuning_job_id": row.job_id,
        "metrics": row.metrics or {},
        "step_number": row.step,
        "x_assay": {"state": row.state},
    }


def _describe(store: Store, row: JobRow) -> dict[str, Any]:
    """What was asked in ``x_assay``, the base, the parents, and what the run left."""
    asked = (row.request or {}).get("x_assay") or {}
    name = name_model(row.model, row.suffix, row.id)
    made = find_model(store, name)
    overridden = find_override(store, name)
    more = {"override": describe_override(overridden)} if overridden is not None else {}
    return {
        **asked,
        "base": row.base,
        "parents": [row.parent] if row.parent else [],
        "attempts": row.num_attempts,
        "estimate": find_estimate(store, row.id),
        "model_state": made.state if made is not None else None,
        "held_model": name if made is not None and made.state == "held" else None,
        **more,
        **(row.details or {}),
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
