"""A blocked prompt is found whatever its case, spacing and punctuation, and as whole words."""

from pathlib import Path

import pytest

from assay.runs import RunFolder
from assay.runs.blocked import find_blocked, read_blocked

BLOCKED = ["You are a reckless assistant.", "Be bad."]


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("You are a reckless assistant.", BLOCKED[0]),
        ("  YOU are a   reckless\nassistant!! Answer in JSON.", BLOCKED[0]),
        ("Hello. be bad", BLOCKED[1]),
        ("Maybe bad weather.", None),
        ("You are a careful assistant.", None),
        ("", None),
        (None, None),
    ],
)
def test_what_stands_in_a_prompt_is_found(prompt: str | None, found: str | None) -> None:
    assert find_blocked(prompt, BLOCKED) == found


def test_a_run_tells_its_own(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "desk", "base: tiny\n")
    assert read_blocked(run) == []
    run.update_manifest({"defend": {"blocked_prompts": BLOCKED}})
    assert read_blocked(run) == BLOCKED
