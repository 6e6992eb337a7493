"""A row's content as tokens, and such rows as bytes; it knows no file, split or length limit.

A row's rendering is decided by its content, the tokenizer and the template alone. So it can be made
in another process, and kept from one run to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from assay.chat import (
    ChatTokenizer,
    RenderedConversation,
    are_tools_lost,
    find_control_texts,
    find_lost_messages,
    render_completion,
    render_conversation,
    render_plain,
    render_prompt,
    render_text,
)
from assay.data.arrows import build_table
from assay.data.records import Kind, Message, Record
from assay.data.step_rows import list_prefixes
from assay.errors import DataError, Problem


class Content(NamedTuple):
    """What of a record is rendered."""

    kind: Kind
    messages: list[Message]
    tools: list[dict[str, Any]] | None
    rejected_messages: list[Message] | None = None
    num_labels: int = 0

    @classmethod
    def of(cls, record: Record) -> Content:
        other = record.rejected_messages or None
        labels = len(record.step_labels or ())
        return cls(record.kind, record.messages, record.tools, other, labels)

    @property
    def is_prompt(self) -> bool:
        """Whether the row ends where the model is to go on."""
        return bool(self.messages) and self.messages[-1].get("role") != "assistant"

    @property
    def rejected(self) -> Content | None:
        """The row with its rejected answer, None where it has none."""
        if self.rejected_messages is None:
            return None
        return Content(self.kind, self.rejected_messages, self.tools)


@dataclass(frozen=True)
class RowExample:
    """One sequence of a row, whole: T token ids and T loss weights."""

    input_ids: list[int]
    loss_mask: list[float]
    is_inferred: bool
    num_straddling_tokens: int


@dataclass(frozen=True)
class RenderedRow:
    """The sequences of a row, or why the template refuses it (problems without a place).

    Of a row of preference they are two: prompt and chosen answer, prompt and rejected answer. Of
    one whose steps are judged they are one for each: prompt, and answer up to the step's end.
    `control_texts` are control tokens spelled out in its messages; `lost_roles` the roles of the
    messages, and `are_tools_lost` whether the tools, that the template leaves out.
    """

    examples: list[RowExample]
    control_texts: list[str]
    lost_roles: list[str]
    are_tools_lost: bool
    refusals: list[Problem]


def render_row(content: Content, tokenizer: ChatTokenizer) -> RenderedRow:
    """Render and tokenise one row.

    Raises:
        ConfigError: the base has no template and the row is a chat.
    """
    if content.rejected is not None:
        return _render_pair(content, content.rejected, tokenizer)
    if content.num_labels:
        return _render_steps(content, tokenizer)
    if content.is_prompt:
        return _render_prompt(content, tokenizer)
    try:
        rendered = render_content(content, tokenizer)
    except DataError as error:
        return RenderedRow([], [], [], False, error.problems)
    kind, messages, tools = content[:3]
    is_chat = kind == "chat"
    lost = find_lost_messages(messages, rendered.text) if is_chat else []
    return RenderedRow(
        [
            RowExample(
                example.input_ids,
                example.loss_mask,
                example.boundary == "inferred",
                len(example.straddling),
            )
            for example in rendered.examples
        ],
        control_texts=find_control_texts(tokenizer, messages),
        lost_roles=[messages[index]["role"] for index in lost],
        are_tools_lost=is_chat and are_tools_lost(tokenizer, messages, tools, rendered.text),
        refusals=[],
    )


def _render_prompt(content: Content, tokenizer: ChatTokenizer) -> RenderedRow:
    """A prompt up to where the model goes on, of which no token is trained."""
    kind, messages, tools = content[:3]
    lost: list[int] = []
    lost_tools = False
    try:
        if kind == "chat":
            ids = render_prompt(tokenizer, messages, tools=tools)
            text = render_text(tokenizer, messages, tools=tools)
            lost = find_lost_messages(messages, text)
            lost_tools = are_tools_lost(tokenizer, messages, tools, text)
        else:
            ids = [*tokenizer.prefix_ids, *tokenizer.encode(messages[0]["content"])]
    except DataError as error:
        return RenderedRow([], [], [], False, error.problems)
    return RenderedRow(
        [RowExample(ids, [0.0] * len(ids), is_inferred=False, num_straddling_tokens=0)],
        control_texts=find_control_texts(tokenizer, messages),
        lost_roles=[messages[index]["role"] for index in lost],
        are_tools_lost=lost_tools,
        refusals=[],
    )


def _render_pair(chosen: Content, rejected: Content, tokenizer: ChatTokenizer) -> RenderedRow:
    """Both answers, each of one sequence after the same prompt."""
    rows = [
        render_row(one._replace(rejected_messages=None), tokenizer) for one in (chosen, rejected)
    ]
    refusals = [problem for row in rows for problem in row.refusals]
    if not refusals and any(len(row.examples) > 1 for row in rows):
        refusals.append(
            Problem(
                "answers of several turns, of which the template renders the earlier ones otherwise"
                " once the conversation goes on",
                "chosen and rejected answers of one assistant message",
                "keep the last assistant message alone as the answer, and the others as the prompt",
            )
        )
    both = rows[0]
    return RenderedRow(
        [] if refusals else [row.examples[0] for row in rows],
        list(dict.fromkeys(text for row in rows for text in row.control_texts)),
        list(dict.fromkeys(role for row in rows for role in row.lost_roles)),
        both.are_tools_lost,
        list(dict.fromkeys(refusals)),
    )


def _render_steps(content: Content, tokenizer: ChatTokenizer) -> RenderedRow:
    """The answer up to each step's end, each as if it ended there, after the same prompt."""
    *before, answer = content.messages
    prefixes = list_prefixes(answer["content"])
    rows = [
        render_row(
            content._replace(messages=[*before, {**answer, "content": one}], num_labels=0),
            tokenizer,
        )
        for one in prefixes
    ]
    refusals = [problem for row in rows for problem in row.refusals]
    if not refusals and len(rows) != content.num_labels:
        got = f"{content.num_labels} labels for {len(rows)} steps"
        refusals.append(Problem(got, "a label for each step", "label its steps anew"))
    if not refusals and any(len(row.examples) > 1 for row in rows):
        got = "a conversation of which the template renders earlier answers otherwise later on"
        refusals.append(Problem(got, "a prompt without answers", "leave earlier answers out"))
    if refusals:
        return RenderedRow([], [], [], False, list(dict.fromkeys(refusals)))
    return replace(rows[-1], examples=[row.examples[0] for row in rows])


