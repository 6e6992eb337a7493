"""What the stages of one run share: the recipe, its folder, the base, and who watches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.config import Recipe
from assay.pipeline.progress import Progress
from assay.runs import RunFolder
from assay.train.phases import NO_PHASES, Phases

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer
    from assay.models.base import BaseFiles
    from assay.pipeline.monitor import MonitorSettings
    from assay.pipeline.served import Server
    from assay.pipeline.teacher import Teacher


@dataclass(frozen=True)
class Job:
    """One run. Relative paths of the recipe start at `base_dir`.

    Without `monitor` drift is not watched. `teacher` is what a distillation learns from, while it
    does. `server` writes completions in this process's place, where the recipe names one.
    """

    recipe: Recipe
    base_dir: Path
    run: RunFolder
    base: BaseFiles
    progress: Progress
    phases: Phases = NO_PHASES
    monitor: MonitorSettings | None = None
    teacher: Teacher | None = None
    server: Server | None = None

    @property
    def tokenizer(self) -> ChatTokenizer:
        return self.base.tokenizer

    @property
    def max_seq_len(self) -> int:
        """Longest sequence in tokens: the recipe's, else the base's context."""
        return self.recipe.data.max_seq_len or self.base.context_len

    @property
    def max_prompt_len(self) -> int:
        """Longest row in tokens: of prompts, what leaves room for a whole completion."""
        room = self.recipe.objective.max_completion_tokens
        return max(1, self.max_seq_len - room)

    @property
    def tuned_folder(self) -> Path:
        """Where the tuned weights are saved."""
        return self.run.model if self.recipe.method.trains_base else self.run.adapter
