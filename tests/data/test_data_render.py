"""Rows rendered by other processes or taken from the cache are those rendered one by one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer
from assay.data import Record, RowRenderer, open_token_cache, tokenize
from assay.data import render_pool as pools
from assay.data import render_rows as rendering
from assay.data.render_rows import render_each
from assay.data.rendered import decode_rows, encode_rows
from assay.data.token_cache import TokenCache
from assay.errors import ConfigError, ResourceError
from assay.runs.cache import find_cache_folder

Chat = Callable[..., Record]
TOOL = {"type": "function", "function": {"name": "get", "parameters": {"b": {}, "a": {}}}}


@pytest.fixture
def records(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Rows of every kind, in chunks of four: weights, tools, control tokens, refused messages."""
    monkeypatch.setattr(rendering, "CHUNK_ROWS", 4)
    monkeypatch.setattr(rendering, "MIN_CACHED_CHARS", 1)
    records = []
    for n in range(3):
        nobody = {"role": "none", "content": "?"}
        ask = {"role": "user", "content": f"Größe {n}?"}
        reply = {"role": "assistant", "content": f"{n} cm"}
        records += [
            chat(f"hi {n}", "yes", line=7 * n),
            chat("", "", messages=[ask, {**reply, "weight": 0}, ask, reply], line=7 * n + 1),
            chat(f"use {n}", "ok", tools=[TOOL], line=7 * n + 2),
            chat(f"<|end|> {n}", "forged", line=7 * n + 3),
            chat("a b ", f"c{n}", kind="completion", line=7 * n + 4),
            chat("", "", kind="text", messages=[reply], line=7 * n + 5),
            chat("refused", "x", messages=[nobody, reply], line=7 * n + 6),
        ]
    return records


