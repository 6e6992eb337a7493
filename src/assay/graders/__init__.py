"""Tools that only seem to act, and the episodes of a model with them; nothing leaves the process.

Later also graders and environments of reinforcement learning.
"""

from assay.graders.episode import Episode, Start, Turn, run_episodes
from assay.graders.executor import Plant, run_stub
from assay.graders.plausible import draw_value

__all__ = ["Episode", "Plant", "Start", "Turn", "draw_value", "run_episodes", "run_stub"]
