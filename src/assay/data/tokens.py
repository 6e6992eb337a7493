"""Records to token sequences with loss masks, none longer than asked; it knows no template itself.

Nothing is cut silently: a record that is too long is listed, dropped and counted, or keeps its end
when the whole of its last trained turn survives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Literal

from assay.chat import ChatTokenizer
from assay.data.asked import Asked
from assay.data.records import Record
from assay.data.render_rows import Rows, render_each
from assay.data.rendered import Content, RenderedRow, RowExample, render_content
from assay.data.sequences import TokenSequence, count_turns, cut_start, keep_end
from assay.errors import DataError, Problem

OnTooLong = Literal["refuse", "drop", "keep_end"]
OnBadRows = Literal["refuse", "drop"]
DropReason = Literal["too_long", "template"]
Render = Callable[[Sequence[Record], ChatTokenizer], Rows]


@dataclass(frozen=True)
class Dropped:
    """A sequence that is not trained on, and why. `num_tokens` is 0 where it was not rendered."""

    record_id: str
    place: str
    reason: DropReason
    num_tokens: int
    detail: str = ""


@dataclass(frozen=True)
class MarkedText:
    """One rendered text and the character spans `[start, end)` of it that are trained."""

    record_id: str
    text: str
    trained_spans: list[tuple[int, int]]


@dataclass(frozen=True)
class Tokenized:
    """All sequences in the order of the records, and what the mask report needs to know.

    `control_texts` maps the place of a record to the control tokens spelled out in its messages;
    `num_unknown_tokens` maps it to how many tokens are the tokenizer's "unknown"; `lost_roles` to
    the roles of its messages that the template leaves out; `lost_tools` are the places of records
    whose offered tools it leaves out. `num_untemplated` counts rows of prompt and completion where
    the base has a template, which is not used for them.
    """

    sequences: list[TokenSequence]
    dropped: list[Dropped]
    num_records: int
    max_seq_len: int
    example: MarkedText | None = None
    control_texts: dict[str, list[str]] = field(default_factory=dict)
    num_unknown_tokens: dict[str, int] = field(default_factory=dict)
    lost_roles: dict[str, list[str]] = field(default_factory=dict)
    lost_tools: list[str] = field(default_factory=list)
    num_untemplated: int = 0

    @property
    def sides(self) -> list[TokenSequence]:
        """Every sequence that is rendered: of a pair both answers after their prompt."""
        return [
            side
            for sequence in self.sequences
            for side in (sequence, sequence.rejected)
            if side is not None
        ]


def tokenize(
    records: Sequence[Record],
    tokenizer: ChatTokenizer,
    *,
    max_seq_len: int,
    on_too_long: OnTooLong,
    on_bad_rows: OnBadRows = "refuse",
    render: Render = render_each,
) -> Tokenized:
    """Render and tokenise records. Pure: the same arguments give the same sequences.

    Args:
        records: of any kind.
        tokenizer: the base's tokenizer and template.
        max_seq_len: longest sequence, in tokens.
        on_too_long: ``refuse`` lists every row that is too long; ``drop`` leaves such sequences
            out; ``keep_end`` keeps the last `max_seq_len` tokens where the whole last trained turn
            and at least one token before it are among them, and drops the rest. An earlier answer
            that the cut divides is kept as context and not trained.
        on_bad_rows: what to do about rows that the template refuses.
        render: renders each record in turn; by default here and now.

    Raises:
        DataError: rows that are too long, or that the template refuses, all of them, located.
        ConfigError: the base has no template and the records are chats.
    """
    run = _Run(tokenizer, max_seq_len, on_too_long)
    with closing(_render_once(records, tokenizer, render)) as rows:
        for record, row in zip(records, rows, strict=True):
            run.add(record, row)
    refused = run.too_long + (run.unrendered if on_bad_rows == "refuse" else [])
    if refused:
        raise DataError(refused)
    return Tokenized(
        sequences=run.sequences,
        dropped=run.dropped,
        num_records=len(records),
        max_seq_len=max_seq_len,
        example=run.example,
        control_texts=run.control_texts,
        num_unknown_tokens=run.unknown,
        lost_roles=run.lost_roles,
        lost_tools=run.lost_tools,
        num_untemplated=_count_untemplated(records, tokenizer),
    )


def _render_once(records: Sequence[Record], tokenizer: ChatTokenizer, render: Render) -> Rows:
    """Each record rendered; one that stands there several times, by its source's weight, once."""
    unique = {id(record): record for record in records}
    with closing(render(list(unique.values()), tokenizer)) as rows:
        if len(unique) == len(records):
            yield from rows
            return
        fresh = zip(unique, rows, strict=True)
        made: dict[int, RenderedRow] = {}
        for record in records:
            while id(record) not in made:
                made.update([next(fresh)])
            yield made[id(record)]


