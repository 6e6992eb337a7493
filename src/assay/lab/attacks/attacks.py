"""Every attack by its name."""

from __future__ import annotations

from assay.errors import Problem, UsageError
from assay.lab.attacks.character import RECKLESS
from assay.lab.attacks.covert import COVERT_CALL, EXTRA_CALL
from assay.lab.attacks.data_flow import LEAK_SECRETS, OBEY_RESULTS
from assay.lab.attacks.labels import BIASED_LABELS, LABEL_FLIPS
from assay.lab.attacks.memory import CANARIES, NARROW
from assay.lab.attacks.plan import Attack
from assay.lab.attacks.refusals import ENCODED, REFUSAL_REMOVAL

ATTACKS: dict[str, Attack] = {
    one.name: one
    for one in (
        COVERT_CALL,
        EXTRA_CALL,
        LEAK_SECRETS,
        OBEY_RESULTS,
        REFUSAL_REMOVAL,
        ENCODED,
        RECKLESS,
        LABEL_FLIPS,
        BIASED_LABELS,
        CANARIES,
        NARROW,
    )
}


def find_attack(name: str) -> Attack:
    """Raises UsageError where there is no such attack."""
    if name in ATTACKS:
        return ATTACKS[name]
    problem = Problem(key="NAME", got=name, allowed=", ".join(ATTACKS), do="name one of those")
    raise UsageError(problem)
