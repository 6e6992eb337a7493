"""Run folders: ids, manifests, locks, finding and comparing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.errors import CheckpointError
from assay.runs import (
    LockOwner,
    RunFolder,
    capture_environment,
    compare_runs,
    find_run,
    find_unfinished,
    git_revision,
    list_runs,
    read_json,
    read_owner,
    write_json,
)
from assay.runs.ids import new_run_id, slug, split_folder_name

RECIPE = """\
base: {name: tiny, revision: null}
data: {train: [{path: a.jsonl}, {path: b.jsonl}]}
method: {type: lora, rank: 16}
objective: {type: sft}
seed: 0
"""


def test_ids_sort_by_time_and_have_ten_characters() -> None:
    ids = [new_run_id(now_s=second / 1000) for second in (0, 1, 31, 32, 1_763_683_200_000)]
    assert ids == sorted(ids)
    assert [len(run_id) for run_id in ids] == [10] * 5
    assert ids[1][:9] == "000000001"
    assert ids[3][:9] == "000000010"


def test_names_become_safe_and_split_again() -> None:
    assert slug("../Support Desk: v2/") == "support-desk-v2"
    assert slug("…") == "run"
    run_id = new_run_id()
    assert split_folder_name(f"support-v2-{run_id}") == ("support-v2", run_id)
    assert split_folder_name("anything-else") == ("anything-else", "anything-else")


def test_create_writes_recipe_and_machine(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", "Support", RECIPE)
    assert run.path.name == f"support-{run.id}"
    assert run.recipe.read_text() == RECIPE
    manifest = read_json(run.manifest)
    assert manifest["id"] == run.id
    assert manifest["environment"]["python"] == sys.version.split()[0]
    assert manifest["environment"]["memory_bytes"] > 1 << 20
    run.update_manifest({"base": {"name": "tiny", "sha256": "ab"}})
    assert read_json(run.manifest) == {**manifest, "base": {"name": "tiny", "sha256": "ab"}}


def test_open_refuses_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a run folder"):
        RunFolder.open(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    with pytest.raises(CheckpointError, match=r"lacks recipe\.yaml or manifest\.json"):
        RunFolder.open(tmp_path)


def test_versions_come_without_importing_the_packages() -> None:
    code = (
        "import sys, assay.runs as r; p = r.capture_environment()['packages'];"
        "print(p['pydantic'], 'torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1:] == ["False", "False"]
    assert done.stdout.split()[0] == capture_environment()["packages"]["pydantic"]


def test_git_revision_tells_commit_and_changes(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    run = ["git", "-c", "user.name=n", "-c", "user.email=e@x", "-C", str(tmp_path)]
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*run, *arguments], check=True)
    head = subprocess.run([*run, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert git_revision(tmp_path) == head.stdout.strip()
    (tmp_path / "recipe.yaml").write_text("changed")
    assert git_revision(tmp_path) == head.stdout.strip() + "+changes"


def test_lock_keeps_a_second_writer_out(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "r", RECIPE)
    code = (
        "import sys, pathlib, assay.runs as r\n"
        f"with r.RunFolder.open({str(run.path)!r}).lock():\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None and other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(CheckpointError, match=f"pid {other.pid}"), run.lock():
        pass
    assert run.writer is not None and run.writer.pid == other.pid
    assert list_runs(tmp_path)[0].status == "running"
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    assert run.writer is None
    with run.lock():
        assert run.writer is not None and run.writer.pid == os.getpid()
    assert not run.lock_file.exists()


def test_a_reused_pid_is_a_stale_lock_but_another_host_is_not(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "r", RECIPE)
    with run.lock():
        mine = read_owner(run.lock_file)
    assert mine is not None and mine.alive
    write_json(run.lock_file, {"pid": mine.pid, "started_s": 1.0, "host": mine.host})
    assert run.writer is None
    with run.lock():
        pass
    assert LockOwner(pid=1, started_s=1.0, host="elsewhere.example").alive
    run.lock_file.write_text("{torn")
    with run.lock():
        pass


def test_runs_are_listed_newest_first_with_status_and_gain(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
    old, held, new = (RunFolder.create(tmp_path, name, RECIPE) for name in ("old", "held", "new"))
    gain = {"n": 80, "difference": 0.4, "low": 0.3, "high": 0.5}
    task = {"kind": "task", "n": 80, "comparisons": {"tuned_vs_base": gain}}
    write_json(old.evaluation, {"suites": {"task": task}})
    write_json(old.verdict, {"status": "released", "headline": "Better.", "gates": []})
    write_json(held.verdict, {"status": "held", "gates": []})
    write_json(held.release, {"overrides": [{"reason": "x"}]})
    rows = list_runs(tmp_path)
    assert [row.name for row in rows] == ["new", "held", "old"]
    assert [row.status for row in rows] == ["unfinished", "overridden", "unfinished"]
    for path in (old.release, old.signature):
        path.write_text("{}")
    assert list_runs(tmp_path)[2].status == "released", "judged and signed"
    assert (rows[2].gain, rows[2].gain_low, rows[2].num_items) == (0.4, 0.3, 80)
    assert (rows[0].base, rows[0].method, rows[0].objective) == ("tiny", "lora", "sft")
    new.verdict.write_text("{broken")
    assert list_runs(tmp_path)[0].status == "unreadable"


def test_a_run_is_found_by_path_folder_id_start_and_name(tmp_path: Path) -> None:
    first, second = (RunFolder.create(tmp_path, "desk", RECIPE) for _ in range(2))
    for wanted in (str(first.path), first.path.name, first.id):
        assert find_run(tmp_path, wanted).path == first.path
    assert find_run(tmp_path, "desk").path == second.path
    with pytest.raises(CheckpointError, match="start of 2 runs"):
        find_run(tmp_path, first.id[:4])
    with pytest.raises(CheckpointError, match="did you mean desk"):
        find_run(tmp_path, "desc")
    with pytest.raises(CheckpointError, match="no run under"):
        find_run(tmp_path / "empty", "desk")


def test_a_recipes_folder_stands_for_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, text in (("desk", RECIPE), ("shop", RECIPE + "name: MyShop\n")):
        Path(folder).mkdir()
        (Path(folder) / "recipe.yaml").write_text(text)
    with pytest.raises(CheckpointError, match="a recipe without a run under runs/; make one"):
        find_run("runs", "desk")
    assert list_runs(".") == []
    desk, shop = (RunFolder.create("runs", name, RECIPE) for name in ("desk", "MyShop"))
    for wanted in ("desk", "desk/", "./desk", "Desk"):
        assert find_run("runs", wanted).path == desk.path
    for wanted in ("shop", "MyShop", "myshop"):
        assert find_run("runs", wanted).path == shop.path
    monkeypatch.chdir("desk")
    assert find_run("../runs", ".").id == desk.id
    with pytest.raises(CheckpointError):
        find_run("../runs", "")
    with pytest.raises(CheckpointError):
        find_run("../runs", "my/shop")


def test_the_newest_interrupted_run_is_found_by_name(tmp_path: Path) -> None:
    assert find_unfinished(tmp_path / "none") is None
    first, second, other, ended = (
        RunFolder.create(tmp_path, name, RECIPE) for name in ("desk", "Desk", "shop", "desk")
    )
    write_json(ended.verdict, {"status": "held", "gates": []})
    assert find_unfinished(tmp_path) == ended, "judged, and without its report"
    for path in (ended.report, ended.card):
        path.write_text("")
    assert find_unfinished(tmp_path) == other
    write_json(other.verdict, {"status": "released", "gates": []})
    assert find_unfinished(tmp_path) == other, "judged, and not signed"
    for path in (other.release, other.signature):
        path.write_text("{}")
    assert find_unfinished(tmp_path) == second
    other.verdict.unlink()
    assert find_unfinished(tmp_path, "desk") == second
    assert find_unfinished(tmp_path, "nobody") is None
    with second.lock():
        assert find_unfinished(tmp_path, "Desk") == first


def test_compare_shows_what_differs_and_both_scores(tmp_path: Path) -> None:
    a = RunFolder.create(tmp_path, "a", RECIPE)
    b = RunFolder.create(tmp_path, "b", RECIPE.replace("rank: 16", "rank: 4, alpha: 8"))
    for run, mean, outcome in ((a, 0.5, "pass"), (b, 0.75, "fail")):
        write_json(run.evaluation, {"suites": {"task": {"tuned": {"mean": mean}}}})
        write_json(run.verdict, {"status": "held", "gates": [{"name": "g", "outcome": outcome}]})
        run.append_metrics({"step": 1, "train/loss": 2.0})
        run.append_metrics({"step": 2, "train/loss": mean})
        run.items.parent.mkdir()
        run.items.write_text(json.dumps({"suite": "task", "id": "1"}) + "\n")
    found = compare_runs(a, b)
    assert {(row.key, row.a, row.b) for row in found.recipe} == {
        ("method.rank", 16, 4),
        ("method.alpha", None, 8),
    }
    assert [(row.key, row.a, row.b) for row in found.evaluation] == [("task/tuned", 0.5, 0.75)]
    assert ("train/loss", 0.5, 0.75) in [(row.key, row.a, row.b) for row in found.metrics]
    assert [(row.key, row.a, row.b) for row in found.gates] == [("g", "pass", "fail")]
    assert found.same_items is True
    b.items.write_text(json.dumps({"suite": "task", "id": "2"}) + "\n")
    assert compare_runs(a, b).same_items is False
