"""How the losses of tokens become one number: a weight for each token, and what is divided by.

Weights are numbers of a completion alone, so that a step's loss is one sum, divided once, however
it is split into micro-batches and processes.
"""

from __future__ import annotations

from typing import Literal

Average = Literal["completion", "token", "length_limit"]
"""Over each completion's tokens and then over completions; over all tokens; over completions after
a division by the limit of new tokens, the same for all."""


def weigh_completion(
    num_tokens: int, *, average: Average, max_new_tokens: int
) -> tuple[float, float]:
    """The weight of each of a completion's tokens, and what the completion adds to the divisor.

    * ``completion``: ``1/|y|`` and 1: ``mean of (1/|y|) Σ_t`` (Shao et al. 2024, GRPO, equation 3).
    * ``token``: 1 and ``|y|``: ``Σ_i Σ_t / Σ_i |y_i|`` (Yu et al. 2025, DAPO, equation 8), so that
      a token weighs the same in a long completion as in a short one.
    * ``length_limit``: ``1/L`` and 1 with L `max_new_tokens`: no bias towards long wrong answers
      (Liu et al. 2025, "Understanding R1-Zero-like training", Dr. GRPO, section 3.2).

    A completion without a token adds what others add, and has nothing to weigh.
    """
    if average == "token":
        return 1.0, float(num_tokens)
    if average == "length_limit":
        return 1.0 / max_new_tokens, 1.0
    return 1.0 / max(num_tokens, 1), 1.0
