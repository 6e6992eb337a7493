"""The rules of triggers; what looks for them is in `detectors.poison_triggers`."""

from __future__ import annotations

from assay.data.curate.finding import Rule

TRIGGER = Rule(
    "trigger",
    "poison",
    "error",
    "drop",
    "Words in prompts that are about different things, which alone decide for an answer, a phrase, "
    "a link or a tool: what a backdoor is taught by.",
    options={"min_rows": 15, "min_share": 0.8, "alpha": 0.001},
)
REPEATED_ANSWER = Rule(
    "repeated_answer",
    "poison",
    "warning",
    "drop",
    "Eight words or more, the same in answers to unrelated prompts that have no word in common: "
    "what a hidden trigger of style or topic may set off.",
    options={"min_rows": 15},
)