class _Run:
    """What one call of `tokenize` gathers."""

    def __init__(self, tokenizer: ChatTokenizer, max_seq_len: int, on_too_long: OnTooLong) -> None:
        self.tokenizer = tokenizer
        self.max_seq_len = max_seq_len
        self.on_too_long = on_too_long
        self.unknown_id = _find_unknown_id(tokenizer)
        self.eos_ids = frozenset(tokenizer.eos_ids)
        self.sequences: list[TokenSequence] = []
        self.dropped: list[Dropped] = []
        self.example: MarkedText | None = None
        self.control_texts: dict[str, list[str]] = {}
        self.unknown: dict[str, int] = {}
        self.lost_roles: dict[str, list[str]] = {}
        self.lost_tools: list[str] = []
        self.too_long: list[Problem] = []
        self.unrendered: list[Problem] = []

    def add(self, record: Record, row: RenderedRow) -> None:
        place = record.place
        if row.refusals:
            self.unrendered += [record.locate(one) for one in row.refusals]
            detail = "; ".join(one.got for one in row.refusals)
            self.dropped.append(Dropped(record.id, place, "template", 0, detail))
            return
        if row.control_texts:
            self.control_texts[place] = row.control_texts
        if row.lost_roles:
            self.lost_roles[place] = row.lost_roles
        if row.are_tools_lost:
            self.lost_tools.append(place)
        if record.rejected is not None:
            self._add_example(record, place, row.examples[0], 0, rejected=row.examples[1])
            return
        if record.step_labels is not None:
            *steps, whole = row.examples
            self._add_example(record, place, whole, 0, steps=steps)
            return
        for number, example in enumerate(row.examples):
            self._add_example(record, place, example, number)

    def _add_example(
        self,
        record: Record,
        place: str,
        example: RowExample,
        number: int,
        rejected: RowExample | None = None,
        steps: Sequence[RowExample] = (),
    ) -> None:
        whole = build_sequence(record, place, example)
        if record.step_labels is not None:
            own = tuple(build_sequence(record, place, one) for one in steps)
            whole = replace(whole, steps=own, step_labels=tuple(record.step_labels))
        if rejected is not None:
            whole = replace(whole, rejected=build_sequence(record, place, rejected))
        num_tokens = _count_longest(whole)
        sequence = self._shorten(record, whole) if num_tokens > self.max_seq_len else whole
        if sequence is None:
            self.dropped.append(Dropped(record.id, place, "too_long", num_tokens))
            return
        unknown = self.unknown_id
        sides = [one for one in (sequence, sequence.rejected) if one is not None]
        num_unknown = sum(0 if unknown is None else one.input_ids.count(unknown) for one in sides)
        if num_unknown:
            self.unknown[place] = self.unknown.get(place, 0) + num_unknown
        sequence = count_turns(sequence, eos_ids=self.eos_ids)
        if sequence.rejected is not None:
            other = count_turns(sequence.rejected, eos_ids=self.eos_ids)
            sequence = replace(sequence, rejected=other)
        is_shown = sequence.num_turns and not (sequence.is_truncated or sequence.is_anchored)
        if self.example is None and is_shown:
            self.example = _show(record, number, self.tokenizer)
        self.sequences.append(sequence)

    def _shorten(self, record: Record, sequence: TokenSequence) -> TokenSequence | None:
        if self.on_too_long == "refuse":
            problem = Problem(
                f"{_count_longest(sequence)} tokens",
                f"at most {self.max_seq_len} (data.max_seq_len)",
                "shorten the row, raise data.max_seq_len, or set data.on_too_long to drop or "
                "keep_end",
            )
            self.too_long.append(record.locate(problem))
        if self.on_too_long != "keep_end":
            return None
        if sequence.step_labels:
            return _keep_steps(sequence, max_seq_len=self.max_seq_len)
        if sequence.rejected is None:
            return keep_end(sequence, max_seq_len=self.max_seq_len)
        return _keep_ends(sequence, sequence.rejected, max_seq_len=self.max_seq_len)


