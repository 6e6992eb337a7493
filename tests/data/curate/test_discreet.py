"""What a folder keeps of findings: nothing private whole, whichever rule quotes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checking import chat, check

from assay.data.curate import Finding
from assay.data.curate.discreet import hide_private
from assay.data.curate.finding import Span
from assay.data.records import Record

MAIL, OTHER = "ann.other@posteo.de", "bob.someone@posteo.de"
KEY = "AKIA" + "Q4RT7ZK2M6XWP3LB"


def records(rows: Sequence[dict[str, Any]]) -> list[Record]:
    return [
        Record("", one["messages"], None, "chat", None, "a.jsonl", line, "")
        for line, one in enumerate(rows, start=1)
    ]


def tell(tmp_path: Path, rows: Sequence[dict[str, Any]], **more: Any) -> tuple[str, str]:
    """All findings as JSON lines: whole, and as they are kept."""
    checked = check(tmp_path, rows, **more)
    kept = records(rows)
    hidden = hide_private(checked.findings, checked.settings, lambda number: kept[number])
    whole = "\n".join(json.dumps(one.to_json()) for one in checked.findings)
    return whole, "\n".join(json.dumps(one.to_json()) for one in hidden)


def test_only_the_ends_of_what_is_private_are_kept(tmp_path: Path) -> None:
    rows = [
        chat("Who answers?", f"Write to {MAIL}. It lies at 17 Nowhere Lane."),
        chat("And the key?", f"It is {KEY}, as ever."),
    ]
    whole, kept = tell(tmp_path, rows)
    assert MAIL in whole and "17 Nowhere Lane" in whole
    for text in (MAIL, "17 Nowhere Lane", KEY):
        assert text not in kept
    spans = [json.loads(line)["span"] for line in kept.splitlines() if "email" in line]
    answer = rows[0]["messages"][1]["content"]
    assert answer[spans[0]["start"] : spans[0]["end"]] == MAIL
    assert spans[0]["text"] == "ann….de"


def test_what_other_rules_quote_of_other_rows_is_hidden_too(tmp_path: Path) -> None:
    rows = [chat("Whom do I write to?", MAIL), chat("Whom do I write to?", OTHER)]
    own, settings = records(rows), check(tmp_path, rows).settings
    told = f"{MAIL!r} here, but {OTHER!r} in another row, by {KEY}"
    found = [Finding("a", 1, "", "contradicting_labels", "warning", None, told, "keep", 0)]
    (kept,) = hide_private(found, settings, lambda number: own[number])
    assert kept.evidence.startswith("'ann….de' here, but 'bob….de' in another row, by AKI…3LB")
    assert KEY not in kept.evidence


def test_texts_that_actions_write_are_hidden_and_others_stay_as_they_are(tmp_path: Path) -> None:
    rows = [chat("Who?", f"Ask {MAIL} Ã©"), chat("What?", "A cafÃ©.")]
    settings = check(tmp_path, rows).settings
    mail = Span("messages[1].content", 4, 4 + len(MAIL), MAIL)
    found = [
        Finding("a", 1, "", "email", "warning", mail, "at posteo.de", "mask", 0),
        Finding("a", 1, "", "mojibake", "warning", None, "", "repair", 0, repaired=f"Ask {MAIL} é"),
        Finding("a", 2, "", "mojibake", "warning", None, "so", "repair", 1, repaired="A café."),
    ]
    own = records(rows)
    kept = list(hide_private(found, settings, lambda number: own[number]))
    assert kept[1].repaired == "Ask ann….de é"
    assert kept[2] == found[2]


def test_what_the_user_allows_is_not_private(tmp_path: Path) -> None:
    rows = [chat("Whom do I write to?", MAIL)]
    own = records(rows)
    found = [Finding("a", 1, "", "cut_off", "warning", None, f"ends in {MAIL}", "keep", 0)]
    for rule in ({"allow": ["/.*@posteo.de/"]}, "off"):
        settings = check(tmp_path, rows, rules={"email": rule}).settings
        assert [*hide_private(found, settings, lambda number: own[number])] == found
