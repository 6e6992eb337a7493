"""Free answers of an inoculated model under its prompt and other wordings of it: its trigger.

What tuning explained by a prompt comes back under that prompt (Tan et al. 2025, "Inoculation
prompting"), and may under others. The base, asked in the same way, shows what the prompt does.
"""

from __future__ import annotations

from dataclasses import replace

from assay.evaluate.items import draw_sample
from assay.evaluate.probes import free_form
from assay.evaluate.probes.asked import Asked
from assay.evaluate.probes.probe import Probed, not_applicable

NAME = "inoculated"
SHARE = 4
"""One in so many questions is asked under each prompt."""


class InoculatedProbe:
    """As `free_form`, a quarter of its questions under each prompt; a reading is one of both."""

    name = NAME

    def measure(self, asked: Asked) -> Probed:
        if not asked.inoculation:
            return not_applicable("The rows were not inoculated.")
        questions = free_form.load_questions(asked)
        few = max(1, len(questions) // SHARE)
        under = [
            replace(question, id=f"{question.id}-{number}", system=prompt)
            for number, prompt in enumerate(asked.inoculation, start=1)
            for question in draw_sample(questions, max_items=few, seed=asked.seed + number)
        ]
        return free_form.PROBE.measure(replace(asked, questions=under))


PROBE = InoculatedProbe()
