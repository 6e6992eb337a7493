"""Names of tuned models, in the form that OpenAI's have: ``ft:BASE:ORG:SUFFIX:ID``."""

from __future__ import annotations

import re

ORGANISATION = "assay"
_ODD = re.compile(r"[^a-z0-9-]+")
_ID_CHARS = 8


def name_model(model: str, suffix: str | None, job_id: str) -> str:
    """The name of what a job makes of `model` (a base's name, or a tuned model's)."""
    base = model.split(":")[1] if model.startswith("ft:") else model
    shown = _ODD.sub("-", (suffix or "").lower()).strip("-")
    return f"ft:{base}:{ORGANISATION}:{shown}:{job_id.rpartition('-')[2][-_ID_CHARS:]}"


def name_checkpoint(tuned: str, step: int) -> str:
    """The name of a checkpoint of the job that makes `tuned`."""
    return f"{tuned}:ckpt-step-{step}"
