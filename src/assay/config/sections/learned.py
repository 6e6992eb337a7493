"""What every objective says of itself, whatever its kind of rows; the start of their blocks."""

from __future__ import annotations

from typing import ClassVar, Literal

from assay.config.setting import Section

RowKind = Literal["answers", "preference", "rated", "prompts", "stepwise"]
NAMED = "named by the recipe"


class ObjectiveSection(Section):
    """What every objective says of itself beside its settings.

    `learns_from` is the kind of rows; `needs_reference` whether the model is compared with what it
    was before the first step; `gives_scores` whether what is tuned scores answers and writes none.
    """

    learns_from: ClassVar[RowKind] = "answers"
    needs_reference: ClassVar[bool] = False
    gives_scores: ClassVar[bool] = False

    @property
    def max_completion_tokens(self) -> int:
        """Tokens that are written after a row's own while training."""
        return 0
