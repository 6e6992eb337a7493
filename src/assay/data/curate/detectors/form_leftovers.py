"""What other programs left in a text: marks of templates, phrases of assistants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from assay.data.curate.batch import Batch, Text
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.passages import (
    ANSWERS,
    MESSAGES,
    Passage,
    TextRule,
    blank_code,
    message_index,
    read_context,
    scan_texts,
)
from assay.data.curate.settings import Settings

TEMPLATE_MARK = Rule(
    "template_mark",
    "form",
    "warning",
    "drop",
    "A mark of some chat template inside a text, such as <|im_start|>, [INST] or ### Instruction: "
    "the row was rendered once already, and would be rendered again.",
)
ASSISTANT_PHRASE = Rule(
    "assistant_phrase",
    "form",
    "warning",
    "drop",
    "A phrase by which another model speaks of itself, such as `As an AI language model`.",
)
CHAT_FILLER = Rule(
    "chat_filler",
    "form",
    "info",
    "repair",
    "Words around the answer that say nothing, such as `Sure, here is …` or `I hope this helps!`.",
)
_MARK = (
    r"<\|[a-zA-Z_][a-zA-Z0-9_ ]{0,40}\|>|<｜[^｜\n]{1,40}｜>|\[/?INST\]|<</?SYS>>|</s>|^<s>"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|\[(?:PAD|UNK|CLS|SEP|BOS|EOS)\]"
    r"|\[/?(?:TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS)\]"
    r"|(?m:^)### (?:Instruction|Response|Input|Human|Assistant|User|System): ?"
    r"|(?m:^)(?:USER|ASSISTANT|Human|Assistant): "
)
_MARKS = re.compile(_MARK)
_SPEAKER = re.compile(r"(?:USER|ASSISTANT|Human|Assistant): ")
_MODEL = r"(?:ai|a\.i\.|artificial intelligence|large language|language)"
_PHRASE = (
    rf"(?i:\b(?:as|i am|i(?:'|’)?m)(?: just| only)? an? {_MODEL}\b"
    r"|\bmy (?:knowledge cut-?off|training data)\b|\b(?:trained|developed|created) by openai\b)"
)
_PHRASES = re.compile(
    r"(?i)\bas an? (?:(?:ai|a\.i\.|artificial intelligence)(?: language)?(?: model| assistant"
    r"| chatbot| system)?|(?:large )?language model),? (?:developed|created|trained|i|my|it is)\b"
    r"|\b(?:i am|i['’]?m) (?:just |only )?an? (?:(?:ai|artificial intelligence)(?: language)?"
    r"(?: model| assistant| chatbot)?|(?:large )?language model)(?=[ ,.;!]|$)"
    r"(?! (?:researcher|engineer|expert|scientist|student|developer|company|professor|fan))"
    r"|\bmy (?:knowledge cut-?off|training data)\b|\b(?:trained|developed|created) by openai\b"
)
_ABOUT_AI = re.compile(
    r"(?i)\b(?:ai|a\.i\.|artificial intelligence|language models?|llms?|chat-?gpt|openai"
    r"|chat-?bots?|robots?|bot|human|machine|real person|who are you|what are you|yourself)\b"
)
_FILLER = (
    r"(?i:^\s*(?:sure|certainly|of course|absolutely|great question)\b"
    r"|\bi hope (?:this|that) helps|\bhope this helps)"
)
_OPENING = re.compile(
    r"(?i)^\s*(?:great question[!.,]? +)?(?:sure|certainly|of course|absolutely)(?: thing)?[,!.]? +"
    r"here(?:['’]s| is| are)\b[^\n.:]{0,120}[:.]\s*"
    r"|^\s*great question[!.]\s+"
)
_CLOSING = re.compile(r"(?i)\s{0,20}\b(?:i )?hope (?:this|that) helps(?: you)?(?: out)?[!.]*\s*$")


def find_marks(text: Text) -> Iterator[Passage]:
    """All marks outside code, as one passage.

    Plain text and raw prompts have marks of their own, so only an answer that goes on with another
    turn is looked at there.
    """
    kind = text.row.record.kind
    if kind == "text" or (kind == "completion" and text.role != "assistant"):
        return
    found = [one for one in _MARKS.finditer(blank_code(text.text)) if not _is_strike(one, text)]
    speakers = {one[0] for one in found if _SPEAKER.fullmatch(one[0])}
    marks = [one for one in found if one[0] not in speakers or len(speakers) > 1]
    if marks:
        shown = ", ".join(dict.fromkeys(one[0].strip() for one in marks[:5]))
        yield Passage(*marks[0].span(), f"{len(marks)} marks of a chat template: {shown}")


def _is_strike(match: re.Match[str], text: Text) -> bool:
    """Whether ``<s>`` or ``</s>`` belongs to a strike-through of HTML."""
    before, after = text.text[: match.start()], text.text[match.end() :]
    if match[0] == "<s>":
        return bool(after.partition("</s>")[2].strip())
    return match[0] == "</s>" and "<s>" in before and bool(after.strip())


def find_phrases(text: Text) -> Iterator[Passage]:
    """The first phrase, unless it is quoted or was asked for."""
    found = _PHRASES.search(blank_code(text.text))
    if found is None or text.row.record.kind == "text":
        return
    is_quoted = text.text[: found.start()][-1:] in {'"', "“", "«", "'", "‘"}
    if not is_quoted and not _ABOUT_AI.search(read_context(text.row, message_index(text))):
        yield Passage(*found.span(), "the answer speaks of itself as a model, which nobody asked")


def find_filler(text: Text) -> Iterator[Passage]:
    """A first sentence that announces the answer, and a last one that hopes."""
    for pattern, words in ((_OPENING, "begins"), (_CLOSING, "ends")):
        found = pattern.search(text.text)
        if found and len(found[0]) < len(text.text.strip()):
            yield Passage(*found.span(), f"the answer {words} with words that say nothing", "")


RULES = (
    TextRule(TEMPLATE_MARK, MESSAGES - {"tool"}, _MARK, find_marks),
    TextRule(ASSISTANT_PHRASE, ANSWERS, _PHRASE, find_phrases),
    TextRule(CHAT_FILLER, ANSWERS, _FILLER, find_filler),
)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Hits of the rules of this module."""
    return scan_texts(RULES, batch, settings)


DETECTORS = (Detector("form_leftovers", tuple(one.rule for one in RULES), scan=scan),)
