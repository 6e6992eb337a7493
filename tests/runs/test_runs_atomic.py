"""Atomic files, metrics lines and hashes: what a crash, a full disk or a NaN leaves behind."""

import hashlib
import json
import math
import resource
from pathlib import Path

import pytest

from assay.errors import CheckpointError, ResourceError
from assay.runs import (
    append_line,
    canonical_json,
    drop_after,
    read_json,
    read_lines,
    sha256_file,
    sha256_tree,
    write_bytes,
    write_json,
)


def test_json_round_trip_leaves_no_scratch_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "value.json"
    write_json(path, {"b": [1, 2.5, "é"], "a": None})
    assert read_json(path) == {"b": [1, 2.5, "é"], "a": None}
    assert [entry.name for entry in path.parent.iterdir()] == ["value.json"]


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"loss": math.nan, "list": [math.inf, 1.0], "pair": (-math.inf, 2)})
    assert read_json(path) == {"loss": None, "list": [None, 1.0], "pair": [None, 2]}
    append_line(tmp_path / "m.jsonl", {"train/loss": math.nan, "step": 1})
    assert (tmp_path / "m.jsonl").read_text() == '{"train/loss": null, "step": 1}\n'


def test_damaged_json_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    path.write_text('{"a": 1,\n  oops}')
    with pytest.raises(CheckpointError, match=r"value\.json:2:3: not JSON"):
        read_json(path)
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(CheckpointError, match="not UTF-8 at byte 7"):
        read_json(path)


def test_disk_full_keeps_the_old_file_and_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "value.bin"
    write_bytes(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(ResourceError, match=r"value\.bin: disk full"):
            write_bytes(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_disk_full_while_metrics_are_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(ResourceError, match=r"metrics\.jsonl: disk full"):
        append_line(path, {"step": 1})


def test_torn_last_line_is_skipped_and_then_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2):
        append_line(path, {"step": step, "train/loss": 1.0 / step})
    with open(path, "ab") as file:
        file.write(b'{"step": 3, "train/lo')
    assert [row["step"] for row in read_lines(path)] == [1, 2]
    append_line(path, {"step": 3})
    assert [row["step"] for row in read_lines(path)] == [1, 2, 3]
    assert path.read_bytes().count(b"\n") == 3


def test_a_whole_last_line_without_line_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}')
    assert [row["step"] for row in read_lines(path)] == [1, 2]


def test_damage_before_the_last_line_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"ste\n{"step": 3}\n')
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl:2: not a JSON object"):
        read_lines(path)


def test_resuming_forgets_later_steps(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in range(1, 6):
        append_line(path, {"step": step})
    assert drop_after(path, 3) == 2
    assert drop_after(path, 3) == 0
    assert [row["step"] for row in read_lines(path)] == [1, 2, 3]


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == canonical_json({"a": "é", "b": 1})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()


def test_hashes_match_hashlib(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc" * 700_000)
    assert sha256_file(tmp_path / "a.bin") == hashlib.sha256(b"abc" * 700_000).hexdigest()


def test_tree_hash_sees_names_and_bytes_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for folder in (first, second):
        write_bytes(folder / "sub" / "x", b"1")
        write_bytes(folder / "y", b"2")
    same = sha256_tree(first)
    assert same == sha256_tree(second)
    (second / "y").rename(second / "z")
    assert sha256_tree(second) != same
    single = {"y": hashlib.sha256(b"2").hexdigest()}
    text = json.dumps(single, separators=(",", ":"))
    assert sha256_tree(first / "y") == hashlib.sha256(text.encode()).hexdigest()
