"""What the format of a whole set costs: system prompts that repeat, markers, foreign templates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from assay.chat import ChatTokenizer
from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.detectors.format_base import is_ready
from assay.data.curate.finding import Hit, Rule, Span
from assay.data.curate.passages import show
from assay.data.curate.settings import Settings

REPEATED_SYSTEM = Rule(
    "repeated_system",
    "format",
    "info",
    "keep",
    "The same system prompt in row after row: its tokens are read again each time, and the model "
    "learns to need it.",
    options={"min_rows": 1000, "min_ratio": 0.1},
)
MARKER_COST = Rule(
    "marker_cost",
    "format",
    "info",
    "keep",
    "A marker of the user's own, such as ### Ticket:, that the base cuts into many tokens in many "
    "rows.",
    options={"min_rows_ratio": 0.2, "min_tokens": 3, "min_ratio": 0.01},
    needs=("tokenizer",),
)
FOREIGN_TEMPLATE = Rule(
    "foreign_template",
    "format",
    "warning",
    "keep",
    "Raw rows in the marks of a chat template that is not the base's: to the base they are odd "
    "text, and no one token.",
    options={"min_rows_ratio": 0.01},
    needs=("tokenizer",),
)

_SAMPLE_ROWS = 2_000
_MARKER = (
    r"(?m)^(#{1,6} ?[A-Z][A-Za-z ]{0,30}:?|</?[a-zA-Z_]{2,24}>|\[/?[A-Z_ ]{2,24}\]"
    r"|<\|[a-zA-Z_]{2,24}\|>|[A-Z][A-Za-z]{1,14}(?: [A-Za-z]{1,14})?:)(?:[ \n]|$)"
)
_MARKERS = re.compile(_MARKER)
_TEMPLATES = {
    "ChatML": ("<|im_start|>", "<|im_end|>"),
    "Llama 2 and Mistral": ("[INST]", "[/INST]"),
    "Llama 3": ("<|start_header_id|>", "<|eot_id|>"),
    "Gemma": ("<start_of_turn>", "<end_of_turn>"),
    "Zephyr and Phi": ("<|user|>", "<|assistant|>"),
    "DeepSeek": ("<｜User｜>", "<｜Assistant｜>"),
}


def sketch_systems(batch: Batch, settings: Settings) -> Sketch:
    """Digest, rows, first row and characters of each system prompt; and all characters of all."""
    found: dict[bytes, list[int]] = {}
    total = 0
    for row in batch.rows:
        messages = row.record.messages
        total += sum(len(one["content"] or "") for one in messages)
        if messages[0]["role"] in ("system", "developer"):
            text = messages[0]["content"] or ""
            digest = blake2b(text.encode(), digest_size=8).digest()
            found.setdefault(digest, [0, row.number, len(text)])[0] += 1
    counts = np.array(list(found.values()), np.int64).reshape(-1, 3)
    digests = np.frombuffer(b"".join(found), np.uint64)
    return {"digest": digests, "counts": counts, "total": np.array([total], np.int64)}


def find_repeated_systems(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """The system prompts whose repetitions are a good part of the set, at their first row."""
    options = settings[REPEATED_SYSTEM.name].options
    prompts: dict[int, list[int]] = {}
    total = 0
    for one in evidence.sketches():
        total += int(one["total"][0])
        for digest, (rows, first, chars) in zip(one["digest"], one["counts"], strict=True):
            prompts.setdefault(int(digest), [0, int(first), int(chars)])[0] += int(rows)
    for rows, first, chars in prompts.values():
        if rows >= options["min_rows"] and rows * chars >= options["min_ratio"] * total:
            share = rows * chars / total
            told = _describe_cost(evidence, first, chars)
            yield Hit(
                first,
                REPEATED_SYSTEM.name,
                f"the same system prompt of {told} in {rows:,} rows, {share:.0%} of all text;"
                " shorten it, or leave it out of the rows and give it once as data.system",
                Span("messages[0].content", 0, chars, show(_read_system(evidence, first))),
                cluster=f"system-{first}",
            )


def _describe_cost(evidence: Evidence, first: int, chars: int) -> str:
    tokenizer: ChatTokenizer | None = evidence.given.tokenizer
    if tokenizer is None:
        return f"{chars:,} characters"
    return f"{len(tokenizer.encode(_read_system(evidence, first))):,} tokens"


def _read_system(evidence: Evidence, number: int) -> str:
    return str(evidence.rows([number])[number].record.messages[0]["content"])


@dataclass
class Markers:
    """What stands at the beginnings of lines: rows, times and first row of each marker."""

    rows: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    num_rows: int = 0
    num_tokens: int = 0

    def add(self, batch: Batch, tokenizer: ChatTokenizer) -> None:
        """Count the markers and the tokens of a batch."""
        own: dict[int, Counter[str]] = {}
        for text in batch.matching(_MARKER):
            own.setdefault(text.row.number, Counter()).update(_MARKERS.findall(text.text))
        for number, markers in own.items():
            self.rows.update(markers.keys())
            self.times.update(markers)
            self.first = {**dict.fromkeys(markers, number), **self.first}
        self.num_rows += len(batch.rows)
        self.num_tokens += sum(len(tokenizer.encode(one.text)) for one in batch.texts)


def conclude(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Markers of the first 2,000 rows, and foreign templates of all."""
    if settings.is_on(MARKER_COST.name):
        yield from _find_markers(evidence, settings)
    if settings.is_on(FOREIGN_TEMPLATE.name):
        yield from _find_foreign(evidence, settings)


