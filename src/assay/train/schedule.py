"""Learning-rate schedules as pure functions of the step."""

from __future__ import annotations

import math
from typing import Literal

ScheduleName = Literal["cosine", "linear", "constant", "wsd"]
WSD_DECAY_RATIO = 0.4
"""Share of the steps over which ``wsd`` decays."""


def compute_lr_factor(
    step: int, *, num_steps: int, warmup_steps: int, schedule: ScheduleName
) -> float:
    """Factor in (0, 1] on the peak learning rate at `step` (from 0).

    Linear warm-up over `warmup_steps` (the first step already moves: 1 / warmup_steps), then the
    schedule; cosine is that of Loshchilov and Hutter 2017, equation 5, without restarts, to zero
    one step after the last; ``wsd`` stays at the peak and falls linearly over the last two fifths
    (Hu et al. 2024), so that its steady part can be prolonged later.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    if schedule == "constant":
        return 1.0
    if schedule == "wsd":
        return min(1.0, (num_steps - step) / (WSD_DECAY_RATIO * num_steps))
    if schedule == "linear":
        return 1.0 - progress
    return 0.5 * (1.0 + math.cos(math.pi * progress))
