"""Masks: consistent, within JSON, reversible with the key alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from random import Random

import pytest
from benchmarks.planted.privacy import plant_privacy
from benchmarks.planted.secrets import plant_secrets
from hypothesis import given
from hypothesis import strategies as st

from assay.config import SourceConfig
from assay.data.curate import Finding, Span, list_rules, settle
from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.curate import curate_parts
from assay.data.curate.detectors.privacy import scan_privacy
from assay.data.curate.detectors.secrets import scan_secrets
from assay.data.curate.json_spans import (
    blank_escapes,
    decode_escapes,
    locate_decoded,
    replace_in_json,
)
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.mask_key import load_mask_key, make_mask_key, open_book, seal_book, unmask
from assay.data.curate.masks import mask_record, reserve_placeholders, unmask_record
from assay.data.records import Message, Record
from assay.data.versions import VersionStore
from assay.errors import DataError, UsageError

ANSWER = {"role": "assistant", "content": "ok"}


def record(*messages: Message, **columns: object) -> Record:
    return Record("", list(messages), None, "chat", None, "a.jsonl", 1, "a.jsonl", extra=columns)


def finding(rule: str, path: str, text: str, found: str) -> Finding:
    start = text.index(found)
    span = Span(path, start, start + len(found), found)
    return Finding("a.jsonl", 1, "", rule, "warning", span, "", "mask", 0)


def test_one_placeholder_for_all_spellings_of_a_thing() -> None:
    book = MaskBook()
    assert book.mask("email", "Anna@Example.com") == "[EMAIL_1]"
    assert book.mask("email", "bob@example.com") == "[EMAIL_2]"
    assert book.mask("email", "anna@example.com") == "[EMAIL_1]"
    assert book.mask("phone_number", "+49 (0)30 123456") == "[PHONE_1]"
    assert book.mask("phone_number", "0049 30-123456") == "[PHONE_1]"
    assert book.mask("payment_card", "4111 1111 1111 1111") == "[CARD_1]"
    assert book.mask("payment_card", "4111-1111-1111-1111") == "[CARD_1]"
    assert book.mask("person_name", "Anna  Schmidt") == "[PERSON_1]"
    assert book.mask("introduced_name", "anna schmidt") == "[PERSON_1]"
    assert book.mask("api_key", "abcD") != book.mask("api_key", "ABCD")
    assert book.unmask("to [EMAIL_1], [EMAIL_9]") == "to Anna@Example.com, [EMAIL_9]"


def test_placeholders_that_the_data_have_already_are_not_given_out() -> None:
    book = MaskBook()
    book.reserve(["write to [EMAIL_1] or [PHONE_2]"])
    assert [book.mask("email", one) for one in ("a@x.org", "b@x.org")] == ["[EMAIL_2]", "[EMAIL_3]"]
    assert [book.mask("phone_number", one) for one in ("+1 2", "+1 3")] == [
        "[PHONE_1]",
        "[PHONE_3]",
    ]
    assert book.unmask("[EMAIL_1] [EMAIL_2]") == "[EMAIL_1] a@x.org"


def test_every_part_of_a_row_is_masked_and_comes_back() -> None:
    question, thought = "I am anna@x.org", "she is ANNA@x.org"
    arguments = '{"to": "x\\nanna@x.org", "card": 4111111111111111, "list": [1, "b@x.org"]}'
    call = {"id": "1", "type": "function", "function": {"name": "send", "arguments": arguments}}
    answer = {
        "role": "assistant",
        "content": "",
        "reasoning_content": thought,
        "tool_calls": [call],
    }
    row = record({"role": "user", "content": question}, answer, customer="anna@x.org", age=3)
    path = "messages[1].tool_calls[0].function.arguments"
    findings = [
        finding("payment_card", path, arguments, "4111111111111111"),
        finding("email", path, arguments, "b@x.org"),
        finding("email", path, arguments, "anna@x.org"),
        finding("email", "messages[0].content", question, "anna@x.org"),
        finding("email", "messages[1].reasoning_content", thought, "ANNA@x.org"),
    ]
    book = MaskBook()
    masked = mask_record(row, findings, book)
    assert masked.messages[0]["content"] == "I am [EMAIL_1]"
    assert masked.messages[1]["reasoning_content"] == "she is [EMAIL_1]"
    assert json.loads(masked.messages[1]["tool_calls"][0]["function"]["arguments"]) == {
        "to": "x\n[EMAIL_1]",
        "card": "[CARD_1]",
        "list": [1, "[EMAIL_2]"],
    }
    assert masked.extra == {"customer": "[EMAIL_1]", "age": 3}
    assert row.messages[0]["content"] == question
    restored = unmask_record(masked, book)
    assert restored.messages[0]["content"] == question
    assert "ANNA" not in restored.messages[1]["reasoning_content"]
    assert restored.extra == row.extra
    assert mask_record(row, findings[::-1], MaskBook()) == masked


def test_overlapping_spans_are_hidden_together() -> None:
    text = "see https://bob:pw12345@x.org/ now"
    findings = [
        finding("email", "messages[0].content", text, "pw12345@x.org"),
        finding("connection_string", "messages[0].content", text, "https://bob:pw12345@x.org"),
    ]
    masked = mask_record(record({"role": "user", "content": text}), findings, MaskBook())
    assert masked.messages[0]["content"] == "see [PASSWORD_1]/ now"


def test_findings_of_other_data_are_refused() -> None:
    wrong = finding("email", "messages[0].content", "a longer text, a@x.org", "a@x.org")
    with pytest.raises(DataError, match="not in this row"):
        mask_record(record({"role": "user", "content": "short"}), [wrong], MaskBook())
    elsewhere = finding("email", "messages[4].content", "a@x.org", "a@x.org")
    with pytest.raises(DataError, match=r"messages\[4\]"):
        mask_record(record({"role": "user", "content": "short"}), [elsewhere], MaskBook())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=3), st.data(), st.booleans())
def test_json_stays_json_where_a_scalar_is_masked(
    value: dict[str, object], data: st.DataObject, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    plain = blank_escapes(text)
    places = [index for index, one in enumerate(plain) if one.isalnum()]
    start = data.draw(st.sampled_from(places)) if places else 0
    end = start
    while end < len(plain) and plain[end].isalnum():
        end += 1
    if end > start:
        json.loads(replace_in_json(text, [(start, end, "[X_1]")]))


def test_what_was_masked_is_found_no_more_and_a_second_run_starts_after_the_first() -> None:
    planted = [*plant_secrets(Random(0), 40), *((a, b) for a, b, _ in plant_privacy(Random(0), 20))]
    rows = [record({"role": "user", "content": text}) for text, rule in planted if rule]
    book = MaskBook()
    masked = [mask_record(row, found, book) for row, found in find_all(rows)]
    assert not [found for _, found in find_all(masked) if found]
    assert [unmask_record(row, book).messages for row in masked] == [one.messages for one in rows]
    later = MaskBook()
    reserve_placeholders(masked, later)
    assert later.mask("email", "new@web.de") not in book.originals


def find_all(rows: list[Record]) -> list[tuple[Record, list[Finding]]]:
    """Each row with what the rules of privacy and secrets find to be masked."""
    batch = Batch([CheckedRow(number, "train", row) for number, row in enumerate(rows)])
    found: list[list[Finding]] = [[] for _ in rows]
    for scan in (scan_secrets, scan_privacy):
        for hit in scan(batch, settle(None)):
            if list_rules()[hit.rule].action == "mask":
                found[hit.number].append(
                    Finding("a", 1, "", hit.rule, "warning", hit.span, "", "mask", hit.number)
                )
    return list(zip(rows, found, strict=True))


@given(st.text(max_size=12), st.data(), st.booleans())
def test_what_is_found_in_decoded_json_is_located_in_it(
    text: str, data: st.DataObject, ascii_only: bool
) -> None:
    raw = json.dumps({"a": text}, ensure_ascii=ascii_only)
    decoded = decode_escapes(raw)
    assert decoded[7:-2] == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    start = data.draw(st.integers(7, len(decoded) - 2))
    end = data.draw(st.integers(start, len(decoded) - 2))
    assert decode_escapes(raw[slice(*locate_decoded(raw, start, end))]) == decoded[start:end]


def test_a_sealed_book_opens_with_its_key_alone(tmp_path: Path) -> None:
    book = MaskBook()
    book.mask("email", "anna@x.org")
    key = make_mask_key(tmp_path / "masks.key")
    assert stat.S_IMODE((tmp_path / "masks.key").stat().st_mode) == 0o600
    assert load_mask_key(tmp_path / "masks.key") == key
    sealed = seal_book(book, key)
    assert sealed == seal_book(book, key)
    assert b"anna" not in sealed
    assert open_book(sealed, key).originals == {"[EMAIL_1]": "anna@x.org"}
    assert open_book(sealed, key).mask("email", "bob@x.org") == "[EMAIL_2]"
    assert unmask("dear [EMAIL_1]", sealed, key) == "dear anna@x.org"
    other = make_mask_key(tmp_path / "other.key")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for wrong, wrong_key in ((sealed, other), (changed, key), (b"", key)):
        with pytest.raises(UsageError, match="does not open"):
            open_book(wrong, wrong_key)


def test_a_key_is_not_overwritten_nor_laid_beside_the_data(tmp_path: Path) -> None:
    make_mask_key(tmp_path / "masks.key")
    with pytest.raises(UsageError, match="exists"):
        make_mask_key(tmp_path / "masks.key")
    with pytest.raises(UsageError, match="a path outside"):
        make_mask_key(tmp_path / "version" / "masks.key", apart_from=tmp_path / "version")
    (tmp_path / "empty.key").write_text("")
    for name in ("empty.key", "none.key"):
        with pytest.raises(UsageError):
            load_mask_key(tmp_path / name)


def test_a_version_holds_nothing_of_what_it_masks(tmp_path: Path) -> None:
    planted = [text for text, rule, _ in plant_privacy(Random(2), 2) if rule]
    texts = [*planted, *(text for text, rule in plant_secrets(Random(2), 2) if rule)]
    asked = [{"role": "user", "content": f"{n} {one}"} for n, one in enumerate(texts)]
    rows = [{"messages": [one, ANSWER]} for one in asked]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = {"train": [SourceConfig(path="a.jsonl")]}
    key = make_mask_key(tmp_path / "a.key")
    curated = curate_parts(
        parts, out=tmp_path / "store", base_dir=tmp_path, settings=settle(None), key=key
    )
    store = VersionStore(tmp_path / "store")
    folder = store.folder(curated.version.id)
    originals = open_book((folder / "masks.bin").read_bytes(), key).originals.values()
    assert len(originals) > 30
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    rows_text = json.dumps([one.messages for one in store.records(curated.version)])
    for text in originals:
        assert text not in rows_text and text.encode() not in kept
