"""Checking and mending from Python: the same rows in every form give the same findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checking import chat

import assay
from assay.config import SourceConfig
from assay.data.curate import check_parts
from assay.errors import DataError

CURATE: Any = assay.data.curate
CARD = "4539 1488 0343 6467"
ROWS = [
    chat("Is it open?", "Until six.", shelf=1),
    chat("What is a café?", "The cafÃ© is open.", shelf=2),
    chat("Is it open?", "Until six.", shelf=1),
    chat("Did it arrive?", f"Yes, from card {CARD}.", shelf=4, note=f"paid by {CARD}"),
    chat("Empty?", "  ", shelf=5),
]
ALPACA = [
    {"instruction": "Greet.", "input": "", "output": "Hello.", "n": 1},
    {
        "instruction": "Say who paid.",
        "input": f"Card {CARD}, Tuesday",
        "output": "A reader.",
        "n": 2,
    },
    {"instruction": "Say it.", "input": "now", "output": "It is a cafÃ©.", "n": 3},
]
SHAREGPT = [
    {
        "conversations": [
            {"from": "human", "value": "What is it?"},
            {"from": "gpt", "value": "The cafÃ© is open."},
        ],
        "source": "club",
    }
]
COMPLETION = [{"prompt": "The shop sells ", "completion": "cafÃ© au lait and tea."}]
TEXT = [{"text": f"The bill was paid by card {CARD} at noon.", "lang": "en"}]

DISTINCT = [
    ("Where do the old maps of the county hang?", "In the second room, by scale and year."),
    ("Who tunes the piano in the hall each autumn?", "A craftsman from the next town."),
    ("How many ukuleles can be lent at a time?", "Four, each with its sleeve."),
    ("What happens with boxes of donated comics?", "Volunteers sort them on Mondays."),
    ("Which door is open after eight in winter?", "The small one beside the bicycle stands."),
    ("Why does the lift smell of oranges lately?", "The cleaner uses a new polish."),
    ("When are the microscopes handed out again?", "As soon as the lenses are back."),
    ("May visitors pick plums in the courtyard?", "One handful, if the gardener nods."),
]


def found(checked: Any) -> list[tuple[int, str]]:
    return sorted((one.line, one.rule) for one in checked.findings)


def write(folder: Path, rows: list[Any], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_in_memory_are_found_as_those_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    parts = {"train": [SourceConfig(path=path.name)]}
    expected = found(check_parts(parts, base_dir=tmp_path))
    assert {"mojibake", "payment_card", "exact_duplicate", "empty_answer"} <= {
        r for _, r in expected
    }
    for given in (ROWS, iter(ROWS), tuple(ROWS), str(path), path, [path]):
        checked = assay.data.check(given)
        assert checked.verdict == "refused"
        assert found(checked) == expected


def test_a_data_set_gives_the_findings_of_its_rows_and_comes_back_as_one() -> None:
    datasets = pytest.importorskip("datasets")
    rows = [row for row in ROWS if "note" not in row]
    dataset = datasets.Dataset.from_list(rows)
    assert found(assay.data.check(dataset)) == found(assay.data.check(rows))
    done = CURATE(dataset)
    back = done.to_given()
    assert isinstance(back, datasets.Dataset)
    assert back.column_names == dataset.column_names
    assert back.to_list() == done.to_list()
    assert [row["shelf"] for row in back] == [1, 2]
    assert back[1]["messages"][1]["content"] == "The café is open."


def test_a_data_frame_gives_the_findings_of_its_rows_and_comes_back_as_one() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS)
    assert found(assay.data.check(frame)) == found(assay.data.check(ROWS))
    back = CURATE(frame).to_given()
    assert isinstance(back, pandas.DataFrame)
    assert list(back.columns) == list(frame.columns)
    assert list(back["shelf"]) == [1, 2, 4]


@pytest.mark.parametrize("rows", [ROWS, ALPACA, SHAREGPT, COMPLETION, TEXT])
def test_mended_rows_keep_their_shape_and_read_as_the_records(rows: list[dict[str, Any]]) -> None:
    done = CURATE(rows)
    assert done.checked.verdict != "refused"
    back = done.to_list()
    assert len(back) == len(done) == len(done.places)
    assert all(row.keys() <= rows[0].keys() | {"note"} for row in back)
    again = CURATE(back, rules=dict.fromkeys(done.checked.settings.rules, "off"))
    assert [one.messages for one in again.records] == [one.messages for one in done.records]
    text = json.dumps(back, ensure_ascii=False)
    assert CARD not in text
    assert "cafÃ©" not in text
    untouched = [row for row in back if row in rows]
    assert len(untouched) == len(back) - len({one.number for one in _changing(done)})


def _changing(done: Any) -> list[Any]:
    dropped = {one.number for one in done.plan.actions if one.fix == "drop"}
    actions = [one for one in done.plan.actions if one.fix in ("mask", "repair", "relabel")]
    return [one for one in actions if one.number not in dropped]


def test_a_mask_goes_back_into_the_column_that_held_the_text() -> None:
    back = CURATE(ALPACA).to_list()
    assert back[0] == ALPACA[0]
    assert back[1]["instruction"].endswith("Card [CARD_1], Tuesday")
    assert back[1]["output"] == "A reader."
    assert back[2] == {**ALPACA[2], "output": "It is a café."}
    (row,) = [one for one in CURATE(ROWS).to_list() if one["shelf"] == 4]
    assert row["note"] == "paid by [CARD_1]"
    assert row["messages"][1]["content"] == "Yes, from card [CARD_1]."


def test_paths_are_mended_in_memory_and_stay_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    before = path.read_bytes()
    done = CURATE([path])
    assert done.to_list() == CURATE(ROWS).to_list()
    assert path.read_bytes() == before
    assert [one.rsplit(":", 1)[1] for one in done.places] == ["1", "2", "4"]


def test_held_out_rows_and_suites_are_looked_at_for_leaks() -> None:
    rows = [chat(*pair) for pair in DISTINCT]
    checked = assay.data.check(rows, test=[rows[2]], suites={"desk": [rows[5]]})
    assert checked.num_rows == {"train": 8, "test": 1, "suite:desk": 1}
    leaks = {
        one.line for one in checked.findings if one.rule == "leaked_row" and one.part == "train"
    }
    assert leaks == {3, 6}
    assert len(CURATE(rows, test=iter([rows[2]]))) == 7


def test_rules_and_accepted_errors_are_settings_as_in_a_recipe() -> None:
    assert assay.data.check(ROWS, accept=["all"]).verdict == "warnings"
    checked = assay.data.check(ROWS, rules={"mojibake": "off", "payment_card": "info"})
    severities = {one.rule: one.severity for one in checked.findings}
    assert "mojibake" not in severities
    assert severities["payment_card"] == "info"
    with pytest.raises(DataError, match="did you mean mojibake"):
        assay.data.check(ROWS, rules={"mojibak": "off"})
    named = [{"q": "What is it?", "a": "The cafÃ© is open."}]
    columns = {"prompt": "q", "completion": "a"}
    assert found(assay.data.check(named, columns=columns))[0][0] == 1
    assert CURATE(named, columns=columns).to_list() == [{**named[0], "a": "The café is open."}]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (7, "int"),
        ({"messages": []}, "dict"),
        ([], "no rows"),
        ([{"title": "x"}], "title"),
        (b"bytes", "bytes"),
    ],
)
def test_what_is_no_rows_is_refused_by_name(rows: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        assay.data.check(rows)


def test_splits_of_a_data_set_are_refused_and_one_is_named() -> None:
    datasets = pytest.importorskip("datasets")
    splits = datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS[:1])})
    with pytest.raises(DataError, match=r'name one split, such as dataset\["train"\]'):
        assay.data.check(splits)


def test_a_row_that_is_no_mapping_is_a_finding_of_its_row() -> None:
    checked = assay.data.check([ROWS[0], "text", ROWS[1]])
    assert (2, "unusable_row") in found(checked)
