"""The gates of a run again, by any policy, from what the run stored: no model is loaded.

Every number is computed anew from evaluation/items.jsonl and the probes' readings, so that a policy
with other margins or another confidence judges the same answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.errors import CheckpointError
from assay.evaluate.compare import Resampling
from assay.evaluate.gates import GateResult, Policy, Verdict, decide_verdict
from assay.evaluate.items import Item, Score, order_variants
from assay.evaluate.log import is_tested, read_item_line, read_score
from assay.evaluate.probes import PROBES, summarise_probe
from assay.evaluate.prompting import PromptChoice
from assay.evaluate.report import MeasuredSuite, Validation, build_evaluation
from assay.evaluate.suites import PLAIN, HarnessPlan, Suite, list_builtin_names
from assay.pipeline.gate import judge_run
from assay.pipeline.probing import read_probed
from assay.runs import RunFolder, read_json
from assay.runs.values import mapping

Line = Mapping[str, Any]
BUILT_IN = frozenset([*list_builtin_names(), *list_builtin_names(for_tiny=True)])
"""What is built in where an evaluation of before that was written down does not say."""


@dataclass(frozen=True)
class Regated:
    """What a policy says of a run, and the evaluation that it was read from."""

    verdict: Verdict
    gates: list[GateResult]
    evaluation: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As verdict.json."""
        return self.verdict.to_dict() | {"gates": [gate.to_dict() for gate in self.gates]}


def regate(run: RunFolder, policy: Policy) -> Regated:
    """Judge a run by `policy` from its stored items and readings.

    Raises:
        CheckpointError: the run has no evaluation yet.
    """
    if not run.evaluation.exists() or not run.items.exists():
        raise CheckpointError(
            f"{run.path}: not measured yet; finish it with `assay run --resume {run.id}`"
        )
    stored = read_json(run.evaluation)
    known = mapping(stored.get("statistics"))
    resampling = Resampling(**{**known, "confidence": policy.thresholds.confidence})
    pooled: Mapping[str, Any] = stored.get("pooled", {})
    evaluation = build_evaluation(
        list(read_measured(run.read_items(), stored)),
        decoding=stored.get("decoding", {}),
        train=stored.get("train"),
        skipped={kind: part["skipped"] for kind, part in pooled.items() if "skipped" in part},  # type: ignore[misc]
        resampling=resampling,
        probes=_read_probes(run, resampling),
    )
    evaluation |= keep_told(run, stored)
    evaluation["integrity"] = mapping(stored.get("integrity"))
    gates = judge_run(run, evaluation, policy)
    return Regated(decide_verdict(gates), gates, evaluation)


def keep_told(run: RunFolder, stored: Mapping[str, Any]) -> dict[str, Any]:
    """What of a stored evaluation is of the run, whatever is computed anew."""
    return {
        "base": _find_base(run, stored),
        "not_applicable": mapping(stored.get("not_applicable")),
    }


def _find_base(run: RunFolder, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The base of the evaluation; that of the manifest where an older one does not say."""
    known = mapping(stored.get("base"))
    if known or not run.manifest.exists():
        return known
    return mapping(read_json(run.manifest).get("base"))


def _read_probes(run: RunFolder, resampling: Resampling) -> dict[str, Any]:
    found = {name: read_probed(run.probes, name) for name in PROBES}
    return {
        name: summarise_probe(probed, resampling)
        for name, probed in found.items()
        if probed is not None
    }


def read_measured(lines: Iterable[Line], stored: Mapping[str, Any]) -> Iterable[MeasuredSuite]:
    """The suites as they were asked, in the order of evaluation.json."""
    by_suite: dict[str, list[Line]] = {}
    for line in lines:
        by_suite.setdefault(str(line["suite"]), []).append(line)
    for name, known in stored["suites"].items():
        own = by_suite.get(name, [])
        tested = [line for line in own if is_tested(line)]
        held = [line for line in own if not is_tested(line)]
        items = [read_item_line(line)[0] for line in tested]
        suite = Suite(
            name,
            known["kind"],
            known["metric"],
            items,
            known["metric_reason"],
            known["items_sha256"],
            built_in=known.get("built_in", name in BUILT_IN),
            format=known.get("format", PLAIN),
            harness=HarnessPlan(**known["harness"]) if "harness" in known else None,
        )
        yield MeasuredSuite(
            suite,
            _read_scores(tested),
            prompting=_read_prompting(known, held),
            counts=_read_counts(known),
            validation=_read_validation(held),
        )


def _read_scores(lines: Sequence[Line]) -> dict[str, dict[str, Score]]:
    scores: dict[str, dict[str, Score]] = {}
    for line in lines:
        for variant in order_variants(line):
            scores.setdefault(variant, {})[str(line["id"])] = read_score(line[variant]["score"])
    return scores


def _read_validation(lines: Sequence[Line]) -> Validation | None:
    if not lines:
        return None
    items: list[Item] = [read_item_line(line)[0] for line in lines]
    return Validation(items, _read_scores(lines))


def _read_prompting(known: Mapping[str, Any], held: Sequence[Line]) -> PromptChoice | None:
    """How many shots were chosen, and on which items."""
    prompted = mapping(known.get("prompted"))
    if "shots" not in prompted:
        return None
    validation = mapping(prompted.get("validation"))
    means = {int(shots): mean for shots, mean in mapping(validation.get("means")).items()}
    ids = frozenset(str(line["id"]) for line in held)
    return PromptChoice(int(prompted["shots"]), means, int(validation.get("n") or 0), ids)


def _read_counts(known: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Further numbers of each model's answers."""
    names = ("num_ended_by_length", "num_fewer_shots")
    return {
        variant: {name: known[variant][name] for name in names if name in known[variant]}
        for variant in order_variants(known)
    }