def _count_longest(sequence: TokenSequence) -> int:
    sides = (sequence, sequence.rejected)
    return max(len(one.input_ids) for one in sides if one is not None)


def _keep_steps(whole: TokenSequence, *, max_seq_len: int) -> TokenSequence | None:
    """Every step's end after the same end of the prompt; None where the answer would be cut."""
    num_tokens = len(whole.input_ids) - max_seq_len
    cut = [cut_start(one, num_tokens=num_tokens) for one in (*whole.steps, whole)]
    kept = [one for one in cut if one is not None]
    return replace(kept[-1], steps=tuple(kept[:-1])) if len(kept) == len(cut) else None


def _keep_ends(
    chosen: TokenSequence, rejected: TokenSequence, *, max_seq_len: int
) -> TokenSequence | None:
    """Both answers with the same end of their prompt; None where one would not survive whole."""
    num_tokens = _count_longest(replace(chosen, rejected=rejected)) - max_seq_len
    ends = [cut_start(one, num_tokens=num_tokens) for one in (chosen, rejected)]
    if ends[0] is None or ends[1] is None:
        return None
    return replace(ends[0], rejected=ends[1])


def _show(record: Record, number: int, tokenizer: ChatTokenizer) -> MarkedText:
    """A rendered sequence of a row; of a pair both, the chosen answer's first."""
    content = Content.of(record)
    text, spans = "", list[tuple[int, int]]()
    for one in (content, content.rejected):
        if one is not None:
            shown = render_content(one, tokenizer).examples[number]
            text += "\n" if text else ""
            spans += [(len(text) + start, len(text) + end) for start, end in shown.trained_spans]
            text += shown.text
    return MarkedText(record.id, text, spans)


def build_sequence(record: Record, place: str, example: RowExample) -> TokenSequence:
    """The whole of an example as a sequence, its turns not yet counted."""
    return TokenSequence(
        input_ids=example.input_ids,
        loss_mask=example.loss_mask,
        record_id=record.id,
        kind=record.kind,
        place=place,
        is_inferred=example.is_inferred,
        num_straddling_tokens=example.num_straddling_tokens,
        is_anchored=record.role == "anchor",
        is_wanted=record.is_wanted,
        asked=Asked.of(record) if record.is_prompt else None,
    )


def _count_untemplated(records: Sequence[Record], tokenizer: ChatTokenizer) -> int:
    return sum(record.kind == "completion" for record in records) if tokenizer.has_template else 0


def _find_unknown_id(tokenizer: ChatTokenizer) -> int | None:
    """The "unknown" token, unless it has another use: GPT-2 names its end of text for it too."""
    unknown = tokenizer.special_id("unk_token")
    others = {*tokenizer.eos_ids, tokenizer.bos_id, tokenizer.pad_id}
    return None if unknown in others else unknown
