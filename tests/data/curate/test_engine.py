"""The engine: processes, resuming, order, and what is kept between the passes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checking import chat
from hypothesis import given
from hypothesis import strategies as st

from assay.config import SourceConfig
from assay.data.curate import (
    Checked,
    Given,
    Rule,
    check_parts,
    check_rows,
    list_detectors,
    list_rules,
    settle,
)
from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.engine import Engine
from assay.data.curate.finding import Hit, Span
from assay.data.curate.jobs import Job, decode_job, encode_job
from assay.data.curate.pieces import Piece, cut_rows, decode_piece, number_pieces
from assay.data.curate.reading import Reading, ReadRow
from assay.data.curate.settings import Settings, resolve_settings
from assay.data.curate.store import Store
from assay.data.curate.stored_rows import decode_read, encode_read
from assay.data.lines import iterate_blocks, read_jsonl
from assay.data.records import Record, assign_ids
from assay.errors import Problem

TOOL = {"type": "function", "function": {"name": "get", "parameters": {"b": {}, "a": {}}}}
MARKED = Rule("marked", "form", "warning", "drop", "A row that says so.")


def write_rows(path: Path, num_rows: int) -> Path:
    """Rows of about a kilobyte; every 50th stands twice, every 97th is broken."""
    with path.open("w", encoding="utf-8") as lines:
        for number in range(num_rows):
            content = number - number % 50 + 1 if number % 50 == 2 else number
            row = chat(f"question {content} " + "why " * 100, f"answer {content} " + "so " * 150)
            text = json.dumps(row)
            lines.write((text[:-5] if number % 97 == 0 else text) + "\n")
    return path


FEW = ("exact_duplicate", "broken_json", "empty_answer")
OTHERS_OFF = {name: "off" for name in list_rules() if name not in FEW}


def check_file(path: Path, **options: Any) -> Checked:
    parts = {"train": [SourceConfig(path=str(path))]}
    options.setdefault("settings", settle(OTHERS_OFF))
    return check_parts(parts, base_dir=path.parent, **options)


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", 7_000)
    one, two = (check_file(path, num_cpus=cpus) for cpus in (1, 2))
    assert one.file.read_bytes() == two.file.read_bytes()
    assert one.counts == two.counts
    assert one.counts["exact_duplicate"]["rows"] > 100
    assert one.counts["broken_json"]["rows"] == 73
    assert one.num_rows == two.num_rows == {"train": 7_000}


def test_a_killed_check_goes_on_where_it_was(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", 12_000)
    code = (
        "import json, sys; from pathlib import Path; from assay.config import SourceConfig\n"
        "from assay.data.curate import check_parts, settle\n"
        "check_parts({'train': [SourceConfig(path=sys.argv[1])]}, num_cpus=2, "
        "base_dir=Path(sys.argv[1]).parent, work=Path(sys.argv[2]), "
        "settings=settle(json.loads(sys.argv[3])))"
    )
    work = tmp_path / "work"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(work), json.dumps(OTHERS_OFF)],
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(done := sorted(work.glob("pieces/*/*.json"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (work / "findings.jsonl").exists()
    times = {one: one.stat().st_mtime_ns for one in done}
    resumed = check_file(path, work=work, num_cpus=2)
    assert {one: one.stat().st_mtime_ns for one in done} == times
    assert resumed.file.read_bytes() == check_file(path, num_cpus=1).file.read_bytes()


def test_what_is_damaged_or_of_other_data_is_made_anew(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", 3_000)
    work = tmp_path / "work"
    first = check_file(path, work=work).file.read_bytes()
    hits = sorted(work.glob("pieces/*/*.hits"))
    hits[0].write_bytes(b"")
    assert check_file(path, work=work).file.read_bytes() == first
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[1:]), encoding="utf-8")
    changed = check_file(path, work=work)
    assert changed.file.read_bytes() == check_file(path).file.read_bytes() != first


def test_other_settings_look_again(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", 200)
    work = tmp_path / "work"
    assert "exact_duplicate" in check_file(path, work=work).counts
    off = check_file(path, work=work, settings=settle({**OTHERS_OFF, "exact_duplicate": "off"}))
    assert "exact_duplicate" not in off.counts


def test_a_row_of_a_json_list_keeps_its_index(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([chat("hi", "hello"), chat("hi", ""), chat("hi", "hello")]))
    found = list(check_file(path).findings)
    assert [(one.place.rsplit("/", 1)[-1], one.index) for one in found] == [
        ("rows.json:1[1]", 1),
        ("rows.json:1[2]", 2),
    ]
    assert found[1].related[0].endswith("rows.json:1[0]")


def test_ids_are_those_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [chat("hi", "hello"), chat("bye", "bye"), chat("hi", "hello"), chat("hi", "hello")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reading = Reading("chat", source="rows.jsonl")
    with path.open("rb") as stream:
        records = [reading.convert(row, "train").record for row in read_jsonl(stream, "f")]
    ids = [record.id for record in assign_ids(one for one in records if one)]
    assert [one.row for one in check_file(path).findings] == ids[2:]


BLANK = st.sampled_from([b"", b" ", b"\t", b"\xc2\xa0", b"\xef\xbb\xbf", b"\xff"])
ROW = st.sampled_from([b"{}", b' {"a": 1}', b"[", b"nonsense", b'{"a": "\xff"}', b"\xef\xbb\xbf{}"])


@given(st.lists(BLANK | ROW), st.booleans(), st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 30))
def test_blocks_of_lines_hold_the_rows_of_the_file(
    lines: list[bytes], ends: bool, mark: bytes, size: int
) -> None:
    content = mark.join(lines) + (mark if ends else b"")
    whole = list(read_jsonl(io.BytesIO(content), "f"))
    parts = []
    for block in iterate_blocks(io.BytesIO(content), size=size):
        stream = io.BytesIO(block.content)
        own = list(read_jsonl(stream, "f", first=block.first, offset=block.offset))
        assert len(own) == block.num_rows
        parts += own
    assert parts == whole


def build_record(**others: object) -> Record:
    messages = [{"role": "user", "content": "tab\tand\u2028line"}, {"role": "assistant"}]
    record = Record("", messages, [TOOL], "chat", "g", "f", 3, "s", extra={"z": 1, "a": None})
    return replace(record, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "row",
    [
        ReadRow("train", build_record()),
        ReadRow("train", build_record(tools=None, group=None, index=4, weight=2.5, role="anchor")),
        ReadRow("train", None, (Problem("a", "b", "c", "f", 1, 2, "[3].key"), Problem("d"))),
    ],
)
def test_rows_are_kept_and_sent_as_they_are(row: ReadRow) -> None:
    assert decode_read(encode_read(row), "train") == row
    for record in filter(None, [row.record]):  # a template may print the keys of a tool in order
        kept = decode_read(encode_read(row), "train").record
        assert kept is not None and json.dumps(kept.tools) == json.dumps(record.tools)
    (piece,) = number_pieces(cut_rows([row]))
    assert list(decode_piece(piece.encode()).read()) == [row]


def test_a_job_is_the_same_in_another_process(tmp_path: Path) -> None:
    settings = settle({"exact_duplicate": {"severity": "info", "allow": ["/a.*/"]}}, ["all"])
    assert settings["exact_duplicate"].allows("abc")
    job = Job((), settings, tmp_path)
    sent = decode_job(encode_job(job))
    assert (sent.settings, sent.folder) == (settings, tmp_path)
    assert sent.compute_key() == job.compute_key()


def scan_marks(batch: Batch, settings: Settings) -> Iterator[Hit]:
    for text in batch.matching("mark"):
        yield Hit(text.row.number, MARKED.name, "x", Span(text.path, 0, 4, "mark"), cluster="c")


def count_rows(batch: Batch, settings: Settings) -> Sketch:
    return {"number": np.array([row.number for row in batch.rows], np.int64)}


def mark_backwards(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    sketches = list(evidence.sketches())
    numbers = [int(number) for one in sketches for number in one["number"]]
    assert numbers == [row.number for batch in evidence.batches() for row in batch.rows]
    rows = evidence.rows(numbers[::3])
    assert sorted(rows) == numbers[::3] and evidence.num_rows == len(numbers)
    assert all(rows[number].record.line == number + 1 for number in rows)
    for number in reversed(numbers):
        yield Hit(number, MARKED.name, f"late {number}", related=(numbers[0],))


def test_hits_of_both_passes_come_in_the_order_of_rows(tmp_path: Path) -> None:
    detector = Detector("marks", (MARKED,), scan=scan_marks, sketch=count_rows)
    detector = replace(detector, conclude=mark_backwards)
    rows = [
        ReadRow("train", build_record(line=line, messages=[{"role": "user", "content": "mark"}]))
        if line % 4
        else ReadRow("train", None, (Problem("broken", file="f", line=line),))
        for line in range(1, 2_500)
    ]
    engine = Engine([detector], resolve_settings([MARKED, *_reading_rules()]), work=tmp_path)
    found = [one for one in engine.run(cut_rows(rows)) if one.rule == "marked"]
    assert [(one.line, one.evidence[:1]) for one in found] == [
        (line, kind) for line in range(1, 2_500) if line % 4 for kind in "xl"
    ]
    assert found[0].span == Span("messages[0].content", 0, 4, "mark") and found[0].cluster == "c"
    assert found[-1].related == ("f:1",)


def _reading_rules() -> list[Rule]:
    from assay.data.curate.detectors import list_detectors

    return [rule for one in list_detectors() if one.name == "reading" for rule in one.rules]


def test_a_sketch_of_python_objects_is_refused(tmp_path: Path) -> None:
    def sketch(batch: Batch, settings: Settings) -> Sketch:
        return {"texts": np.array([None, {}], object)}

    engine = Engine(
        [Detector("bad", (MARKED,), sketch=sketch)], resolve_settings([MARKED]), work=tmp_path
    )
    with pytest.raises(TypeError, match=r"bad\.texts"):
        list(engine.run(cut_rows([ReadRow("train", build_record())])))


def test_a_worker_loads_no_torch() -> None:
    code = (
        "import sys; import assay.data.curate.scan_worker; from assay.data.curate import "
        "list_detectors; list_detectors(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_temporary_folder_keeps_findings_alone(tmp_path: Path) -> None:
    rows = (ReadRow("train", build_record(line=line)) for line in (1, 2))
    checked = check_rows(rows, settings=settle(OTHERS_OFF))
    folder = checked.file.parent
    assert os.listdir(folder) == ["findings.jsonl"]
    assert [one.line for one in checked.findings] == [2]
    del checked
    assert not folder.exists()


def test_a_piece_is_known_by_its_content_and_place() -> None:
    piece = Piece("train", "f", 1, b"{}\n", Reading("chat"))
    others = [replace(piece, **{name: value}) for name, value in _CHANGES.items()]
    keys = {one.compute_key("s") for one in [piece, *others]} | {piece.compute_key("t")}
    assert len(keys) == len(_CHANGES) + 2
    assert not Store(Path("nowhere")).is_done(0, piece.compute_key("s"))


_CHANGES = {
    "part": "test",
    "file": "g",
    "payload": b"{ }\n",
    "reading": Reading("chat", system="x"),
    "first_line": 2,
    "number": 1,
}


def test_only_who_asks_a_model_concludes_here(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", 6_000)
    asked: list[int] = []

    def embed(records: Sequence[Record]) -> np.ndarray[Any, Any]:
        asked.append(os.getpid())
        return np.ones((len(records), 4), np.float32)

    own = Given(embed=embed)
    detectors = {one.name: one for one in list_detectors()}
    assert detectors["quality_set"].asks(own) and detectors["outliers"].asks(own)
    assert not detectors["copies"].asks(own) and not detectors["quality_set"].asks(Given())
    settings = settle({**OTHERS_OFF, "thin_topic": "info"})
    one, two = (check_file(path, num_cpus=n, given=own, settings=settings) for n in (1, 2))
    assert one.file.read_bytes() == two.file.read_bytes()
    assert set(asked) == {os.getpid()}


def test_what_a_nameless_model_told_is_not_taken_for_what_words_tell(tmp_path: Path) -> None:
    path, work = write_rows(tmp_path / "rows.jsonl", 200), tmp_path / "work"
    options = {
        "work": work,
        "num_cpus": 1,
        "settings": settle({**OTHERS_OFF, "thin_topic": "info"}),
    }
    vectors = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    own = Given(embed=lambda records: vectors[: len(records)])
    by_model = check_file(path, given=own, **options)
    by_words = check_file(path, **options)
    assert by_model.insights["diversity"]["by"] == "hidden states"
    assert by_words.insights["diversity"]["by"] == "words"
