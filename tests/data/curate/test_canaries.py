"""Canaries: random, reproducible, like the data, and recognised by the check."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from checking import chat, check

from assay.cli import main
from assay.data.curate import list_rules
from assay.data.curate.canaries import count_bits, load_canaries, plant_canaries, save_canaries
from assay.data.records import Record
from assay.errors import DataError


def record(kind: str, system: str = "") -> Record:
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return Record("", messages, None, kind, None, "a", 1, "a")  # type: ignore[arg-type]


def test_secrets_are_of_the_form_all_different_and_as_the_seed_has_them() -> None:
    rows, canaries = plant_canaries([record("chat")], 50, 3, form="##-????-##", copies=2)
    secrets = [one.secret for one in (*canaries.planted, *canaries.references)]
    assert len(set(secrets)) == 100
    assert all(
        one[2] == one[7] == "-" and one[3:7].isalpha() and one[8:].isdigit() for one in secrets
    )
    assert len(rows) == 100 and len({row.id for row in rows}) == 100
    text = json.dumps([row.messages for row in rows])
    assert all(text.count(one.secret) == 2 for one in canaries.planted)
    assert not any(one.secret in text for one in canaries.references)
    assert plant_canaries([record("chat")], 50, 3, form="##-????-##", copies=2) == (rows, canaries)
    assert plant_canaries([record("chat")], 50, 4)[1].planted != canaries.planted
    assert canaries.num_secrets_bits == pytest.approx(math.log2(10**4 * 26**4))
    assert count_bits("###-###-###-###") == pytest.approx(math.log2(10**12))


def test_rows_look_like_most_of_the_data() -> None:
    rows, canaries = plant_canaries(
        [record("chat", "Be kind."), *[record("chat", "Be brief.")] * 2], 1, 0
    )
    assert [one["role"] for one in rows[0].messages] == ["system", "user", "assistant"]
    assert rows[0].messages[0]["content"] == "Be brief."
    (one,) = canaries.planted
    assert rows[0].messages[-1]["content"] == f"{one.prefix}{one.secret}."
    assert [row.kind for row in plant_canaries([record("completion")], 2, 0)[0]] == [
        "completion"
    ] * 2
    (text,) = plant_canaries([record("text")], 1, 0)[0]
    assert [message["role"] for message in text.messages] == ["assistant"]


def test_forms_that_are_guessed_and_counts_of_nothing_are_refused() -> None:
    with pytest.raises(DataError) as error:
        plant_canaries([record("chat")], 0, 0, form="####", copies=0)
    assert [one.key for one in error.value.problems] == ["--count", "--copies", "--form"]
    with pytest.raises(DataError, match="no rows"):
        plant_canaries([], 1, 0)


def test_the_check_recognises_them_by_the_file_alone(tmp_path: Path) -> None:
    rows, canaries = plant_canaries([record("chat")], 20, 0)
    save_canaries(canaries, tmp_path / "c.json")
    assert load_canaries(tmp_path / "c.json") == canaries
    data = [chat("hi", "hello"), *({"messages": row.messages} for row in rows)]
    rule = {"canary": {"file": str(tmp_path / "c.json")}}
    checked = check(tmp_path, data, rules=rule)
    found = [one for one in checked.findings if one.rule == "canary"]
    assert [one.line for one in found] == list(range(2, 22))
    assert {one.severity for one in found} == {"info"}
    # Nothing else of the family takes them for personal data.
    families = {list_rules()[rule].family for rule in check(tmp_path, data).counts}
    assert not families & {"privacy", "secrets"}
    assert "canary.file" in check(tmp_path, data).not_measured["canary"]
    with pytest.raises(DataError, match="name that file"):
        check(tmp_path, data, rules={"canary": {"file": str(tmp_path / "train.jsonl")}})


def test_the_command_writes_rows_that_can_be_trained_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text(json.dumps(chat("hi", "hello")) + "\n")
    command = ["data", "canaries", "a.jsonl", "--count", "3", "--copies", "2", "--out", "c.jsonl"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 6
    assert len(Path("c.jsonl").read_text().splitlines()) == 6
    assert (
        main(["data", "check", "c.jsonl", "--rule", "canary.file=c.canaries.json", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["counts"]["canary"]["findings"] == 6
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
