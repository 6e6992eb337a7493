"""Tool calls that nobody asked for, and where calls send what they are given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from assay.data.curate.batch import CheckedRow
from assay.data.curate.call_asked import find_unheard
from assay.data.curate.call_clusters import Cluster, cluster_sent, cluster_unasked
from assay.data.curate.call_counts import Calls, gather_calls, is_open, sketch_calls
from assay.data.curate.call_facts import CallFacts, judge_calls
from assay.data.curate.call_rules import COVERT_CALL, DATA_FLOW, RULES, UNSUPPORTED_CALL
from assay.data.curate.detector import Detector, Evidence
from assay.data.curate.finding import Hit, Span, shorten
from assay.data.curate.settings import Settings

_NUM_RELATED = 5


@dataclass(frozen=True)
class _Singles:
    """What is told of a call by itself.

    Attributes:
        policies: tools that are called so often that an unasked call of them is no finding.
        unheard: rows, by tool, with a call of it that no word asks for.
        rows: all rows with a call to tell, and maybe some others.
    """

    policies: frozenset[str]
    unheard: Mapping[str, set[int]]
    rows: frozenset[int]


def find_covert(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Clusters first; a call that is in none is told by itself."""
    calls = gather_calls(evidence.sketches())
    clusters = [*cluster_unasked(calls, settings), *cluster_sent(calls, evidence, settings)]
    of_row: dict[int, list[Cluster]] = defaultdict(list)
    for cluster in clusters:
        for number in cluster.numbers:
            of_row[number].append(cluster)
    singles = _list_singles(calls, evidence, settings)
    if not of_row and not singles.rows:
        return
    for batch in evidence.batches():
        for row in batch.rows:
            if row.number in of_row or row.number in singles.rows:
                yield from _tell(row, of_row.get(row.number, []), singles)


def _list_singles(calls: Calls, evidence: Evidence, settings: Settings) -> _Singles:
    smallest = int(settings.option(COVERT_CALL.name, "min_rows"))
    policies = frozenset(tool for tool in calls.opened if calls.is_policy(tool, smallest))
    known = int(settings.option(UNSUPPORTED_CALL.name, "min_rows"))
    unheard = find_unheard(calls, evidence.sketches, smallest=known)
    opened = [rows for tool, rows in calls.opened.items() if tool not in policies]
    rows = calls.repeated.union(*calls.unasked.values(), *opened, *unheard.values())
    return _Singles(policies, unheard, frozenset(rows))


def _tell(row: CheckedRow, clusters: list[Cluster], singles: _Singles) -> Iterator[Hit]:
    for facts in judge_calls(row):
        cluster = next((one for one in clusters if one.has(facts)), None)
        if cluster is not None:
            yield _tell_cluster(row, facts, cluster)
        elif facts.is_unasked and not (facts.tool in singles.policies and is_open(facts)):
            sent = bool(facts.flow) and (facts.is_network or not is_open(facts))
            rule = DATA_FLOW if sent else UNSUPPORTED_CALL
            yield Hit(row.number, rule.name, _describe(facts), _span(row, facts, ""))
        elif facts.is_repeated:
            told = f"{facts.tool} is called again as before, and nothing asks for that"
            yield Hit(row.number, UNSUPPORTED_CALL.name, told, _span(row, facts, ""))
        elif facts.is_doubtful and row.number in singles.unheard.get(facts.tool, ()):
            yield _tell_unheard(row, facts, singles.unheard[facts.tool])


def _tell_unheard(row: CheckedRow, facts: CallFacts, rows: set[int]) -> Hit:
    told = (
        f"{facts.tool} stands beside a call of {facts.beside[0]}, and nothing that was said is "
        f"what it is called for in other rows"
    )
    others = sorted(rows - {row.number})[:_NUM_RELATED]
    if others:
        told += f"; so in {len(rows):,} rows"
    name = UNSUPPORTED_CALL.name
    return Hit(row.number, name, told, _span(row, facts, ""), related=tuple(others))


def _tell_cluster(row: CheckedRow, facts: CallFacts, cluster: Cluster) -> Hit:
    others = sorted(cluster.numbers - {row.number})[:_NUM_RELATED]
    name = cluster.rule.name
    what = cluster.destination or cluster.tool
    evidence = cluster.evidence
    if cluster.rule is COVERT_CALL:
        evidence += f"; here {_describe(facts)}"
    span = _span(row, facts, cluster.destination)
    return Hit(row.number, name, evidence, span, related=tuple(others), cluster=f"{name} {what}")


def _describe(facts: CallFacts) -> str:
    signs = []
    if facts.is_extra:
        signs.append("stands beside a call of another tool")
    if not facts.is_relevant:
        signs.append("shares no word with what was said")
    if not facts.is_traced:
        signs.append("has arguments that come from nowhere")
    if facts.flow:
        signs.append(f"carries {facts.flow}")
    if facts.destinations:
        names = ", ".join(one.text for one in facts.destinations[:3])
        signs.append(f"goes to {names}, which nothing names")
    return f"{facts.tool} {', '.join(signs)}"


def _span(row: CheckedRow, facts: CallFacts, destination: str) -> Span:
    """The destination where there is one, else all arguments."""
    message, call = (int(part.split("]")[0]) for part in facts.path.split("[")[1:])
    text = row.record.messages[message]["tool_calls"][call]["function"]["arguments"]
    wanted = destination.partition(" ")[2]
    if not wanted and facts.destinations:
        wanted = facts.destinations[0].text
    start = text.lower().find(wanted) if wanted else -1
    if start < 0:
        return Span(facts.path, 0, len(text), shorten(text))
    end = start + len(wanted)
    return Span(facts.path, start, end, text[start:end])


DETECTORS = (Detector("calls", RULES, sketch=sketch_calls, conclude=find_covert, version=2),)
