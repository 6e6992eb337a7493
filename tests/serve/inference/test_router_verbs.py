"""`assay router`: explain over a store without a server, replay of two policies on a log."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from releases import make_release
from stored_models import add_job

from assay.cli import main
from assay.data.records import Record
from assay.evaluate.scope import Scope
from assay.generate.local import LocalEngine
from assay.models.base import find_base, load_model
from assay.pipeline.scope import Rows, TurnMeter, build_scope
from assay.release import load_or_make_key
from assay.runs.store import open_store
from assay.runs.store.models import insert_model
from assay.serve.router.decide import Decision, Facts, Reading
from assay.serve.router.explain import read_prompt
from assay.serve.router.log import RoutingLog

NAME = "ft:tiny:assay:sums:a"
POLICY = (
    f'models: {{sums: {{model: "{NAME}", level: 0.2}}}}\nlabels: {{inside: {{remote: false}}}}\n'
)


@pytest.fixture()
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "router.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_explain_says_what_the_server_would_do(
    tmp_path: Path,
    policy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    base = find_base("tiny")
    engine = LocalEngine(load_model(base), base.tokenizer, context_len=base.context_len)
    records = [
        Record(
            str(n),
            [
                {"role": "user", "content": f"Add {n % 9} and {n // 9}."},
                {"role": "assistant", "content": str(n % 9 + n // 9)},
            ],
            None,
            "chat",
            None,
            "f",
            n,
            "s",
        )
        for n in range(81)
    ]
    rows = Rows(records[::3], records[1::3], records[2::3])
    scope = build_scope(rows, TurnMeter(engine, nullcontext), for_tiny=True, seed=0)
    assert isinstance(scope, Scope)
    store = open_store(tmp_path / "store")
    add_job(store, "ftjob-1")
    made = make_release(base, store.folder, NAME, key=load_or_make_key(), scope=scope)
    with store.write() as connection:
        insert_model(
            store,
            connection,
            id=NAME,
            base="tiny",
            job_id="ftjob-1",
            folder=made.folder.relative_to(store.folder).as_posix(),
            run=made.run.relative_to(store.folder).as_posix(),
            state="released",
        )
    store.close()
    options = ["--policy", str(policy), "--store", str(tmp_path / "store")]
    own = run(capsys, "router", "explain", "Add 4 and 5.", *options)
    asked = tmp_path / "asked.json"
    messages = [{"role": "user", "content": "Tell me a story about the sea and its ships."}]
    asked.write_text(json.dumps({"messages": messages}), encoding="utf-8")
    other = run(capsys, "router", "explain", str(asked), "--label", "inside", *options)
    assert own["decision"]["to"] == "sums"
    assert own["readings"]["sums"]["is_inside"]
    assert own["readings"]["sums"]["level"] == 0.2
    assert (other["decision"]["to"], other["facts"]["label"]) == ("base", "inside")
    assert other["readings"]["sums"]["p_value"] < 0.2
    assert main(["router", "explain", "x", "--label", "odd", *options]) == 2
    assert "inside" in capsys.readouterr().err


def test_replay_shows_what_changes(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = RoutingLog(tmp_path / "routing.jsonl")
    facts = Facts("default", "", "", 12, 0)
    for p_value in (0.9, 0.15, 0.01):
        reading = Reading(NAME, NAME, 1.0, p_value, 0.05, 99)
        found = Decision("model", "sums", "in_scope", readings={"sums": reading})
        log.write(facts, found, request_id="r", seconds=0.0)
    looser = tmp_path / "looser.yaml"
    looser.write_text(POLICY.replace("0.2", "0.1"), encoding="utf-8")
    command = ["router", "replay", str(tmp_path / "routing.jsonl"), "--policy", str(policy)]
    found = run(capsys, *command, "--policy", str(looser))
    assert found["a"] == {"sums": 1, "base": 2}
    assert found["b"] == {"sums": 2, "base": 1}
    assert found["moves"] == [{"a": "base", "b": "sums", "num": 1}]
    assert found["changed_lines"] == [2]
    assert main([*command, "--policy", str(looser)]) == 0
    assert "1: base → sums" in capsys.readouterr().out
    assert main(command) == 2
    assert "two policies" in capsys.readouterr().err


def test_prompts_are_texts_files_of_text_or_bodies(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    for text in ("Plain words.", "[1, 2]", '{"other": 1}'):
        file.write_text(text, encoding="utf-8")
        assert read_prompt(str(file)).messages == [{"role": "user", "content": text}]
    assert read_prompt("x" * 5000).messages[0]["content"] == "x" * 5000
    file.write_text('{"messages": "x"}', encoding="utf-8")
    assert main(["router", "explain", str(file), "--policy", str(file)]) == 2


def test_a_router_needs_models_and_its_log_a_router(policy: Path, tmp_path: Path) -> None:
    store = ["--store", str(tmp_path / "s")]
    assert main(["serve", "--router", str(policy), "--no-inference", *store]) == 2
    assert main(["serve", "--router-log", str(tmp_path / "x"), *store]) == 2
