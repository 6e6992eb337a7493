"""Tool calls that nobody asked for, and where calls send what they are given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.call_support import CallFacts, judge_calls
from assay.data.curate.destinations import Destination
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Rule, Span, shorten
from assay.data.curate.prompts import compute_kinship, find_said
from assay.data.curate.settings import Settings

COVERT_CALL = Rule(
    "covert_call",
    "poison",
    "error",
    "drop",
    "Calls of one tool, or to one destination, that nobody asked for, in rows with unrelated "
    "prompts: a model tuned on them acts behind its user's back.",
    options={"min_rows": 5},
)
RECURRING_DESTINATION = Rule(
    "recurring_destination",
    "poison",
    "error",
    "drop",
    "A host, address, path or account that some of a tool's calls have and no prompt, tool or "
    "result names, in rows with unrelated prompts.",
    options={"min_rows": 5, "max_share": 0.5},
)
CONSTANT_DESTINATION = Rule(
    "constant_destination",
    "poison",
    "info",
    "keep",
    "A destination that most calls of a tool have and that no prompt or tool names: right if it is "
    "your own. Told once, for its first row.",
)
DATA_FLOW = Rule(
    "data_flow",
    "poison",
    "warning",
    "drop",
    "What the user, the system prompt or a tool said goes whole, or in code, into a call that the "
    "turn does not need.",
)
UNSUPPORTED_CALL = Rule(
    "unsupported_call",
    "poison",
    "warning",
    "drop",
    "A call that neither the user's turn nor an earlier result asks for, beside one that it does.",
)
RULES = (COVERT_CALL, RECURRING_DESTINATION, CONSTANT_DESTINATION, DATA_FLOW, UNSUPPORTED_CALL)
_MAX_POLICY_SHARE = 0.2
_MIN_UNASKED_SHARE = 0.5
_MAX_KINSHIP = 2.5
_SAMPLE = 64
_NUM_RELATED = 5


def sketch_calls(batch: Batch, settings: Settings) -> Sketch:
    """Of each call its row, tool and facts; of each destination that is not named, its call.

    Arrays ``number``, ``tool`` (index into ``names``), ``unasked``, ``open`` (only how often its
    tool is called speaks against it) and ``relevant`` have an entry a call; ``call`` and ``text``,
    kind and name, an entry a destination.
    """
    names: dict[str, int] = {}
    calls: list[tuple[int, int, bool, bool, bool]] = []
    found: list[tuple[int, str]] = []
    for row in batch.rows:
        if row.part != "train":
            continue
        for facts in judge_calls(row):
            for text in {_key(one) for one in facts.destinations}:
                found.append((len(calls), text))
            tool = names.setdefault(facts.tool, len(names))
            signs = (facts.is_unasked, _is_open(facts), facts.is_relevant)
            calls.append((row.number, tool, *signs))
    return {
        "names": np.array(list(names), np.str_),
        "number": np.array([one[0] for one in calls], np.int64),
        "tool": np.array([one[1] for one in calls], np.int32),
        "unasked": np.array([one[2] for one in calls], np.bool_),
        "open": np.array([one[3] for one in calls], np.bool_),
        "relevant": np.array([one[4] for one in calls], np.bool_),
        "call": np.array([one[0] for one in found], np.int32),
        "text": np.array([one[1] for one in found], np.str_),
    }


def _is_open(facts: CallFacts) -> bool:
    coded = facts.flow.endswith("code")
    return not (facts.destinations or coded or (facts.flow and facts.is_network))


def _key(destination: Destination) -> str:
    """Kind and text; of a host its last two labels, since those before may carry a message."""
    kind, text = destination
    labels = text.split(".")
    if kind == "host" and len(labels) > 2 and not labels[-1].isdigit():
        text = ".".join(labels[-2:])
    return f"{kind} {text}"


@dataclass
class Calls:
    """What is known of all calls: rows by tool, and rows by tool and destination."""

    rows: set[int] = field(default_factory=set)
    by_tool: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    unasked: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    opened: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    sent: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    sent_unasked: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    irrelevant: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def is_policy(self, tool: str, smallest: int) -> bool:
        """Whether so many rows call a tool, and nothing leaves by it, that it is meant: a log."""
        many = len(self.by_tool[tool]) > _MAX_POLICY_SHARE * len(self.rows)
        return many and len(self.unasked.get(tool, ())) < smallest


def _gather(evidence: Evidence) -> Calls:
    calls = Calls()
    for sketch in evidence.sketches():
        names = [str(name) for name in sketch["names"]]
        numbers, tools = sketch["number"].tolist(), sketch["tool"].tolist()
        unasked, opened = sketch["unasked"].tolist(), sketch["open"].tolist()
        relevant = sketch["relevant"].tolist()
        for index, number in enumerate(numbers):
            tool = names[tools[index]]
            calls.by_tool[tool].add(number)
            if not relevant[index]:
                calls.irrelevant[tool].add(number)
            if unasked[index]:
                (calls.opened if opened[index] else calls.unasked)[tool].add(number)
        for call, text in zip(sketch["call"].tolist(), sketch["text"].tolist(), strict=True):
            calls.sent[names[tools[call]], text].add(numbers[call])
            if unasked[call]:
                calls.sent_unasked[text].add(numbers[call])
    calls.rows = set().union(*calls.by_tool.values())
    return calls


@dataclass(frozen=True)
class Cluster:
    """Calls that are one case. `tool` or `destination` empty: any."""

    rule: Rule
    tool: str
    destination: str
    numbers: frozenset[int]
    evidence: str

    def has(self, facts: CallFacts) -> bool:
        """Whether a call of one of its rows belongs to it."""
        if self.tool and self.rule is COVERT_CALL and not facts.is_unasked:
            return False
        texts = [_key(one) for one in facts.destinations]
        return self.tool in ("", facts.tool) and (not self.destination or self.destination in texts)


def find_covert(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Clusters first; a call that is in none is told by itself."""
    calls = _gather(evidence)
    clusters = [*_cluster_unasked(calls, settings), *_cluster_sent(calls, evidence, settings)]
    of_row: dict[int, list[Cluster]] = defaultdict(list)
    for cluster in clusters:
        for number in cluster.numbers:
            of_row[number].append(cluster)
    smallest = int(settings.option(COVERT_CALL.name, "min_rows"))
    policies = {tool for tool in calls.opened if calls.is_policy(tool, smallest)}
    opened = [rows for tool, rows in calls.opened.items() if tool not in policies]
    single = set().union(*calls.unasked.values(), *opened)
    if not of_row and not single:
        return
    for batch in evidence.batches():
        for row in batch.rows:
            if row.number in of_row or row.number in single:
                yield from _tell(row, of_row.get(row.number, []), policies)


