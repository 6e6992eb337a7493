"""Rows that do not fit a base: asked of the embedded base's tokenizer, of other templates, of a
tokenizer of whole words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.data.curate import Given
from assay.data.records import canonical_json
from assay.models.base import tiny_folder
from benchmarks.planted.case import Case, Fault, Line, Make, Mark, Row, find, plant
from benchmarks.planted.form_faults import after, answer
from benchmarks.planted.texts import put

CONTEXT = 2_048
FAMILIES = ("format",)
SETS = 30
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] != 'system' %}<|{{ m['role'] }}|>{{ m['content'] }}"
    "<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STRICT = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ m['content'] }}{% endfor %}"
)
SYSTEM = {"role": "system", "content": "You are the desk of a furniture shop."}
MORE = ({"role": "user", "content": "And on Sunday?"}, {"role": "assistant", "content": "No."})
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@cache
def load_given() -> Given:
    """The embedded base's tokenizer and context."""
    return Given(tokenizer=load_chat_tokenizer(tiny_folder()), context_len=CONTEXT)


def _take_template(template: str) -> Given:
    own = load_given()
    return replace(own, tokenizer=replace(own.tokenizer, templates={"default": template}))


def _build_words(clean: Sequence[Row]) -> Given:
    """A tokenizer of the words that the clean rows have, and an unknown token for all others."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    texts = [text for row in clean for text in _list_texts(row)]
    splitter = pre_tokenizers.Whitespace()
    words = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(text))
    known = {word: number for number, word in enumerate(["[UNK]", "[END]", *sorted(words)])}
    backend = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    backend.pre_tokenizer = splitter
    named = {"unk_token": "[UNK]", "eos_token": "[END]"}
    return Given(tokenizer=ChatTokenizer(backend, {}, named, (1,), ()), context_len=10**6)


def _list_texts(row: Row) -> Iterator[str]:
    """All that the rules read of a row."""
    for message in row["messages"]:
        yield message.get("content") or ""
        yield from (call["function"]["arguments"] for call in message.get("tool_calls") or ())
    yield canonical_json(row["tools"]) if row.get("tools") else ""


def _fill(low: int, high: int) -> Make:
    """An answer of sentences of its own until the row has between `low` and `high` tokens."""
    encode = load_given().tokenizer.encode

    def make(row: Row, draw: Random) -> Row | None:
        said = [str(one.get("content") or "") for one in row["messages"]]
        given = [str(one.get("tool_calls") or "") for one in row["messages"]]
        size = sum(len(encode(text)) for text in (*said, *given, str(row.get("tools") or "")))
        if size > 700:
            return None
        sentence = f" Then we counted the oak tables of hall {draw.randrange(10**6)} once more."
        times = (draw.randrange(low, high) - size) // len(encode(sentence))
        return answer(lambda own: own + sentence * times)(row, draw)

    return make


def make_tokens(kind: str, clean: Sequence[Row], count: int) -> Iterator[Case]:
    """Control and reserved tokens in texts, rows beyond the context; and words never seen."""
    faults = [
        *(
            Fault("control_token", mark, put(lambda draw, mark=mark: f"so {mark} it is"))
            for mark in ("<|end|>", "<|user|>", "<|bos|>")
        ),
        Fault("control_token", "in code", after("\n`<|system|>`")),
        Fault("untrained_token", "", put(lambda draw: f"<|reserved_{draw.randrange(5)}|>")),
        Fault("over_context", "", _fill(2_300, 4_000)),
    ]
    twins = [
        Fault("control_token", "of another base", put(lambda draw: "<|im_end|> or [INST]")),
        Fault("control_token", "spaced", put(lambda draw: "< |end| > and |end|")),
        Fault("untrained_token", "", put(lambda draw: "reserved_3 and <reserved>")),
        Fault("over_context", "under it", _fill(1_400, 1_700)),
    ]
    fitting = find(Case("fitting", kind, clean, families=FAMILIES, given=load_given())).rows
    short = [row for place, row in enumerate(clean) if place not in fitting]
    made = plant(short, faults, twins, count=count, seed=f"tokens {kind}")
    yield Case(f"tokens, {kind}", kind, *made, families=FAMILIES, given=load_given())
    unknown = [
        Fault(
            "unknown_token", "word", put(lambda draw: f"zq{draw.randrange(10**6)}x", place="answer")
        ),
        Fault("unknown_token", "emoji", put(lambda draw: "🪑", place="question")),
    ]
    known = [Fault("unknown_token", "known words", append(*_find_plain(clean)["messages"]))]
    made = plant(clean, unknown, known, count=count, seed=f"unknown {kind}")
    only = dict.fromkeys(("control_token", "untrained_token"), "off")
    words = _build_words(clean)
    yield Case(f"unknown, {kind}", kind, *made, families=FAMILIES, given=words, rules=only)


def make_templates(kind: str, clean: Sequence[Row], count: int) -> Iterator[Case]:
    """What a template leaves out or refuses, in rows of two turns without tools."""
    plain = [row for row in clean if _is_plain(row)]
    if len(plain) < 10 * count:
        return
    system, more = insert_first(SYSTEM), append(*MORE)
    for rule, template, fault, twin in (
        ("message_not_rendered", NO_SYSTEM, system, more),
        ("tools_not_rendered", NO_SYSTEM, lambda row, draw: {**row, "tools": [TOOL]}, more),
        ("template_refuses", STRICT, system, more),
        ("template_refuses", STRICT, append(MORE[1]), more),
    ):
        made = plant(
            plain, [Fault(rule, "", fault)], [Fault(rule, "more turns", twin)], count=count,
            seed=f"{rule} {kind}",
        )  # fmt: skip
        given = _take_template(template)
        yield Case(f"{rule}, {kind}", kind, *made, families=FAMILIES, given=given)


def _find_plain(clean: Sequence[Row]) -> Row:
    return next((row for row in clean if _is_plain(row)), {"messages": []})


def _is_plain(row: Row) -> bool:
    return [one["role"] for one in row["messages"]] == ["user", "assistant"] and not row.get(
        "tools"
    )


def insert_first(*messages: Row) -> Make:
    """Messages before all others."""
    return lambda row, draw: {**row, "messages": [*messages, *row["messages"]]}


def append(*messages: Row) -> Make:
    """Messages after all others."""
    return lambda row, draw: {**row, "messages": [*row["messages"], *messages]}


FOREIGN = {
    "ChatML": "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>",
    "Llama 2": "[INST] {} [/INST] {}",
    "Llama 3": "<|start_header_id|>user<|end_header_id|>\n{}<|eot_id|>{}<|eot_id|>",
    "Gemma": "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n{}<end_of_turn>",
    "DeepSeek": "<｜User｜>{}<｜Assistant｜>{}",
}
OWN = {"its own": "<|user|>{}<|end|><|assistant|>{}<|end|>", "none": "{}\n\n{}"}
MARKERS = ("### Ticket Number:", "[CUSTOMER_MESSAGE]", "<customer_message>")


def make_format_sets(num_sets: int = SETS) -> Iterator[Case]:
    """Sets with one habit each, and sets that only look like it; every trial is a set."""
    from benchmarks.planted.desk import draw_desk_rows

    for number in range(num_sets):
        rows = draw_desk_rows(200, seed=1_000 + number)
        draw = Random(f"format {number}")
        for rule, is_twin, strength, lines, rules in _draw_habits(rows, draw, number):
            mark = Mark(rule, strength)
            yield Case(
                f"{rule}{' twin' if is_twin else ''}, set {number}", "desk", lines,
                families=FAMILIES, given=load_given(), rules=rules,
                **{"whole_twin" if is_twin else "whole": mark},
            )  # fmt: skip


def _draw_habits(
    rows: Sequence[Row], draw: Random, number: int
) -> Iterator[tuple[str, bool, str, list[Line], dict[str, Any]]]:
    own = [one for one in rows if one["messages"][0]["role"] == "user"]
    for is_twin, templates in ((False, FOREIGN), (True, OWN)):
        name = list(templates)[number % len(templates)]
        lines = [_write(row, templates[name]) for row in rows[:60]]
        yield "foreign_template", is_twin, name, lines, {}
    marker = MARKERS[number % len(MARKERS)]
    for is_twin, share in ((False, 0.4), (True, 0.08)):
        lines = [_mark(row, marker) if draw.random() < share else row for row in own]
        yield "marker_cost", is_twin, f"in {share:.0%}", lines, {}
    prompt = {
        "role": "system",
        "content": "You are the desk of a bank in Riga. " * draw.randint(8, 20),
    }
    few = {"repeated_system": {"min_rows": 50}}
    for is_twin in (False, True):
        lines = []
        for n, row in enumerate(own * 2):
            text = f"{n}. {prompt['content']}" if is_twin else prompt["content"]
            lines.append({**row, "messages": [{**prompt, "content": text}, *row["messages"]]})
        yield "repeated_system", is_twin, "each another" if is_twin else "", lines, few


def _write(row: Row, template: str) -> Row:
    asked = next(one["content"] for one in row["messages"] if one["role"] == "user")
    return {"text": template.format(asked, row["messages"][-1].get("content") or "Done.")}


def _mark(row: Row, marker: str) -> Row:
    first, *others = row["messages"]
    return {**row, "messages": [{**first, "content": f"{marker}\n{first['content']}"}, *others]}
