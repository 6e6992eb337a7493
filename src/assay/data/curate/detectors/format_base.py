"""How rows fit the chosen base: its tokens, its template, its context. No model is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from assay.chat import ChatTokenizer
from assay.data.curate.batch import Batch, CheckedRow, iterate_texts
from assay.data.curate.detector import Detector, Evidence, Given
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.passages import mark
from assay.data.curate.settings import Settings
from assay.data.rendered import Content, render_content, render_row
from assay.errors import ConfigError, DataError

CONTROL_TOKEN = Rule(
    "control_token",
    "format",
    "error",
    "drop",
    "A message that spells a control token of the base: it would forge the border of a turn.",
    needs=("tokenizer",),
)
UNTRAINED_TOKEN = Rule(
    "untrained_token",
    "format",
    "warning",
    "keep",
    "Text that becomes a reserved or unused token, which the base never saw: its row of the "
    "embedding is noise.",
    needs=("tokenizer",),
)
UNKNOWN_TOKEN = Rule(
    "unknown_token",
    "format",
    "error",
    "keep",
    "Text that the base's tokenizer cannot write, and replaces by its unknown token.",
    needs=("tokenizer",),
)
TEMPLATE_REFUSES = Rule(
    "template_refuses",
    "format",
    "error",
    "drop",
    "A conversation that the base's chat template refuses.",
    needs=("tokenizer",),
)
MESSAGE_NOT_RENDERED = Rule(
    "message_not_rendered",
    "format",
    "error",
    "keep",
    "A message, such as a system prompt, that the base's chat template leaves out.",
    needs=("tokenizer",),
)
TOOLS_NOT_RENDERED = Rule(
    "tools_not_rendered",
    "format",
    "error",
    "keep",
    "Tools that the base's chat template leaves out: the model would learn to call what it is not "
    "shown.",
    needs=("tokenizer",),
)
OVER_CONTEXT = Rule(
    "over_context",
    "format",
    "warning",
    "drop",
    "A row of more tokens than the base can read at once.",
    needs=("tokenizer",),
)
RULES = (
    CONTROL_TOKEN,
    UNTRAINED_TOKEN,
    UNKNOWN_TOKEN,
    TEMPLATE_REFUSES,
    MESSAGE_NOT_RENDERED,
    TOOLS_NOT_RENDERED,
    OVER_CONTEXT,
)

_TURN_BYTES = 256
_RESERVED = re.compile(
    r"(?i)reserved|unused|extra_id|dummy|placeholder|<\|?blank|special_token_?\d"
)


def is_ready(given: Given, settings: Settings) -> str | None:
    """Why the base cannot be asked, or None."""
    return None if given.tokenizer is not None else "no base is named (--base)"


@dataclass(frozen=True)
class BaseTokens:
    """What of a base's tokenizer these rules ask for."""

    tokenizer: ChatTokenizer
    context_len: int | None

    @cached_property
    def reserved(self) -> tuple[str, ...]:
        """Texts of added tokens that are named as nobody's."""
        added = self.tokenizer.backend.get_added_tokens_decoder().values()
        return tuple(sorted(one.content for one in added if _RESERVED.search(one.content)))

    @cached_property
    def controls(self) -> tuple[str, ...]:
        """Texts of control tokens that are in use."""
        return tuple(one for one in self.tokenizer.control_texts if one not in self.reserved)

    @cached_property
    def unknown_id(self) -> int | None:
        """The unknown token, unless it is the end of a text too, as in GPT-2."""
        unknown = self.tokenizer.special_id("unk_token")
        others = {*self.tokenizer.eos_ids, self.tokenizer.bos_id, self.tokenizer.pad_id}
        return None if unknown in others else unknown


