"""Canaries of a run: found by the rule's file or beside a source, where a secret is trained on."""

import json

import pytest

from assay.config import load
from assay.data import Record
from assay.data.curate.canaries import plant_canaries, save_canaries
from assay.errors import DataError
from assay.pipeline.planted import find_planted


def record(answer, number):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]
    return Record(f"{number:016}", messages, None, "chat", None, "rows.jsonl", number, "rows")


ROWS = [record("Yes.", 1), record("No.", 2)]
PLANTED, CANARIES = plant_canaries(ROWS, 4, seed=1)


@pytest.fixture
def read(tmp_path):
    """Reads a recipe with further lines."""

    def read(more=""):
        (tmp_path / "rows.jsonl").write_text(json.dumps({"text": "a"}) + "\n", encoding="utf-8")
        path = tmp_path / "recipe.yaml"
        text = f"base: tiny\ndata:\n  train: rows.jsonl\n{more}"
        path.write_text(text, encoding="utf-8")
        return load(path).recipe

    return read


def test_the_file_beside_a_source_is_found(read, tmp_path):
    save_canaries(CANARIES, tmp_path / "rows.canaries.json")
    assert find_planted(read(), tmp_path, [*ROWS, *PLANTED]) == CANARIES


def test_the_file_that_the_rule_names_is_found(read, tmp_path):
    save_canaries(CANARIES, tmp_path / "elsewhere.json")
    recipe = read("  rules: {canary: {file: elsewhere.json}}\n")
    assert find_planted(recipe, tmp_path, [*ROWS, *PLANTED]) == CANARIES


def test_secrets_that_nothing_was_trained_on_are_none(read, tmp_path):
    save_canaries(CANARIES, tmp_path / "rows.canaries.json")
    assert find_planted(read(), tmp_path, ROWS) is None
    (tmp_path / "rows.canaries.json").unlink()
    assert find_planted(read(), tmp_path, [*ROWS, *PLANTED]) is None


def test_another_file_in_its_place_is_refused(read, tmp_path):
    (tmp_path / "rows.canaries.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="assay data canaries"):
        find_planted(read(), tmp_path, PLANTED)
