"""Text that only an adversary would write: messages in code, and orders inside of documents."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from urllib.parse import unquote

from assay.data.curate.batch import Batch, Text
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule, Span, shorten
from assay.data.curate.settings import Settings

ENCODED_TEXT = Rule(
    "encoded_text",
    "poison",
    "warning",
    "drop",
    "Base64, hexadecimal, binary, percent or rot13 code that reads as text or a program, in a row "
    "that does not speak of codes.",
    options={"min_chars": 16},
)
INSTRUCTION_IN_TOOL_RESULT = Rule(
    "instruction_in_tool_result",
    "poison",
    "warning",
    "drop",
    "A tool's result or description, or a document in a prompt, that gives the model orders: a row "
    "that obeys them teaches to obey anybody.",
)

_BASE64 = r"[A-Za-z0-9+/_-]{20,}={0,2}"
_HEX = r"(?:\\x|0x)?(?:[0-9A-Fa-f]{2}[ :,]?(?:\\x|0x)?){15,}[0-9A-Fa-f]{2}"
# One run first: a number or the end of a word beside it would be taken for more of its bytes.
_HEX_RUN = rf"(?<![0-9A-Za-z])(?:(?:0x)?(?:[0-9A-Fa-f]{{2}}){{16,}}(?![0-9A-Za-z])|{_HEX})"
_BINARY = r"(?:[01]{8} ?){8,}"
_PERCENT = r"(?:[A-Za-z0-9._-]{0,20}%[0-9A-Fa-f]{2}){8,}[A-Za-z0-9._-]*"
# the, and, that, you, with, this, are, from, what in rot13; none is a word of a large language.
_ROT13 = r"\b(?:gur|naq|gung|lbh|jvgu|guvf|ner|sebz|jung)\b"
_CODES = re.compile(
    f"(?P<percent>{_PERCENT})|(?P<binary>{_BINARY})|(?P<hex>{_HEX_RUN})|(?P<base64>{_BASE64})"
)
_ANY_CODE = rf"{_BASE64}|{_HEX}|{_BINARY}|%[0-9A-Fa-f]{{2}}.*%[0-9A-Fa-f]{{2}}|{_ROT13}"
_ROT13_WORD = re.compile(_ROT13)
_SPOKEN_OF = re.compile(
    r"base.?64|\bhex|rot.?13|decod|encod|cipher|url.?quot|percent.?encod|\bjwt\b", re.I
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_MIN_ROT13 = 3

_TARGET = r"(?:instruct\w*|prompts?|rules?|directions?|guidelines?|commands?|orders|constraints?)"
_ORDERS = (
    r"\b(?:ignor|disregard|forget|overlook|overrid|bypass|delet)\w*\W+(?:\w+\W+){0,5}"
    r"(?:previous|prior|above|earlier|preceding|initial|original|past|before|all|any|your|system|"
    rf"these|those|other)\W+(?:\w+\W+){{0,3}}{_TARGET}",
    rf"\b(?:ignor|disregard|forget|overlook|overrid)\w*\W+(?:\w+\W+){{0,3}}{_TARGET}\W+"
    r"(?:\w+\W+){0,2}(?:above|before|earlier)\b",
    r"\b(?:ignor|disregard|forget|overlook)\w*\W+(?:everything|all|anything|what)\b[^.\n]{0,40}"
    r"\b(?:above|before|previous\w*|earlier|so far|were told|instruct\w*|been told)",
    r"\b(?:instead of|rather than)\W+(?:\w+\W+){0,3}(?:your|the)\W+(?:\w+\W+){0,3}instructions",
    r"<\|(?:im_start|im_end|system|user|assistant|eot_id|start_header_id|endoftext)\|>",
    r"\[/?INST\]|<</?SYS>>|</?(?:system|assistant|tool_call|tool_response)>",
    r"(?m:^\s*(?:#+\s*)?(?:system|assistant|developer)(?:\s+(?:message|prompt|note))?\s*:\s)",
    r"\b(?:new|updated|important|urgent|hidden|secret|special|additional)\s+"
    r"(?:system\s+)?(?:instruction|directive|order)s?\b[^.\n]{0,40}\b(?:ai|assistant|model|llm|"
    r"agent|chatbot|bot)\b",
    r"\b(?:ai|assistant|language model|llm|agent|chatbot)\b\s*[,:]\s*"
    r"(?:please\s+|you must\s+|now\s+)?(?:call|send|run|execute|forward|e-?mail|delete|"
    r"transfer|visit|open|use|reply|respond|output|print|ignore|say|do not|read|include|post)\b",
    r"\bignor\w*\s+(?:the|this)\s+(?:web ?page|function|e-?mail|resume|article|document|code|table|"
    r"text)\b[^.\n]{0,20}\b(?:and|instead)\s+(?:say|state|output|print|reply|answer|write)\b",
    r"\b(?:security override|override|god|jailbreak|developer|dan) mode\b",
    r"\b(?:do not|don't|never|without)\s+(?:tell|telling|inform|informing|mention|mentioning|"
    r"reveal|revealing|notify|notifying|alert|alerting)\w*\s+(?:this\s+|it\s+|that\s+)?(?:to\s+)?"
    r"the\s+user",
    r"\bfrom now on,?\s+you\s+(?:are|must|will only|will act|shall|should only|have to)\b",
    r"\byou are now\s+(?:a|an|in|no longer|dan|free|jailbroken|unrestricted)\b",
    r"\b(?:when|if)\s+(?:the\s+)?(?:ai|assistant|model|llm|agent|chatbot)s?\s+(?:read|see|process|"
    r"summari[sz]e)\w*\s+this",
    r"忽略(?:之前|以上|先前|前面|所有)|이전\s*(?:지시|명령)\S*.{0,6}무시|以前の指示.{0,6}無視",
    r"\b(?:ignor(?:ez|a|e|iere|ieren|er|are)|игнориру\w+)\s+(?:\S+\s+){0,3}"
    r"(?:instrucciones|instructions|anweisungen|instruções|istruzioni|инструкци\w+|указани\w+)",
)
_ORDER = "(?i)" + "|".join(_ORDERS)
_READ_ORDER = re.compile("|".join(_ORDERS), re.I)
# Where a prompt hands over somebody else's text: a fence, a quotation of length, a heading.
_DOCUMENT = re.compile(
    r"```|\"{3}|<!|: ?['{]|"
    r"<(?:document|doc|context|article|email|page|html|text|data|code|table)\b|"
    r"(?im:^\W*(?:document|context|article|e-?mail|web ?page|text|passage|review|content|source|"
    r"transcript|subject)\b[^\n]{0,30}:)|[\"“][^\"”]{120}",
    re.I | re.M,
)


def find_encoded(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """The first code of each text that reads as text."""
    shortest = int(settings.option(ENCODED_TEXT.name, "min_chars"))
    spoken: dict[int, bool] = {}
    for text in batch.matching(_ANY_CODE):
        number = text.row.number
        found = _find_code(text.text, shortest)
        if found is None:
            continue
        if number not in spoken:
            spoken[number] = _speaks_of_codes(text)
        if not spoken[number]:
            start, end, kind, plain = found
            evidence = f"{kind} code of {shorten(plain, limit=160)!r}"
            span = Span(text.path, start, end, shorten(text.text[start:end], limit=80))
            yield Hit(number, ENCODED_TEXT.name, evidence, span)


def _speaks_of_codes(text: Text) -> bool:
    messages = text.row.record.messages
    return any(_SPOKEN_OF.search(str(one.get("content") or "")) for one in messages)


def _find_code(text: str, shortest: int) -> tuple[int, int, str, str] | None:
    for code in _CODES.finditer(text):
        kind = str(code.lastgroup)
        plain = decode_text(code[0], kind)
        if plain is not None and len(plain) >= shortest:
            return code.start(), code.end(), kind, plain
    words = list(_ROT13_WORD.finditer(text))
    if len(words) >= _MIN_ROT13 and len({word[0] for word in words}) > 1:
        start, end = words[0].start(), words[-1].end()
        return start, end, "rot13", codecs.decode(text[start:end], "rot13")
    return None


def decode_text(code: str, kind: str) -> str | None:
    """What `code` (kind base64, hex, binary or percent) says, or None where that is no text."""
    try:
        if kind == "percent":
            plain = unquote(code, errors="strict")
        elif kind == "binary":
            bits = code.replace(" ", "")
            plain = int(bits, 2).to_bytes(len(bits) // 8).decode()
        elif kind == "hex":
            plain = bytes.fromhex(re.sub(r"\\x|0x|[ :,]", "", code)).decode()
        else:
            even = code.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
            even = even[: len(even) // 4 * 4 if len(even) % 4 == 1 else len(even)]
            plain = base64.b64decode(even + "=" * (-len(even) % 4)).decode()
    except (ValueError, binascii.Error):
        return None
    return plain if _reads_as_text(plain) else None


def _reads_as_text(plain: str) -> bool:
    if not plain or not all(char.isprintable() or char in "\n\r\t" for char in plain):
        return False
    letters = sum(len(word) for word in _WORD.findall(plain)) + plain.count(" ")
    spaced = plain.count(" ") >= 2 or any(char in plain for char in "(){}:/@=<>")
    return spaced and letters >= 0.6 * len(plain)


def find_instructions(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """The first order of each tool result, tool description or document in a prompt."""
    for text in batch.matching(_ORDER):
        if text.role not in ("tool", "tools", "user"):
            continue
        start = 0
        if text.role == "user":
            opened = _DOCUMENT.search(text.text)
            if opened is None:
                continue
            start = opened.start()
        found = _READ_ORDER.search(text.text, start)
        if found is not None:
            where = {"tool": "result", "tools": "description"}.get(text.role)
            place = f"a tool's {where}" if where else "a document in the prompt"
            evidence = f"{place} gives the model orders: {shorten(found[0], limit=120)!r}"
            span = Span(text.path, found.start(), found.end(), shorten(found[0]))
            yield Hit(text.row.number, INSTRUCTION_IN_TOOL_RESULT.name, evidence, span)


DETECTORS = (
    Detector("encoded_text", (ENCODED_TEXT,), scan=find_encoded),
    Detector("instructions", (INSTRUCTION_IN_TOOL_RESULT,), scan=find_instructions),
)
