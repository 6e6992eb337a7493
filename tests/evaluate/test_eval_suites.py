"""Suite files, their mistakes, and the built-in refusal prompts."""

import json
from collections import Counter

import pytest

from assay.errors import DataError
from assay.evaluate.items import Item, item_from_dict
from assay.evaluate.suites import build_suite, load_builtin_suite, load_suite


def save(folder, *rows):
    path = folder / "general.jsonl"
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def problems(folder, *rows, kind="retention"):
    with pytest.raises(DataError) as caught:
        load_suite(save(folder, *rows), kind=kind)
    return caught.value.problems


def test_rows_become_items(tmp_path):
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4"},
    ]
    path = save(
        tmp_path,
        {"id": "a", "prompt": "Capital of France?", "answer": "Paris", "metric": "contains"},
        {"messages": chat},
        {"prompt": "A colour?", "answers": ["red", "blue"], "system": "One word.", "group": "g"},
    )
    suite = load_suite(path, kind="retention")
    first, second, third = suite.items
    assert suite.name == "general"
    assert (first.id, first.metric, first.reference) == ("a", "contains", "Paris")
    assert (second.id, second.messages) == ("general-2", chat[:2])
    assert second.reference == chat[2]
    assert third.messages[0] == {"role": "system", "content": "One word."}
    assert (third.reference, third.alternatives, third.group) == ("red", ("blue",), "g")
    assert [item.metric for item in suite.items] == ["contains", "exact", "exact"]
    assert suite.metric == "mixed"


def test_prompt_and_completion_are_raw_text(tmp_path):
    row = {"prompt": "2+2=", "completion": " 4", "answers": ["four"], "group": "g"}
    (item,) = load_suite(save(tmp_path, row), kind="retention").items
    assert (item.rendering, item.messages) == ("completion", [{"role": "user", "content": "2+2="}])
    assert (item.reference, item.alternatives, item.group) == (" 4", ("four",), "g")
    (item,) = load_suite(save(tmp_path, {"prompt": "?", "answer": "a"}), kind="retention").items
    assert item.rendering == "chat"
    (item,) = load_suite(save(tmp_path, {"prompt": "?", "completion": ""}), kind="refusal").items
    assert (item.rendering, item.reference) == ("completion", None)
    found = problems(
        tmp_path,
        {"prompt": "?", "completion": "a", "system": "Be brief."},
        {"messages": [], "completion": "a"},
        {"prompt": "?", "completion": 3},
        {"prompt": "?", "completion": ""},
        {"completion": "a"},
    )
    assert [one.key for one in found] == ["system", "messages", "completion", "", ""]
    assert found[0].do == "write `answer` instead of `completion`, or remove `system`"
    assert [one.got for one in found[3:]] == ["no gold answer", "no prompt"]


def test_every_bad_row_is_located(tmp_path):
    found = problems(
        tmp_path,
        {"id": "x", "prompt": "ok?", "answer": "yes"},
        b'{"prompt": "half',
        b'{"prompt": "caf\xe9"}',
        b"[1]",
        {"prompt": "no answer?"},
        {"answer": "no prompt"},
        {"prompt": "?", "anwser": "typo"},
        {"prompt": "?", "answer": "a", "metric": "exactly"},
        {"prompt": "?", "answer": "a", "kind": "refusal"},
        {"prompt": 3, "answer": "a"},
        {"id": "x", "prompt": "?", "answer": "again"},
        {"messages": [{"role": "robot", "content": "hi"}], "answer": "a"},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"prompt": "?", "messages": [], "answer": "a"},
        {"prompt": " ", "answer": "a"},
    )
    assert [problem.line for problem in found] == list(range(2, 16))
    got = {problem.line: problem for problem in found}
    assert got[2].got == "broken JSON"
    assert got[3].got == "a byte that is not UTF-8 at position 16"
    assert got[5].got == "no gold answer"
    assert got[7].do == "write answer"
    assert got[8].do == "write exact"
    assert got[9].allowed == "retention"
    assert (got[10].key, got[10].allowed) == ("prompt", "str")
    assert "first in line 1" in got[11].got
    assert all(problem.file.endswith("general.jsonl") for problem in found)


def test_an_empty_or_missing_file_is_a_problem(tmp_path):
    assert problems(tmp_path, b"", b"  ")[0].got == "no row"
    with pytest.raises(DataError, match="No such file"):
        load_suite(tmp_path / "absent.jsonl", kind="retention")


def test_refusal_rows_need_no_answer_and_are_judged_by_kind(tmp_path):
    path = save(tmp_path, {"prompt": "Do harm."}, {"prompt": "Do more."})
    suite = load_suite(path, kind="refusal", name="mine")
    assert suite.metric == "refusal"
    assert [item.id for item in suite.items] == ["mine-1", "mine-2"]


@pytest.mark.parametrize("kind", ["refusal", "over_refusal"])
def test_built_in_prompts(kind):
    suite = load_builtin_suite(kind)
    counts = Counter(item.extra["category"] for item in suite.items)
    assert len(counts) == 8
    assert set(counts.values()) == {8}
    assert suite.metric == kind
    texts = [item.messages[-1]["content"] for item in suite.items]
    assert len(set(texts)) == 64
    assert all(item.reference is None and len(item.messages) == 1 for item in suite.items)


def test_each_refusal_prompt_has_its_harmless_twin():
    unsafe, safe = (load_builtin_suite(kind).items for kind in ("refusal", "over_refusal"))
    assert [item.group for item in unsafe] == [item.group for item in safe]


def test_a_rows_options_reach_the_scorers(tmp_path):
    row = {"prompt": "?", "answer": "Yes", "extra": {"casefold": False, "x": 1}}
    (item,) = load_suite(save(tmp_path, row), kind="retention").items
    assert (item.options, item.extra) == ({"casefold": False}, row["extra"])
    row = {"prompt": "?", "refusal_markers": ["non possum"]}
    (item,) = load_suite(save(tmp_path, row), kind="refusal").items
    assert item.options == {"refusal_markers": ["non possum"]}


def test_there_is_no_built_in_suite_of_other_kinds():
    with pytest.raises(ValueError, match="no built-in suite"):
        load_builtin_suite("retention")


def test_the_hash_changes_with_what_is_asked():
    one = build_suite([Item("1", [], "a")], name="s", kind="task")
    same = build_suite([Item("1", [], "a")], name="t", kind="task")
    other = build_suite([Item("1", [], "b")], name="s", kind="task")
    assert one.sha256 == same.sha256 != other.sha256
    raw = build_suite([Item("1", [], "a", rendering="completion")], name="s", kind="task")
    assert raw.sha256 != one.sha256


def test_items_survive_json():
    item = Item("1", [{"role": "user", "content": "?"}], "a", alternatives=("b",), extra={"x": 1})
    assert item_from_dict(json.loads(json.dumps(item.to_dict()))) == item
