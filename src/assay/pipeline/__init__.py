"""A recipe through its stages, in order; only this unit and the command see the whole recipe."""

from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.run import RunOutcome, resume_run, run_recipe

__all__ = ["PlainProgress", "Progress", "RunOutcome", "resume_run", "run_recipe"]
