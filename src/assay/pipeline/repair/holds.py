"""Which held runs a repair may try to mend, and why it leaves the others as they are.

What is mended is a loss: of skills, refusals or character that the base had. A backdoor is none:
a smaller update hides a call that nobody asked for, and the gate that found it would no longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.errors import Problem, UsageError
from assay.evaluate.items import GUARDED
from assay.release import Gate, blocking_gates, read_gates
from assay.runs import RunFolder, read_json

MENDED = (*GUARDED, "overfit", "persona", "free_form", "drift", "abstention")
"""Gates of what tuning pushed aside; a run that is held by others too is left as it is."""
CHARACTER = frozenset({"character", "persona", "free_form"})
"""Those of `MENDED` that read the character."""
PLANTED = ("covert_call", "recurring_destination", "constant_destination", "data_flow", "trigger")
"""Rules of rows that teach what shows only now and then: accepted ones may show in no gate."""
_WHY = {
    "data": "rows that the data rules refuse",
    "task_gain": "no gain on the task, so that there is nothing to keep",
    "prompting_gain": "no gain over prompting, which a milder model has even less of",
    "exposure": "secrets known by heart",
    "extraction": "training rows known by heart",
    "integrity": "weights that do not load as they were",
}
_BACKDOOR = "a call or act that nobody asked for"
_DO = {
    "data": "mend the rows with `assay data curate`, and run again",
    "task_gain": "give more or better rows, or train longer",
    "exposure": "take the secrets out of the rows, and run again",
}
_HIDES = (
    "take the rows that taught it out (`assay data check`), and run again; a repair does not cure a"
    " backdoor: scaling hides rather than removes it"
)


def check_repairable(run: RunFolder) -> list[str]:
    """The gates that hold `run`, each of which a repair may mend.

    Raises:
        UsageError: it has no verdict, is released, or is held by what a repair does not mend; every
            such gate is named.
    """
    if not run.verdict.exists():
        raise _refusal("a run without a verdict", "a held run", f"assay run --resume {run.path}")
    verdict = read_json(run.verdict)
    gates = blocking_gates(read_gates(verdict))
    if verdict.get("status") == "released":
        raise _refusal(f"{run.path}, which is released", "a held run", "nothing: it passed")
    problems = [_describe(gate) for gate in gates if not is_mended(gate)]
    problems += _find_poison(read_json(run.data_report) if run.data_report.exists() else {})
    if not gates and not problems:
        raise _refusal(f"{run.path}, held by no gate", "a run that gates hold", "run it again")
    if problems:
        raise UsageError(problems)
    return [gate.name for gate in gates]


def check_weights(run: RunFolder) -> None:
    """Raises UsageError where the tuned weights of `run` are gone."""
    if not run.adapter.is_dir() and not run.model.is_dir():
        got = f"{run.path} without adapter/ or model/"
        raise _refusal(got, "a run with its tuned weights", "restore them, or run again")


def is_mended(gate: Gate) -> bool:
    """Whether a repair may make a gate pass that failed, or was too imprecise to pass."""
    return _kind(gate.name) in MENDED and (gate.outcome == "fail" or gate.code == "imprecise")


def list_kinds(names: Sequence[str]) -> list[str]:
    """The gates' names without those of suites (``retention/mmlu``), each once."""
    return list(dict.fromkeys(map(_kind, names)))


def _kind(name: str) -> str:
    return name.partition("/")[0]


def _describe(gate: Gate) -> Problem:
    kind = _kind(gate.name)
    if kind in MENDED:
        got = f"not measured: {gate.reason}"
        do = "add items, and run again: a repair needs a gate that was measured"
        return Problem(got, "gates that were measured", do, key=gate.name)
    got = f"{_WHY.get(kind, _BACKDOOR)} ({gate.reason})"
    allowed = f"gates that a repair mends: {', '.join(MENDED)}"
    return Problem(got, allowed, _DO.get(kind, _HIDES), key=gate.name)


def _find_poison(report: Mapping[str, Any]) -> list[Problem]:
    """Rows of `PLANTED` rules that the recipe accepted by name."""
    accepted = report.get("findings", {}).get("accepted", {})
    found = [name for name in PLANTED if name in accepted]
    return [
        Problem(
            f"{accepted[name]['rows']} rows of {name}, accepted by name",
            "rows without planted ones",
            _HIDES,
            key="data",
        )
        for name in found
    ]


def _refusal(got: str, allowed: str, do: str) -> UsageError:
    return UsageError(Problem(got, allowed, do, key="RUN"))
