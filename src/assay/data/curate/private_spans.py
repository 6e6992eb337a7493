"""Where texts hold something private, by the rules of the families `PRIVATE`; no file is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Given
from assay.data.curate.detectors import list_detectors, list_rules
from assay.data.curate.finding import Span
from assay.data.curate.settings import Settings, resolve_settings
from assay.data.records import Record

PRIVATE = frozenset({"privacy", "secrets"})
_PATH = re.compile(r"messages\[(\d+)\]")


def find_private_spans(
    rows: Sequence[Sequence[str]], settings: Settings | None = None
) -> Iterator[tuple[int, int, str, Span]]:
    """What is private in rows of texts: row, text within it, rule and span.

    Rules that are off in `settings` find nothing, nor do those whose package or file is not at
    hand, nor what an allow-list has. Without `settings` every rule is as it comes.
    """
    settings = settings or resolve_settings(list_rules().values())
    batch = Batch([_to_row(number, texts) for number, texts in enumerate(rows)])
    rules = list_rules()
    for detector in list_detectors():
        is_private = rules[detector.rules[0].name].family in PRIVATE
        if not is_private or detector.scan is None or detector.is_ready(Given(), settings):
            continue
        for hit in detector.scan(batch, settings):
            setting = settings[hit.rule]
            if hit.span and setting.severity and not setting.allows(hit.span.text):
                matched = _PATH.match(hit.span.path)
                assert matched is not None
                yield hit.number, int(matched[1]), hit.rule, hit.span


def _to_row(number: int, texts: Sequence[str]) -> CheckedRow:
    messages = [{"role": "assistant", "content": text} for text in texts]
    return CheckedRow(number, "train", Record("", messages, None, "text", None, "", 1, ""))
