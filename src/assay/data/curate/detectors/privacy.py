"""What tells who a person is: numbers, addresses, dates, names."""

from __future__ import annotations

from collections.abc import Iterator

from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector
from assay.data.curate.detectors import contacts, names, national_ids, numbers, whereabouts
from assay.data.curate.detectors.spans import Finder, scan_texts
from assay.data.curate.finding import Hit
from assay.data.curate.settings import Settings

_FINDERS: tuple[Finder, ...] = (
    (contacts.EMAIL_START, contacts.find_emails),
    (numbers.IBAN_START, numbers.find_ibans),
    (numbers.CARD_START, numbers.find_cards),
    (national_ids.ALONE_START, numbers.find_formed_ids),
    (national_ids.WORDS_START, numbers.find_named_ids),
    (contacts.PHONE_START, contacts.find_phones),
    (contacts.PHONE_WORDS_START, contacts.find_named_phones),
    (whereabouts.IP_START, whereabouts.find_ips),
    (whereabouts.MAC_START, whereabouts.find_macs),
    (whereabouts.STREET_START, whereabouts.find_streets),
    (whereabouts.BIRTH_START, whereabouts.find_birth_dates),
    (names.NAME_START, names.find_introduced_names),
)


def scan_privacy(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """All of a batch, the surest first; characters that one rule has found no later one finds."""
    return scan_texts(batch, settings, _FINDERS)


RULES = (
    numbers.PAYMENT_CARD,
    numbers.CARD_LIKE_NUMBER,
    numbers.IBAN,
    numbers.NATIONAL_ID,
    contacts.EMAIL,
    contacts.ROLE_EMAIL,
    contacts.PHONE_NUMBER,
    whereabouts.IP_ADDRESS,
    whereabouts.PRIVATE_IP_ADDRESS,
    whereabouts.MAC_ADDRESS,
    whereabouts.STREET_ADDRESS,
    whereabouts.BIRTH_DATE,
    names.INTRODUCED_NAME,
)
DETECTORS = (Detector("privacy", RULES, scan=scan_privacy),)