@pytest.fixture
def picky(tokenizer: ChatTokenizer) -> ChatTokenizer:
    """The byte tokenizer with a template that refuses a role, prints tools and hides nothing."""
    text = (
        "{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}"
        "{% if message.role == 'none' %}{{ raise_exception('no such role') }}{% endif %}"
        "<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    return replace(tokenizer, templates={"default": text})


def run(records: list[Record], tokenizer: ChatTokenizer, **more: Any) -> Any:
    return tokenize(
        records, tokenizer, max_seq_len=99, on_too_long="drop", on_bad_rows="drop", **more
    )


def test_rows_read_back_from_bytes_equal(records: list[Record], picky: ChatTokenizer) -> None:
    rows = list(render_each(records, picky))
    assert decode_rows(encode_rows(rows)) == rows
    assert [len(row.refusals) for row in rows[:7]] == [0] * 6 + [1]


def test_a_row_that_stands_there_twice_is_rendered_once(
    records: list[Record], picky: ChatTokenizer
) -> None:
    repeated = [*records, *records[:5], records[2]]
    renderer = RowRenderer()
    result = run(repeated, picky, render=renderer)
    assert renderer.num_rows == len(records)
    assert result == run([replace(one) for one in repeated], picky)


def test_worker_processes_give_what_one_process_gives(
    records: list[Record], picky: ChatTokenizer
) -> None:
    told: list[tuple[int, int]] = []
    renderer = RowRenderer(
        report=lambda done, total: told.append((done, total)), num_cpus=2, min_worker_chars=1
    )
    assert run(records, picky, render=renderer) == run(records, picky)
    assert told == [(4, 21), (8, 21), (12, 21), (16, 21), (20, 21), (21, 21)]


def test_what_fails_in_a_worker_is_raised_as_in_one_process(
    records: list[Record], tokenizer: ChatTokenizer
) -> None:
    without = replace(tokenizer, templates={})
    problems = []
    for more in ({}, {"render": RowRenderer(num_cpus=2, min_worker_chars=1)}):
        with pytest.raises(ConfigError, match="no chat template") as caught:
            run(records, without, **more)
        problems.append(caught.value.problems)
    assert problems[0] == problems[1]


# Answers the greeting, then dies while it is told something longer than a pipe holds.
DIES_LISTENING = """
import os, struct, sys
(size,) = struct.unpack("<Q", sys.stdin.buffer.read(8))
sys.stdin.buffer.read(size)
sys.stdout.buffer.write(bytes(8))
sys.stdout.buffer.flush()
sys.stdin.buffer.read1(9)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (DIES_LISTENING, "SIGKILL, most likely since memory ran out"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL, most likely since memory ran out"),
        ("raise SystemExit('no such module')", "ended with 1: no such module"),
    ],
)
def test_a_lost_worker_ends_the_work_in_one_sentence(
    records: list[Record],
    picky: ChatTokenizer,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    said: str,
) -> None:
    monkeypatch.setattr(pools, "_COMMAND", (sys.executable, "-c", code))
    records[0].messages[0]["content"] *= 300_000
    with pytest.raises(ResourceError, match=said) as caught:
        run(records, picky, render=RowRenderer(num_cpus=2, min_worker_chars=1))
    assert "\n" not in str(caught.value)


def test_an_interrupt_leaves_no_worker_behind(
    records: list[Record], picky: ChatTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[pools.RenderPool] = []

    class Watched(pools.RenderPool):
        def __enter__(self) -> pools.RenderPool:
            made.append(self)
            return self

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rendering, "RenderPool", Watched)
    with pytest.raises(KeyboardInterrupt):
        run(records, picky, render=RowRenderer(report=interrupt, num_cpus=2, min_worker_chars=1))
    workers = made[0]._workers
    assert workers and all(worker.process.returncode is not None for worker in workers)


def test_a_worker_loads_no_torch() -> None:
    code = "import sys, assay.data.render_worker; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_cached_tokens_are_those_made_anew(
    records: list[Record], picky: ChatTokenizer, tmp_path: Path
) -> None:
    fresh = run(records, picky)
    for known in (0, 21):
        renderer = RowRenderer(open_token_cache(picky, tmp_path))
        assert run(records, picky, render=renderer) == fresh
        assert renderer.num_cached == known
    moved = [replace(one, line=one.line + 100, role="anchor") for one in records]
    renderer = RowRenderer(open_token_cache(picky, tmp_path))
    assert run(moved, picky, render=renderer) == run(moved, picky)
    assert renderer.num_cached == 21


def test_an_interrupted_tokenisation_goes_on_where_it_was(
    records: list[Record], picky: ChatTokenizer, tmp_path: Path
) -> None:
    rows = RowRenderer(open_token_cache(picky, tmp_path))(records, picky)
    for _ in range(9):
        next(rows)
    rows.close()
    renderer = RowRenderer(open_token_cache(picky, tmp_path))
    assert run(records, picky, render=renderer) == run(records, picky)
    assert renderer.num_cached == 12


def test_damaged_and_foreign_files_are_made_anew(
    records: list[Record], picky: ChatTokenizer, tmp_path: Path
) -> None:
    run(records, picky, render=RowRenderer(open_token_cache(picky, tmp_path)))
    files = sorted(tmp_path.glob("*/*.arrow"))
    assert len(files) == 6
    files[0].write_bytes(b"not Arrow")
    files[1].write_bytes(files[1].read_bytes()[:-1])
    (files[0].parent / "notes.arrow").write_text("foreign")
    for known in (range(13, 18), [21]):
        renderer = RowRenderer(open_token_cache(picky, tmp_path))
        assert run(records, picky, render=renderer) == run(records, picky)
        assert renderer.num_cached in known


def test_what_decides_the_tokens_decides_the_file(
    chat: Chat, picky: ChatTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "MIN_CACHED_CHARS", 1)
    turned = {**TOOL, "function": {"name": "get", "parameters": {"a": {}, "b": {}}}}
    other = replace(picky, templates={"default": picky.template.replace("<|end|>", "<|end|> ")})
    for tools, tokenizer in ((TOOL, picky), (turned, picky), (TOOL, other)):
        records = [chat("hi", "yes", tools=[tools])]
        renderer = RowRenderer(open_token_cache(tokenizer, tmp_path))
        assert run(records, tokenizer, render=renderer) == run(records, tokenizer)
        assert renderer.num_cached == 0


def test_the_oldest_files_go_first(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path, "base", max_bytes=250)
    for number, key in enumerate("abcd"):
        cache.write(key * 32, key.encode() * 100)
        (path,) = (tmp_path / "base").glob(f"{key}*")
        os.utime(path, (number, number))
    assert TokenCache(tmp_path, "base").read("a" * 32) == b"a" * 100  # used just now
    cache.evict()
    kept = TokenCache(tmp_path, "base")
    assert [kept.read(key * 32) is not None for key in "abcd"] == [True, False, False, True]


def test_nothing_is_kept_where_it_cannot_or_must_not_be(
    records: list[Record], picky: ChatTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = open_token_cache(picky, blocked / "tokens")
    assert run(records, picky, render=RowRenderer(cache)) == run(records, picky)
    dated = replace(picky, templates={"default": "{{ strftime_now('%d') }}"})
    assert open_token_cache(dated, tmp_path) is None
    monkeypatch.setenv("ASSAY_CACHE", "")
    assert find_cache_folder("tokens") is None and open_token_cache(picky) is None
    monkeypatch.delenv("ASSAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_cache_folder("tokens") == tmp_path / "assay" / "tokens"
