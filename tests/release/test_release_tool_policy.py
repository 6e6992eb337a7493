"""A release freezes what its model's tool calls may do, and whatever changes it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from assay.data.records import Record
from assay.data.stored import write_split
from assay.errors import ConfigError, ReleaseError
from assay.release import SigningKey, read_released_policy, release_run, verify_release
from assay.runs import RunFolder
from assay.tools.policy import Policy, load_policy

MakeRun = Callable[..., RunFolder]
TOOLS = [{"name": name, "parameters": {}} for name in ("look_up", "send_email")]


def build_record(number: int, *, wanted: bool | None = None) -> Record:
    call = {"name": "look_up", "arguments": json.dumps({"id": f"A{number}"})}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": f"Where is A{number}?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"type": "function", "function": call}],
        },
    ]
    return Record(
        f"{number:016d}",
        messages,
        TOOLS,
        "chat",
        None,
        "rows.jsonl",
        number,
        "rows",
        is_wanted=wanted,
    )


@pytest.fixture
def run(make_run: MakeRun) -> RunFolder:
    made: RunFolder = make_run()
    write_split(made.data / "train.parquet", [build_record(n) for n in range(60)])
    return made


def test_a_release_has_the_policy_of_its_rows_and_signs_it(run: RunFolder, key: SigningKey) -> None:
    release_run(run, key=key)
    policy = read_released_policy(run.path)
    assert list(policy.tools) == ["look_up"]
    text = run.tool_policy.read_text("utf-8")
    assert "# Offered, never called, so denied: send_email." in text
    assert "From 60 calls of the training rows; of 60 of them, 60 pass." in text
    run.tool_policy.write_text(text.replace("max_per_turn: 2", "max_per_turn: 200"), "utf-8")
    assert load_policy(run.tool_policy) != policy
    assert [one.path for one in verify_release(run.path).problems] == ["tool-policy.yaml"]
    with pytest.raises(ReleaseError, match="not the one that was signed"):
        read_released_policy(run.path)


def test_a_policy_that_was_edited_before_the_release_is_kept(
    run: RunFolder, key: SigningKey
) -> None:
    run.tool_policy.write_text("breaches: {secret: redact}\n", "utf-8")
    release_run(run, key=key)
    assert read_released_policy(run.path) == Policy(breaches={"secret": "redact"})


def test_a_wrong_policy_is_not_released(run: RunFolder, key: SigningKey) -> None:
    run.tool_policy.write_text("breachs: {}\n", "utf-8")
    with pytest.raises(ConfigError, match="breachs"):
        release_run(run, key=key)
    assert not run.release.exists()


def test_a_run_without_tools_denies_all(make_run: MakeRun, key: SigningKey) -> None:
    made = make_run()
    release_run(made, key=key)
    assert read_released_policy(made.path) == Policy()
    assert verify_release(made.path).ok


def test_unwanted_answers_teach_nothing(make_run: MakeRun, key: SigningKey) -> None:
    made = make_run()
    write_split(made.data / "train.parquet", [build_record(n, wanted=False) for n in range(60)])
    release_run(made, key=key)
    assert read_released_policy(made.path) == Policy()


def test_a_release_without_policy_or_signature_gives_none(run: RunFolder, key: SigningKey) -> None:
    with pytest.raises(ReleaseError, match="no signed release"):
        read_released_policy(run.path)
    release_run(run, key=key)
    run.tool_policy.unlink()
    with pytest.raises(ReleaseError, match=r"no tool-policy\.yaml"):
        read_released_policy(run.path)
    run.release.write_bytes(run.release.read_bytes() + b" ")
    with pytest.raises(ReleaseError, match="does not fit"):
        read_released_policy(run.path)