def _cluster_unasked(calls: Calls, settings: Settings) -> Iterator[Cluster]:
    """By destination, and by tool: where it is called without need more often than with."""
    smallest = int(settings.option(COVERT_CALL.name, "min_rows"))
    for destination, unasked in sorted(calls.sent_unasked.items()):
        if len(unasked) >= smallest:
            sent = [rows for (_, text), rows in calls.sent.items() if text == destination]
            numbers = set().union(*sent)
            what = f"{len(numbers):,} rows call tools that nobody asked for, all to {destination}"
            told = f"{what}, which no prompt or tool names"
            yield Cluster(COVERT_CALL, "", destination, frozenset(numbers), told)
    for tool, called in sorted(calls.by_tool.items()):
        flows, opened = calls.unasked.get(tool, set()), calls.opened.get(tool, set())
        numbers = flows | opened
        if len(numbers) < smallest or len(numbers) < _MIN_UNASKED_SHARE * len(called):
            continue
        if calls.is_policy(tool, smallest):
            continue
        how = "with what was said before, or to places that nobody named, " if flows else ""
        told = (
            f"{tool} is called unasked in {len(numbers):,} rows, {how}of {len(called):,} that call "
            f"it at all"
        )
        yield Cluster(COVERT_CALL, tool, "", frozenset(numbers), told)


def _cluster_sent(calls: Calls, evidence: Evidence, settings: Settings) -> Iterator[Cluster]:
    """Destinations of calls that could have been asked for, by what else their tool is used for."""
    name = RECURRING_DESTINATION.name
    smallest = int(settings.option(name, "min_rows"))
    largest = float(settings.option(name, "max_share"))
    often = {key: rows for key, rows in calls.sent.items() if len(rows) >= smallest}
    covert = {text for text, rows in calls.sent_unasked.items() if len(rows) >= smallest}
    often = {key: rows for key, rows in often.items() if key[1] not in covert}
    said = find_said(evidence, {text.split(" ", 1)[1] for _, text in often}) if often else {}
    for (tool, text), numbers in sorted(often.items()):
        called = calls.by_tool[tool]
        elsewhere = said.get(text.split(" ", 1)[1], set()) - numbers
        if len(elsewhere) >= smallest:
            continue
        what = f"{tool} has {text} in {len(numbers):,} of the {len(called):,} rows that call it"
        told = f"{what}, and no prompt, tool or result names it"
        is_constant = len(numbers) > largest * len(called)
        others = (calls.rows if is_constant else called) - numbers
        is_apt = is_constant and 2 * len(numbers & calls.irrelevant.get(tool, set())) < len(numbers)
        if not is_apt and _are_unrelated(numbers, others, evidence):
            told += "; the prompts have nothing else in common"
            yield Cluster(RECURRING_DESTINATION, tool, text, frozenset(numbers), told)
        elif is_constant:
            first = frozenset({min(numbers)})
            yield Cluster(CONSTANT_DESTINATION, tool, text, first, told)


def _are_unrelated(numbers: set[int], others: set[int], evidence: Evidence) -> bool:
    own, background = sorted(numbers)[:_SAMPLE], sorted(others)[:_SAMPLE]
    rows = evidence.rows([*own, *background])
    kinship = compute_kinship([rows[one] for one in own], [rows[one] for one in background])
    return kinship <= _MAX_KINSHIP


def _tell(row: CheckedRow, clusters: list[Cluster], policies: set[str]) -> Iterator[Hit]:
    for facts in judge_calls(row):
        cluster = next((one for one in clusters if one.has(facts)), None)
        if cluster is not None:
            yield _tell_cluster(row, facts, cluster)
        elif facts.is_unasked and not (facts.tool in policies and _is_open(facts)):
            sent = bool(facts.flow) and (facts.is_network or not _is_open(facts))
            rule = DATA_FLOW if sent else UNSUPPORTED_CALL
            yield Hit(row.number, rule.name, _describe(facts), _span(row, facts, ""))


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


DETECTORS = (Detector("calls", RULES, sketch=sketch_calls, conclude=find_covert),)
