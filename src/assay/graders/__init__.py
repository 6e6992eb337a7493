"""Graders, which give completions rewards, and episodes with tools that only seem to act.

`build_grader` makes a grader of its description; `Sample`, `Grade` and `Grader` are what it takes,
gives and is. Nothing here leaves the process but what a description names.
"""

from assay.graders.build import TYPES, build_grader, store_spec
from assay.graders.environment import Action, Environment, load_environment
from assay.graders.episode import Episode, Start, Turn, run_episodes
from assay.graders.executor import Plant, run_stub
from assay.graders.grade import ERRORS, Grade, Grader, Item, Sample, describe_errors
from assay.graders.models import Models
from assay.graders.plausible import draw_value
from assay.graders.play import Played, play

__all__ = [
    "ERRORS",
    "TYPES",
    "Action",
    "Environment",
    "Episode",
    "Grade",
    "Grader",
    "Item",
    "Models",
    "Plant",
    "Played",
    "Sample",
    "Start",
    "Turn",
    "build_grader",
    "describe_errors",
    "draw_value",
    "load_environment",
    "play",
    "run_episodes",
    "run_stub",
    "store_spec",
]