def _find_markers(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    tokenizer: ChatTokenizer = evidence.given.tokenizer
    options = settings[MARKER_COST.name].options
    seen = Markers()
    for batch in evidence.batches():
        seen.add(Batch(batch.rows[: _SAMPLE_ROWS - seen.num_rows]), tokenizer)
        if seen.num_rows >= _SAMPLE_ROWS:
            break
    for marker, count in seen.rows.most_common():
        size, times = len(tokenizer.encode(marker)), seen.times[marker]
        share = size * times / max(1, seen.num_tokens)
        is_usual = count >= max(2, options["min_rows_ratio"] * seen.num_rows)
        if is_usual and size >= options["min_tokens"] and share >= options["min_ratio"]:
            told = (
                f"{marker!r} is {size} tokens of this base and stands {times:,} times in"
                f" {seen.num_rows:,} rows, {share:.1%} of all tokens; base.new_tokens can make it"
                " one, or a shorter one would do"
            )
            yield Hit(seen.first[marker], MARKER_COST.name, told, cluster=f"marker-{marker}")


def _find_foreign(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Templates whose marks raw rows hold and the base has no tokens for, at their first row."""
    tokenizer: ChatTokenizer = evidence.given.tokenizer
    foreign = {
        name: marks
        for name, marks in _TEMPLATES.items()
        if any(len(tokenizer.encode(mark)) > 1 for mark in marks)
    }
    found: dict[str, list[int]] = {}
    num_rows = 0
    for batch in evidence.batches():
        num_rows += len(batch.rows)
        for name, marks in foreign.items():
            pattern = "|".join(re.escape(mark) for mark in marks)
            numbers = {
                text.row.number
                for text in batch.matching(pattern)
                if text.row.record.kind != "chat" and all(one in _whole(text.row) for one in marks)
            }
            found.setdefault(name, []).extend(sorted(numbers))
    least = settings.option(FOREIGN_TEMPLATE.name, "min_rows_ratio") * num_rows
    for name, own in found.items():
        if own and len(own) >= least:
            told = f"{len(own):,} raw rows in the template of {name}, whose marks the base cuts"
            told += " up; give them as chat rows, or choose a base of that template"
            related = tuple(own[1:5])
            yield Hit(own[0], FOREIGN_TEMPLATE.name, told, None, related, f"template-{name}")


def _whole(row: CheckedRow) -> str:
    return "\n".join(one["content"] or "" for one in row.record.messages)


DETECTORS = (
    Detector(
        "format_systems",
        (REPEATED_SYSTEM,),
        sketch=sketch_systems,
        conclude=find_repeated_systems,
        takes=("tokenizer",),
    ),
    Detector("format_set", (MARKER_COST, FOREIGN_TEMPLATE), conclude=conclude, is_ready=is_ready),
)
