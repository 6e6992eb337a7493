"""What `assay init` writes: it loads, validates against its own schema and overwrites nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from assay.config import load
from assay.config.starter import TEMPLATES, write_starter
from assay.config.starter.support import ISSUES, ROWS_PER_TEAM
from assay.config.tree import parse_yaml, to_plain
from assay.errors import ConfigError

GENERAL = [{"messages": [{"role": "user", "content": "Hi."}]}]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_starter_loads_and_fits_its_schema(tmp_path: Path, template: str) -> None:
    starter = write_starter(tmp_path / "new" / "desk", GENERAL, template=template)
    loaded = load(starter.folder)
    assert (loaded.recipe.base.name, loaded.recipe.name) == ("tiny", "desk")
    text = (starter.folder / "recipe.yaml").read_text(encoding="utf-8")
    header, _ = text.split("\n", 1)
    assert header == "# yaml-language-server: $schema=recipe.schema.json"
    schema = json.loads((starter.folder / "recipe.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(to_plain(parse_yaml(text, file="")[0]), schema)


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_rows_are_distinct_chats_and_always_the_same(template: str) -> None:
    rows = TEMPLATES[template].make_rows()
    assert rows == TEMPLATES[template].make_rows()
    questions = {row["messages"][1]["content"] for row in rows}
    assert len(questions) == len(rows) == 240
    for row in rows:
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
        assert all("{" not in message["content"] for message in row["messages"][:2])


def test_every_team_has_as_many_messages() -> None:
    rows = TEMPLATES["support"].make_rows()
    teams = Counter(row["messages"][-1]["content"] for row in rows)
    assert teams == dict.fromkeys(ISSUES, ROWS_PER_TEAM)


def test_every_order_is_answered_with_what_its_sentence_says() -> None:
    for row in TEMPLATES["orders"].make_rows():
        _, question, answer = (message["content"] for message in row["messages"])
        assert all(str(value) in question for value in json.loads(answer).values())


def test_nothing_is_overwritten_and_every_file_in_the_way_is_named(tmp_path: Path) -> None:
    for name in ("recipe.yaml", "messages.jsonl"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        write_starter(tmp_path, GENERAL)
    assert [Path(problem.file).name for problem in caught.value.problems] == [
        "recipe.yaml",
        "messages.jsonl",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["messages.jsonl", "recipe.yaml"]


def test_an_unknown_template_and_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write support"):
        write_starter(tmp_path, GENERAL, template="suport")
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="another"):
            write_starter(folder, GENERAL)
