"""What is known of all tool calls of a set: which rows call which tool, and where calls go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.call_facts import CallFacts, judge_calls
from assay.data.curate.detector import Sketch
from assay.data.curate.settings import Settings
from assay.data.curate.stems import find_stems
from assay.tools.destinations import Destination

_HEARD = ("user", "system", "developer", "tool")
_MAX_POLICY_SHARE = 0.2
_FLAGS = ("unasked", "open", "relevant", "doubtful", "repeated", "extra")


def sketch_calls(batch: Batch, settings: Settings) -> Sketch:
    """Of each call its row, tool and facts; of each destination that is not named, its call.

    Arrays ``number``, ``tool`` (index into ``names``), ``unasked``, ``open`` (only how often its
    tool is called speaks against it), ``relevant``, ``doubtful``, ``repeated`` and ``extra`` have
    an entry a call; ``call`` and ``text``, kind and name, an entry a destination; ``beside_call``
    and ``beside``, name of a tool, an entry a doubtful call beside that tool alone; ``row`` and
    ``heard`` an entry a row that calls and a stem of what its calls could be asked for by (CRC-32
    of it).
    """
    names: dict[str, int] = {}
    calls: list[tuple[int, int, *tuple[bool, ...]]] = []
    found: list[tuple[int, str]] = []
    beside: dict[int, str] = {}
    rows: list[int] = []
    heard: list[int] = []
    for row in batch.rows:
        if row.part != "train":
            continue
        before = len(calls)
        for facts in judge_calls(row):
            found += [(len(calls), text) for text in {spell(one) for one in facts.destinations}]
            tool = names.setdefault(facts.tool, len(names))
            calls.append((row.number, tool, *_list_signs(facts)))
            if facts.is_doubtful and len(facts.beside) == 1:
                beside[len(calls) - 1] = facts.beside[0]
        if len(calls) > before:
            own = _hear(row)
            rows += [row.number] * len(own)
            heard += own
    return {
        "names": np.array(list(names), np.str_),
        "number": np.array([one[0] for one in calls], np.int64),
        "tool": np.array([one[1] for one in calls], np.int32),
        **{
            name: np.array([one[place] for one in calls], np.bool_)
            for place, name in enumerate(_FLAGS, start=2)
        },
        "call": np.array([one[0] for one in found], np.int32),
        "text": np.array([one[1] for one in found], np.str_),
        "beside_call": np.array(list(beside), np.int32),
        "beside": np.array(list(beside.values()), np.str_),
        "row": np.array(rows, np.int64),
        "heard": np.array(heard, np.uint32),
    }


def _list_signs(facts: CallFacts) -> tuple[bool, ...]:
    """As `_FLAGS` names them."""
    told = (facts.is_relevant, facts.is_doubtful, facts.is_repeated, facts.is_extra)
    return (facts.is_unasked, is_open(facts), *told)


def _hear(row: CheckedRow) -> list[int]:
    """What users, system prompts and results say, as hashes of stems in ascending order."""
    messages = row.record.messages
    said = "\n".join(str(one.get("content") or "") for one in messages if one["role"] in _HEARD)
    return sorted({crc32(one.encode()) for one in find_stems(said)})


def is_open(facts: CallFacts) -> bool:
    """Whether nothing leaves by a call, so that only how often its tool is called tells."""
    coded = facts.flow.endswith("code")
    return not (facts.destinations or coded or (facts.flow and facts.is_network))


def spell(destination: Destination) -> str:
    """Kind and text; of a host its last two labels, since those before may carry a message."""
    kind, text = destination
    labels = text.split(".")
    if kind == "host" and len(labels) > 2 and not labels[-1].isdigit():
        text = ".".join(labels[-2:])
    return f"{kind} {text}"


@dataclass
class Calls:
    """What is known of all calls: rows by tool, and rows by tool and destination.

    `doubtful` has for each such row of a tool the only tool that is called beside it, or nothing.
    """

    rows: set[int] = field(default_factory=set)
    by_tool: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    unasked: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    opened: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    sent: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    sent_unasked: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    irrelevant: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    doubtful: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    repeated: set[int] = field(default_factory=set)
    extra: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def is_frequent(self, tool: str) -> bool:
        """Whether more than a fifth of the rows with calls call a tool."""
        return len(self.by_tool[tool]) > _MAX_POLICY_SHARE * len(self.rows)

    def accompanies(self, tool: str) -> bool:
        """Whether most rows call a tool beside others: a log of each request, say."""
        return self.is_frequent(tool) and 2 * len(self.extra[tool]) > len(self.by_tool[tool])

    def is_policy(self, tool: str, smallest: int) -> bool:
        """Whether so many rows call a tool, and nothing leaves by it, that it is meant: a log."""
        return self.is_frequent(tool) and len(self.unasked.get(tool, ())) < smallest


def gather_calls(sketches: Iterable[Mapping[str, np.ndarray]]) -> Calls:
    """The counts of all rows, from what `sketch_calls` kept of them."""
    calls = Calls()
    for sketch in sketches:
        names = [str(name) for name in sketch["names"]]
        numbers, tools = sketch["number"].tolist(), sketch["tool"].tolist()
        flags = zip(*(sketch[name].tolist() for name in _FLAGS), strict=True)
        unasked = sketch["unasked"].tolist()
        alone = zip(sketch["beside_call"].tolist(), sketch["beside"].tolist(), strict=True)
        beside = dict(alone)
        for index, (number, tool, own) in enumerate(zip(numbers, tools, flags, strict=True)):
            _count(calls, number, names[tool], own, beside.get(index, ""))
        for call, text in zip(sketch["call"].tolist(), sketch["text"].tolist(), strict=True):
            calls.sent[names[tools[call]], text].add(numbers[call])
            if unasked[call]:
                calls.sent_unasked[text].add(numbers[call])
    calls.rows = set().union(*calls.by_tool.values())
    return calls


def _count(calls: Calls, number: int, tool: str, flags: tuple[bool, ...], beside: str) -> None:
    is_unasked, is_opened, is_relevant, is_doubtful, is_repeated, is_extra = flags
    calls.by_tool[tool].add(number)
    if not is_relevant:
        calls.irrelevant[tool].add(number)
    if is_doubtful:
        calls.doubtful[tool][number] = beside
    if is_extra:
        calls.extra[tool].add(number)
    if is_repeated:
        calls.repeated.add(number)
    if is_unasked:
        (calls.opened if is_opened else calls.unasked)[tool].add(number)
