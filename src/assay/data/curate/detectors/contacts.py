"""Addresses by which a person is reached: e-mail, telephone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.data.curate.detectors.spans import Found
from assay.data.curate.finding import Rule, shorten

EMAIL = Rule("email", "privacy", "warning", "mask", "An e-mail address of a person.")
ROLE_EMAIL = Rule(
    "role_email",
    "privacy",
    "info",
    "keep",
    "An e-mail address of a role, such as support@: an answer may have to name it.",
)
PHONE_NUMBER = Rule(
    "phone_number",
    "privacy",
    "warning",
    "mask",
    "A telephone number: with a country code, in the American form, or after a word such as phone.",
)

EMAIL_START = r"[\w%+-]@[A-Za-z0-9-]+\.[A-Za-z]"
_EMAIL = re.compile(
    r"(?<![\w.+%/-])([\w%+-](?:[\w.%+-]{0,62}[\w%+-])?)@"
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,18}))(?![\w@-])"
)
# RFC 2606 and RFC 6761: names that no one can have.
_RESERVED = re.compile(
    r"(?:.*\.)?(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local)", re.IGNORECASE
)
_TOPS = re.compile(
    r"com|org|net|edu|gov|mil|int|info|biz|name|pro|mobi|jobs|app|dev|cloud|online|shop|store|site"
    r"|tech|xyz|live|email|club|blog|agency|digital|media|news|group|team|life|world|today|space"
    r"|website|studio|design|services|solutions|systems|network|consulting|academy|school|law|legal"
    r"|university|health|care|clinic|tax|finance|bank|insurance|estate|homes|house|city|berlin|eus"
    r"|hamburg|bayern|koeln|wien|london|paris|nyc|amsterdam|swiss|cat|scot|wales|asia|africa|coop"
    r"|aero|travel|museum|post|global|one|top|icu|vip|work|works|company|business|center|support"
    r"|tools|software|engineering|science|foundation|ngo|church|art|music|games|video|photos|[a-z]{2}"
)
_IN_URL = re.compile(r"://[^\s@/]*:$")
_EXAMPLES = re.compile(
    r"(?:your|my|some|user)?[._-]?(?:user)?(?:name|mail|email|address)\d?", re.IGNORECASE
)
_MACHINES = re.compile(
    r"git|hg|svn|no-?reply|do-?not-?reply|mailer-daemon|postmaster", re.IGNORECASE
)
_ROLES = re.compile(
    r"(?:info|support|contact|help|helpdesk|service|customer[._-]?(?:service|care|support)|sales"
    r"|office|hello|team|billing|orders?|feedback|press|media|jobs|careers|hr|admin|webmaster"
    r"|abuse|security|privacy|legal|marketing|returns?|shipping|accounts?|kontakt|kundenservice"
    r"|bestellung|rechnung|contacto|contatti|enquiries|inquiries|newsletter|notifications?)",
    re.IGNORECASE,
)

_CODES = (
    r"(?:1|7|2[07]|2[1-69]\d|3[0-469]|3[578]\d|4[013-9]|42\d|5[1-8]|5[09]\d|6[0-6]|6[7-9]\d"
    r"|8[1246]|8[578]\d|9[0-58]|9[679]\d)"
)
PHONE_START = r"\+[1-9][\d ().\-/]{7}|\b00[1-9]\d{1,2}[ /-]|\d{3}\)? ?[.\- ]?\d{3}[.\-]\d{4}"
_INTERNATIONAL = re.compile(
    rf"(?<![\w+.)\]=])(?:\+|00(?=[1-9]\d{{1,2}}[ /-])){_CODES}"
    r"(?:[ .\-/]?\(0\))?(?:[ .\-/(]{0,2}\d\)?){6,13}(?![\d]|[.,]\d)"
)
_AMERICAN = re.compile(
    r"(?<![\w.+/=-])(?:1[ .-])?(?:\(([2-9]\d\d)\) ?([2-9]\d\d)[.\- ](\d{4})"
    r"|([2-9]\d\d)([.-])([2-9]\d\d)\5(\d{4}))(?![\w-]|\.\d)"
)
_PHONE_WORDS = (
    r"(?:phone|telephone|tel|mobile|cell|cellphone|call(?: me)?|whatsapp|fax|handy|telefon\w{0,6}"
    r"|rufnummer|téléphone|tél|portable|teléfono|móvil|telefono|cellulare|telefoon|komórka|celular)"
)
PHONE_WORDS_START = rf"(?i)\b{_PHONE_WORDS}\b[^\d\n]{{0,25}}[\d(]"
_NAMED = re.compile(
    rf"\b{_PHONE_WORDS}\b[^\d\n$€£+]{{0,25}}?"
    r"(\(?0\d{1,5}\)?[ /.-]{0,3}\d[\d /.-]{3,12}\d|[1-9]\d{9,10}|[2-9]\d\d[ .-]\d{3}[ .-]\d{4}"
    r"|[5-9]\d{4}[ -]\d{5})(?![\w]|[.,]\d)",
    re.IGNORECASE,
)
# Exchange 555 with a line 0100 to 0199, and area 555, are no one's; 8xx is free of charge: firms'.
_NOBODY = re.compile(r"1?(?:555\d{7}|\d{3}55501\d\d|\d{3}5551212|8(?:00|33|44|55|66|77|88)\d{7})")
_MIN_DIGITS, _MAX_DIGITS = 7, 15


def find_emails(text: str) -> Iterator[Found]:
    """Addresses of persons and of roles; not those of machines, nor names reserved for examples."""
    for found in _EMAIL.finditer(text):
        local, domain, top = found[1], found[2], found[3].lower()
        if _TOPS.fullmatch(top) is None or _RESERVED.fullmatch(domain):
            continue
        # The password of a URL, which the rules of secrets find.
        if _IN_URL.search(text, max(0, found.start() - 90), found.start()):
            continue
        if _MACHINES.fullmatch(local) or _EXAMPLES.fullmatch(local):
            continue
        rule = ROLE_EMAIL if _ROLES.fullmatch(local) else EMAIL
        yield rule.name, found.span(), f"an e-mail address at {shorten(domain, limit=60)}", found[0]


def find_phones(text: str) -> Iterator[Found]:
    """Numbers with a country code, and American ones by their groups."""
    for found in _INTERNATIONAL.finditer(text):
        digits = re.sub(r"\D", "", found[0]).removeprefix("00")
        is_whole = len(digits) == 11 if digits[0] == "1" else 9 <= len(digits) <= _MAX_DIGITS
        if is_whole and not (digits[0] == "1" and _is_nobody(digits)):
            yield PHONE_NUMBER.name, found.span(), "a number with its country code", found[0]
    for found in _AMERICAN.finditer(text):
        if not _is_nobody(re.sub(r"\D", "", found[0])):
            yield PHONE_NUMBER.name, found.span(), "a number in the American form", found[0]


def find_named_phones(text: str) -> Iterator[Found]:
    """Numbers after a word such as phone."""
    for found in _NAMED.finditer(text):
        digits = re.sub(r"\D", "", found[1])
        if _MIN_DIGITS <= len(digits) <= 13 and not _is_nobody(digits) and len(set(digits)) > 2:
            yield PHONE_NUMBER.name, found.span(1), "a number after a word for telephones", found[1]


def _is_nobody(digits: str) -> bool:
    return _NOBODY.fullmatch(digits) is not None