def conclude(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """All rows again, each asked of the base."""
    base = BaseTokens(evidence.given.tokenizer, evidence.given.context_len)
    seen: dict[tuple[object, ...], list[tuple[str, str]]] = {}
    for batch in evidence.batches():
        if settings.is_on(CONTROL_TOKEN.name):
            yield from _find_spelled(batch, base.controls, CONTROL_TOKEN, chats_only=True)
        if settings.is_on(UNTRAINED_TOKEN.name):
            yield from _find_spelled(batch, base.reserved, UNTRAINED_TOKEN, chats_only=False)
        for row in batch.rows:
            for rule, told in _find_lost(row, base, seen):
                yield Hit(row.number, rule, told)
            yield from _find_tokens(row, base)


def _find_spelled(
    batch: Batch, tokens: tuple[str, ...], rule: Rule, *, chats_only: bool
) -> Iterator[Hit]:
    """Texts that hold one of `tokens`; raw rows may hold control tokens on purpose."""
    if not tokens:
        return
    pattern = "|".join(re.escape(one) for one in sorted(tokens, key=len, reverse=True))
    spelled = re.compile(pattern)
    for text in batch.matching(pattern):
        if chats_only and text.row.record.kind != "chat":
            continue
        found = [match.span() for match in spelled.finditer(text.text)]
        names = ", ".join(dict.fromkeys(text.text[start:end] for start, end in found))
        told = f"the text becomes {len(found)} of the base's own tokens: {names}"
        yield Hit(text.row.number, rule.name, told, mark(text, *found[0]))


def _find_lost(
    row: CheckedRow, base: BaseTokens, seen: dict[tuple[object, ...], list[tuple[str, str]]]
) -> list[tuple[str, str]]:
    """What the template leaves out of a chat; rows of the same roles and kinds fare alike."""
    record = row.record
    if record.kind != "chat" or not base.tokenizer.has_template:
        return []
    roles = tuple((one["role"], bool(one.get("tool_calls"))) for one in record.messages)
    signature = (roles, bool(record.tools))
    if signature not in seen:
        seen[signature] = _ask_template(row, base)
    return seen[signature]


def _ask_template(row: CheckedRow, base: BaseTokens) -> list[tuple[str, str]]:
    try:
        rendered = render_row(Content.of(row.record), base.tokenizer)
    except ConfigError as error:
        return [(TEMPLATE_REFUSES.name, error.problems[0].got)]
    if rendered.refusals:
        return [(TEMPLATE_REFUSES.name, rendered.refusals[0].got)]
    lost = ", ".join(dict.fromkeys(rendered.lost_roles))
    found = [(MESSAGE_NOT_RENDERED.name, f"the template leaves the {lost} out")] if lost else []
    if rendered.are_tools_lost:
        found.append((TOOLS_NOT_RENDERED.name, "the template leaves the offered tools out"))
    return found


def _find_tokens(row: CheckedRow, base: BaseTokens) -> Iterator[Hit]:
    """Tokens of a row, counted only where they can be too many or unknown."""
    limit, texts = base.context_len, [one.text for one in iterate_texts(row)]
    # No token stands for less than a byte, and a template writes little around a message.
    most = sum(len(text.encode()) + _TURN_BYTES for text in texts)
    if limit is not None and most > limit and (count := _count_tokens(row, base)) > limit:
        yield Hit(row.number, OVER_CONTEXT.name, f"{count:,} tokens, the base reads {limit:,}")
    if base.unknown_id is not None:
        ids = [one for text in texts for one in base.tokenizer.encode(text)]
        if unknown := ids.count(base.unknown_id):
            yield Hit(row.number, UNKNOWN_TOKEN.name, f"{unknown} unknown tokens")


def _count_tokens(row: CheckedRow, base: BaseTokens) -> int:
    """Tokens of the whole row as it is rendered; 0 where the template refuses it."""
    try:
        text = render_content(Content.of(row.record), base.tokenizer).text
    except (ConfigError, DataError):
        return 0
    return len(base.tokenizer.encode(text))


DETECTORS = (Detector("format_base", RULES, conclude=conclude, is_ready=is_ready),)
