"""Plans and versions: what is mended, what is kept, what is undone and erased."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checking import chat

from assay.config import SourceConfig
from assay.config.tree import parse_yaml, to_plain
from assay.data import read_sources, write_split
from assay.data.curate import check_parts, settle
from assay.data.curate.curate import Curated, curate_parts, plan_files
from assay.data.curate.diff import diff_records, show_changes
from assay.data.curate.erase import erase_rows, find_trained
from assay.data.curate.mask_key import make_mask_key, open_book
from assay.data.curate.parts import read_parts
from assay.data.curate.plan import read_plan, write_plan
from assay.data.versions import MASKS, VersionStore
from assay.errors import DataError
from assay.runs import RunFolder

ROWS: list[Any] = [
    chat("hi", "hello"),
    chat("who is it?", "It is Anna Smith of desk 4.", customer="Anna Smith"),
    chat("hi ", "hello"),
    "{broken",
    chat("where is it?", "In the cafÃ©, as always."),
    {"prompt": "never", "completion": "read"},
]


def write(folder: Path, rows: list[Any] = ROWS) -> dict[str, list[SourceConfig]]:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"train": [SourceConfig(path="rows.jsonl")]}


def curate(folder: Path, rows: list[Any] = ROWS, **more: Any) -> Curated:
    return curate_parts(
        write(folder, rows), out=folder / "d", base_dir=folder, settings=settle(None), **more
    )


def questions(store: Path) -> list[str]:
    result = read_sources([SourceConfig(path=store.name)], base_dir=store.parent)
    assert not result.refusals
    return [record.messages[0]["content"] for record in result.records]


def test_curating_mends_into_a_version_that_passes_and_undo_restores(tmp_path: Path) -> None:
    done = curate(tmp_path)
    assert done.checked.verdict != "refused"
    assert questions(tmp_path / "d") == ["hi", "who is it?", "where is it?"]
    store = VersionStore.open(tmp_path / "d")
    assert [record.messages[1]["content"] for record in store.records(store.current)][2] == (
        "In the café, as always."
    )
    first = store.undo()
    assert first.parent is None
    parts = {"train": [SourceConfig(path="d")]}
    again = check_parts(parts, base_dir=tmp_path, settings=settle(None), work=tmp_path / "w")
    assert again.verdict == "refused"
    with pytest.raises(DataError, match="the first version"):
        store.undo()


def test_the_same_data_give_the_same_version(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ids = {curate(tmp_path / name).version.content for name in ("a", "b")}
    assert len(ids) == 1


def test_a_version_reads_back_equal_whatever_the_kind_of_row(tmp_path: Path) -> None:
    rows = [{"text": f"Plain text {n}."} for n in range(3)]
    curate(tmp_path, [*rows, rows[0]])
    result = read_sources([SourceConfig(path="d", weight=2.0)], base_dir=tmp_path)
    assert [(one.kind, one.weight, one.line) for one in result.records] == [
        ("text", 2.0, line) for line in (1, 2, 3)
    ]


def test_an_edited_plan_is_carried_out_as_it_says(tmp_path: Path) -> None:
    parts = write(tmp_path)
    settings = settle(None)
    checked = check_parts(parts, base_dir=tmp_path, settings=settings, work=tmp_path / "w")
    path = tmp_path / "plan.jsonl"
    write_plan(path, plan_files(parts, checked, base_dir=tmp_path))
    lines = path.read_text("utf-8").splitlines()
    kept = [
        line.replace('"action": "drop"', '"action": "keep"') if "duplicate" in line else line
        for line in lines
    ]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    curate(tmp_path, plan=read_plan(path))
    assert questions(tmp_path / "d") == ["hi", "who is it?", "hi ", "where is it?"]
    path.write_text(kept[0] + '\n{"action": "burn"}\n[]\n', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_plan(path)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_a_plan_of_other_data_is_refused(tmp_path: Path) -> None:
    parts = write(tmp_path)
    settings = settle(None)
    checked = check_parts(parts, base_dir=tmp_path, settings=settings, work=tmp_path / "w")
    plan = plan_files(parts, checked, base_dir=tmp_path)
    with pytest.raises(DataError, match="the data have changed"):
        curate(tmp_path, ROWS[1:], plan=plan)


def test_changed_files_of_the_first_version_are_told(tmp_path: Path) -> None:
    curate(tmp_path)
    write(tmp_path, ROWS[:2])
    with pytest.raises(DataError, match="changed or is missing"):
        VersionStore.open(tmp_path / "d").undo()


def test_a_diff_names_rows_and_shows_texts(tmp_path: Path) -> None:
    curate(tmp_path)
    before = read_sources([SourceConfig(path="rows.jsonl")], base_dir=tmp_path).records
    store = VersionStore.open(tmp_path / "d")
    after = list(store.records(store.current))
    found = show_changes(diff_records(before, after), before, after)
    assert [Path(place).name for place in found.removed] == ["rows.jsonl:3"]
    (changed,) = found.changed
    assert changed.texts == (
        ("messages[1].content", "In the cafÃ©, as always.", "In the café, as always."),
    )
    assert (found.num_same, found.added) == (2, ())


def test_erasing_a_person_finds_versions_runs_and_files(tmp_path: Path) -> None:
    curate(tmp_path)
    store = VersionStore.open(tmp_path / "d")
    rows = list(store.records(store.current))
    run = RunFolder.create(tmp_path / "runs", "desk", "base: tiny\n")
    run.data.mkdir(exist_ok=True)
    write_split(run.data / "train.parquet", rows)
    erased = erase_rows(store, persons=["anna smith"])
    assert [Path(place).name for place in erased.places] == ["rows.jsonl:2"]
    assert questions(tmp_path / "d") == ["hi", "where is it?"]
    assert len(erased.older) == 1
    (trained,) = find_trained(tmp_path / "runs", erased)
    assert (trained.num_rows, trained.status) == (1, "not judged")
    with pytest.raises(DataError, match="which no row"):
        erase_rows(store, persons=["anna smith"])
    purged = erase_rows(store, rows=[next(iter(store.records(store.current))).id], purge=True)
    assert purged.older == () and len(purged.purged) == 2
    assert questions(tmp_path / "d") == ["where is it?"]


def test_masks_are_reversible_with_the_key_alone(tmp_path: Path) -> None:
    key = make_mask_key(tmp_path / "key")
    row = chat("where is it?", "In the cafÃ©, as always.")
    done = curate_parts(
        write(tmp_path, [row, chat("a", "b")]),
        out=tmp_path / "d",
        base_dir=tmp_path,
        settings=settle({"mojibake": "mask"}),
        key=key,
    )
    store = VersionStore.open(tmp_path / "d")
    answer = next(iter(store.records(done.version))).messages[1]["content"]
    assert "MOJIBAKE_1" in answer and "Ã" not in answer
    sealed = (store.folder(done.version.id) / MASKS).read_bytes()
    assert "Ã©".encode() not in sealed
    assert open_book(sealed, key).unmask(answer) == row["messages"][1]["content"]


def test_the_card_says_what_the_rows_are_and_what_was_done(tmp_path: Path) -> None:
    rows = [chat(f"question {n}", "a sound answer", license="mit", source="desk") for n in range(3)]
    done = curate(tmp_path, [*rows, rows[0], "{broken"])
    card = (tmp_path / "d" / "versions" / done.version.id / "README.md").read_text("utf-8")
    front = yaml_of(card)
    assert (front["license"], front["size_categories"]) == ("mit", ["n<1K"])
    assert "3 rows: 3 chat." in card
    assert "| licence | mit | 3 |" in card
    assert "| broken_json | drop | 1 |" in card and "| exact_duplicate | drop | 1 |" in card


def yaml_of(card: str) -> dict[str, Any]:
    root, problems = parse_yaml(card.split("---")[1], file="")
    assert not problems
    return dict(to_plain(root))


def test_a_diff_shows_no_more_than_the_ends_of_what_was_masked(tmp_path: Path) -> None:
    rows = [
        chat("hi", "hello"),
        chat("card?", "It says 4539148803436467, and so it is."),
        chat("b?", "so be it"),
    ]
    done = curate(tmp_path, rows)
    store = VersionStore(tmp_path / "d")
    parts = {"train": [SourceConfig(path=str(tmp_path / "rows.jsonl"))]}
    before = [one.record for one in read_parts(parts, base_dir=tmp_path) if one.record is not None]
    after = list(store.records(done.version))
    for first, second in ((before, after), (after, before)):
        (changed,) = show_changes(diff_records(first, second), first, second).changed
        texts = changed.texts[0][1:]
        assert "4539148803436467" not in "".join(texts)
        assert "It says [CARD_LIKE_NUMBER_1], and so it is." in texts
        assert any("and so it is." in one and "…" in one for one in texts)