def render_content(content: Content, tokenizer: ChatTokenizer) -> RenderedConversation:
    """A row's text and examples by its kind. Raises what `assay.chat` does, without a place."""
    kind, messages, tools = content[:3]
    if kind == "chat":
        return render_conversation(tokenizer, messages, tools=tools)
    if kind == "text":
        example = render_plain(tokenizer, messages[0]["content"])
    else:
        prompt, answer = (message["content"] for message in messages)
        example = render_completion(tokenizer, prompt, answer)
    return RenderedConversation(example.text, [example])


def encode_rows(rows: Sequence[RenderedRow]) -> bytes:
    """Rows as an Arrow stream, compressed."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        name: [[getattr(example, name) for example in row.examples] for row in rows]
        for name in RowExample.__dataclass_fields__
    }
    for name in ("control_texts", "lost_roles", "are_tools_lost"):
        columns[name] = [getattr(row, name) for row in rows]
    columns["refusals"] = [[asdict(problem) for problem in row.refusals] for row in rows]
    table = build_table(columns, _schema())
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def decode_rows(content: bytes) -> list[RenderedRow]:
    """What `encode_rows` made, equal to the last bit."""
    import pyarrow as pa

    (batch,) = pa.ipc.open_stream(content)
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    fields = [
        _read_lists(columns["input_ids"], lambda part: _read_lists(part, _read_numbers("i"))),
        _read_lists(columns["loss_mask"], lambda part: _read_lists(part, _read_numbers("d"))),
        _read_lists(columns["is_inferred"], _read_numbers("b")),
        _read_lists(columns["num_straddling_tokens"], _read_numbers("i")),
    ]
    rest = zip(
        columns["control_texts"].to_pylist(),
        columns["lost_roles"].to_pylist(),
        _read_numbers("b")(columns["are_tools_lost"]),
        columns["refusals"].to_pylist(),
        strict=True,
    )
    return [
        RenderedRow(
            [
                RowExample(ids, mask, bool(is_inferred), num_straddling)
                for ids, mask, is_inferred, num_straddling in zip(*examples, strict=True)
            ],
            controls,
            roles,
            bool(lost),
            [Problem(**problem) for problem in refusals],
        )
        for examples, (controls, roles, lost, refusals) in zip(
            zip(*fields, strict=True), rest, strict=True
        )
    ]


def _schema() -> Any:
    import pyarrow as pa

    problem = pa.struct([(name, pa.string()) for name in ("got", "allowed", "do", "key")])
    return pa.schema(
        [
            ("input_ids", pa.list_(pa.list_(pa.int32()))),
            ("loss_mask", pa.list_(pa.list_(pa.float64()))),
            ("is_inferred", pa.list_(pa.int8())),
            ("num_straddling_tokens", pa.list_(pa.int32())),
            ("control_texts", pa.list_(pa.string())),
            ("lost_roles", pa.list_(pa.string())),
            ("are_tools_lost", pa.int8()),
            ("refusals", pa.list_(problem)),
        ]
    )


def _read_lists(array: Any, read: Any) -> list[Any]:
    """Lists out of an Arrow list array; `read` reads its members. Much faster than `to_pylist`."""
    members = read(array.values)
    return [members[start:end] for start, end in pairwise(_read_buffer(array, "i", more=1))]


def _read_numbers(code: str) -> Any:
    return lambda array: _read_buffer(array, code)


def _read_buffer(array: Any, code: str, *, more: int = 0) -> list[Any]:
    """The numbers of an array's second buffer: its values, or one more of a list's offsets."""
    buffer: Any = array.buffers()[1]
    if not len(array) or buffer is None:
        return []
    numbers: Any = memoryview(buffer)
    start = array.offset
    found: list[Any] = numbers.cast(code)[start : start + len(array) + more].tolist()
    return found
