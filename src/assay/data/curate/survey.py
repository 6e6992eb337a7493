"""What a report shows of the rows themselves: their lengths, where they come from, some in full.

One reading of the data, in bounded memory: lengths are two numbers a row, and the rows that are
kept are named before.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from assay.chat.messages import message_weight
from assay.data.curate.batch import CheckedRow
from assay.data.curate.check import Checked
from assay.data.curate.detectors.provenance import read_provenance
from assay.data.curate.parts import ReadRow
from assay.data.records import Message, Record
from assay.data.rendered import Content, render_row
from assay.errors import DataError

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer

MAX_TOKENISED = 1_000
"""Training rows whose tokens are counted for the histograms."""
MAX_ORIGINS = 200


class Origin(NamedTuple):
    """What rows say of where they come from; empty where they do not say it."""

    file: str
    source: str
    licence: str
    consent: str


@dataclass(frozen=True)
class KeptRow:
    """A row that is shown in full, and the part that it is of."""

    part: str
    record: Record


@dataclass
class Survey:
    """What was seen of the rows.

    Attributes:
        lengths: ``prompt`` and ``answer`` to the characters of each training row, and with a
            tokenizer ``tokens`` and ``trained`` to the tokens of each that was drawn.
        num_training: training rows that could be read.
        origins: training rows of each file, source, licence and consent; ``num_origins`` of them
            are different, of which the most frequent are kept.
        rows: the rows that were asked for, by number.
    """

    lengths: dict[str, Sequence[int]] = field(default_factory=dict)
    num_training: int = 0
    origins: dict[Origin, int] = field(default_factory=dict)
    num_origins: int = 0
    rows: dict[int, KeptRow] = field(default_factory=dict)


def survey_rows(
    rows: Iterable[ReadRow],
    checked: Checked,
    *,
    wanted: Mapping[int, str],
    tokenizer: ChatTokenizer | None = None,
    num_tokenised: int = MAX_TOKENISED,
    seed: int = 0,
) -> Survey:
    """Look at every row once, in the order in which they were checked.

    Args:
        wanted: numbers of the rows to keep, and their places, which are compared: rows of other
            data are not shown.
        num_tokenised: training rows at most whose tokens are counted, drawn by `seed`.
    """
    prompts, answers = array("q"), array("q")
    drawn = _draw(checked.num_rows.get("train", 0), num_tokenised, seed) if tokenizer else set()
    sample: list[Record] = []
    origins: Counter[Origin] = Counter()
    kept: dict[int, KeptRow] = {}
    for number, read in enumerate(rows):
        record = read.record
        if record is None:
            continue
        if wanted.get(number) == record.place:
            kept[number] = KeptRow(read.part, record)
        if read.part != "train":
            continue
        if len(prompts) in drawn:
            sample.append(record)
        prompt, answer = count_characters(record)
        prompts.append(prompt)
        answers.append(answer)
        origins[_origin(record)] += 1
    lengths: dict[str, Sequence[int]] = {"prompt": prompts, "answer": answers}
    if tokenizer is not None:
        lengths |= count_tokens(sample, tokenizer)
    most = dict(origins.most_common(MAX_ORIGINS))
    return Survey(lengths, len(prompts), most, len(origins), kept)


def count_characters(record: Record) -> tuple[int, int]:
    """Characters that are read alone, and characters that are trained."""
    read = trained = 0
    for message in record.messages:
        count = _count_message(message)
        if is_trained(record, message):
            trained += count
        else:
            read += count
    return read, trained


def is_trained(record: Record, message: Message) -> bool:
    """Whether the loss trains this message; exact borders are the template's affair."""
    if message["role"] != "assistant" or record.role == "anchor":
        return False
    try:
        return message_weight(message) > 0
    except DataError:
        return False


def count_tokens(records: Iterable[Record], tokenizer: ChatTokenizer) -> dict[str, list[int]]:
    """Tokens and trained tokens of each row that the template takes."""
    tokens, trained = [], []
    for record in records:
        examples = render_row(Content.of(record), tokenizer).examples
        if examples:
            tokens.append(sum(len(one.input_ids) for one in examples))
            trained.append(sum(weight > 0 for one in examples for weight in one.loss_mask))
    return {"tokens": tokens, "trained": trained}


def _count_message(message: Message) -> int:
    texts = [message.get("content"), message.get("reasoning_content")]
    for call in message.get("tool_calls") or ():
        texts += [call["function"]["name"], call["function"]["arguments"]]
    return sum(len(text) for text in texts if isinstance(text, str))


def _origin(record: Record) -> Origin:
    known = read_provenance(CheckedRow(0, "train", record)) if record.extra else {}
    told = (known.get(name, "")[:200] for name in ("source", "licence", "consent"))
    return Origin(record.file, *told)


def _draw(total: int, most: int, seed: int) -> Collection[int]:
    return set(random.Random(seed).sample(range(total), min(total, most)))
