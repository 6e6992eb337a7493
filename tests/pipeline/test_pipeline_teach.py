"""Rows with a teacher's answers: asked of an endpoint or of a model here, and gone on with."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.cli.data_distil import read_asked_rows
from assay.cli.eval_verb import build_source
from assay.data.read import read_sources
from assay.errors import GenerationError
from assay.generate.remote import RemoteAnswer
from assay.pipeline.teach import Asking, Pace, Taught, ask_remote, teach

FATE = {"Q3": "length", "Q5": "empty", "Q6": "refused"}


class Sage:
    """Stands in for an endpoint: answers by the question, fails once at `failing`."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.asked: list[str] = []
        self.systems: set[str] = set()
        self.lock = threading.Lock()

    def complete(self, messages: Sequence[Mapping[str, Any]], **settings: Any) -> RemoteAnswer:
        question = messages[-1]["content"]
        with self.lock:
            self.asked.append(question)
            self.systems |= {m["content"] for m in messages if m["role"] == "system"}
        if question == self.failing:
            raise GenerationError("the line is dead")
        fate = FATE.get(question, "")
        return RemoteAnswer(
            "" if fate == "empty" else f"of {question}",
            refusal="I will not" if fate == "refused" else "",
            finish_reason="length" if fate == "length" else "stop",
        )


def _write_rows(path: Path, num: int = 8) -> Path:
    rows = [{"messages": [{"role": "user", "content": f"Q{n}"}], "level": n} for n in range(num)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _teach(tmp_path: Path, sage: Any) -> Taught:
    source = build_source(str(_write_rows(tmp_path / "rows.jsonl")), "auto", [])
    records = read_asked_rows([source])
    asking = Asking(max_new_tokens=9, system="Be brief.")
    ask = ask_remote(sage, asking, pace=Pace(None), num_parallel=3)
    return teach(records, tmp_path / "out.jsonl", teacher={"name": "sage"}, asking=asking, ask=ask)


def test_an_endpoint_that_fails_is_gone_on_with_where_it_failed(tmp_path: Path) -> None:
    first = Sage(failing="Q4")
    with pytest.raises(GenerationError):
        _teach(tmp_path, first)
    second = Sage()
    found = _teach(tmp_path, second)
    assert second.asked[0] == "Q4" and not {"Q0", "Q1", "Q2", "Q3"} & set(second.asked)
    assert found == Taught(num_rows=5, num_left=3, num_repeated=0)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["level"] for row in rows] == [0, 1, 2, 4, 7]
    assert [row["messages"][-1]["content"] for row in rows][:2] == ["of Q0", "of Q1"]
    assert second.systems == {"Be brief."} and all(len(row["messages"]) == 2 for row in rows)
    left = (tmp_path / "out.jsonl.left").read_text("utf-8")
    assert [json.loads(line)["why"] for line in left.splitlines()] == [
        "not finished after 9 tokens",
        "empty",
        "refused by the endpoint: I will not",
    ]


def test_requests_begin_at_an_even_pace() -> None:
    times, waits = iter([0.0, 0.0, 0.1, 9.0, 9.0]), list[float]()
    pace = Pace(60, clock=lambda: next(times), sleep=waits.append)
    for _ in range(4):
        pace.wait()
    assert waits == [pytest.approx(0.9), pytest.approx(1.0)]


def test_a_model_here_teaches_rows_that_a_run_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = _write_rows(tmp_path / "rows.jsonl", num=3)
    out = tmp_path / "out.jsonl"
    command = ["data", "distil", str(rows), "--out", str(out), "--teacher", "tiny", "--json"]
    command += ["--max-new-tokens", "48", "--batch-size", "2"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["num_rows"] + told["num_left"] == 3 and told["num_rows"] > 0
    before = out.read_text("utf-8")
    lines = before.splitlines(keepends=True)
    out.write_text("".join(lines[:-1]), encoding="utf-8")
    assert main(command) == 0
    assert out.read_text("utf-8") == before
    read = read_sources([build_source(str(out), "auto", [])], base_dir=tmp_path)
    assert not read.refusals and not read.problems
    assert {record.extra["taught_by"] for record in read.records} == {"tiny"}
    assert main([*command, "--samples", "2"]) == 2
    assert main([*command, "--key-env", "KEY"]) == 2
