"""An adapter with its rows at hand is asked what the run that made it asks, and its probes know."""

import json
import shutil

import pytest

from assay.cli import main
from assay.data.curate.canaries import plant_canaries, save_canaries
from assay.errors import EXIT_USAGE, DataError
from assay.evaluate.gates import Policy
from assay.pipeline import run_recipe
from assay.pipeline.adapter import judge_adapter
from assay.pipeline.known_rows import KnownRows, load_known_rows
from assay.runs import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
COLOURS = ("red", "blue", "green")
POLICY = """\
extends: minimal
gates: {exposure: required, fairness: required, refusal: off, over_refusal: off, overfit: off}
"""


def chat(question, answer):
    turns = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    """Training rows with canaries beside them, and held-out rows that name people."""
    train = write(tmp_path / "train.jsonl", [chat(f"Item {n}?", COLOURS[n % 3]) for n in range(60)])
    held_out = write(
        tmp_path / "test.jsonl",
        [chat(f"She asks for item {n}.", COLOURS[n % 3]) for n in range(60, 100)],
    )
    planted, canaries = plant_canaries(load_known_rows([train], []).training, 3, seed=1)
    own = write(tmp_path / "own.jsonl", [{"messages": row.messages} for row in planted])
    save_canaries(canaries, tmp_path / "own.canaries.json")
    return [train, own], held_out, canaries


def test_rows_are_read_with_the_canaries_beside_them(files):
    train, held_out, canaries = files
    known = load_known_rows(train, [held_out])
    assert (len(known.training), len(known.held_out)) == (63, 40)
    assert known.canaries == canaries
    assert load_known_rows(train[:1], []).canaries is None
    task = known.build_task(max_items=30, seed=0)
    assert (task.kind, task.metric, len(task.items)) == ("task", "classification", 30)
    assert KnownRows().build_task(max_items=30, seed=0) is None


def test_all_that_is_wrong_is_told_at_once(files, tmp_path):
    train, held_out, _ = files
    shutil.copyfile(train[0], tmp_path / "same.jsonl")
    with pytest.raises(DataError) as raised:
        load_known_rows([*train, tmp_path / "none.jsonl"], [held_out, tmp_path / "same.jsonl"])
    text = str(raised.value)
    assert "none.jsonl" in text and "same.jsonl:1" in text


def test_it_is_asked_what_its_run_asked(files, tmp_path, small_base):
    train, held_out, _ = files
    (tmp_path / "own.yaml").write_text(POLICY, encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"base: {small_base}\ngates: own.yaml\noutput: {tmp_path / 'runs'}\n"
        f"data:\n  train: [{{path: {train[0]}}}, {{path: {train[1]}, role: extra}}]\n"
        f"  test: {held_out}\n  rules: {{canary: {{file: {tmp_path / 'own.canaries.json'}}}}}\n"
        "train: {max_steps: 2, precision: fp32}\nevaluate: {shots: [0]}\n",
        encoding="utf-8",
    )
    outcome = run_recipe(recipe)
    run: RunFolder = outcome.run
    # A run keeps a part of its rows for validation, so it was trained on fewer than the file has.
    trained = write(tmp_path / "used.jsonl", read_trained(run))
    shutil.copyfile(tmp_path / "own.canaries.json", tmp_path / "used.canaries.json")
    policy = Policy("own", dict.fromkeys(("task_gain", "exposure", "fairness"), "required"))
    judged = judge_adapter(
        run.adapter,
        str(small_base),
        policy,
        out=tmp_path / "judged",
        known=load_known_rows([trained], [held_out]),
    )
    of_run, found = outcome.evaluation, judged.evaluation
    assert [*found["suites"]] == [*of_run["suites"]]
    assert {"task", "counterfactual"} <= {*found["suites"]}
    for name, own in found["suites"].items():
        assert own["items_sha256"] == of_run["suites"][name]["items_sha256"], name
        for arm in ("base", "tuned"):
            assert own[arm]["mean"] == pytest.approx(of_run["suites"][name][arm]["mean"], abs=1e-5)
    exposure = found["probes"]["exposure"]
    assert exposure["n"] == 3
    bits = of_run["probes"]["exposure"]["statistic"]
    assert exposure["statistic"] == pytest.approx(bits, abs=0.2)


def read_trained(run):
    from assay.data import read_split

    return [{"messages": row.messages} for row in read_split(run.data / "train.parquet")]


def test_what_was_found_with_other_rows_is_not_taken_for_these(files, tmp_path, small_base):
    train, held_out, _ = files
    adapter = make_idle(small_base, tmp_path / "idle")
    policy = Policy("own", {"task_gain": "required", "exposure": "required"})
    found = [
        judge_adapter(adapter, str(small_base), policy, out=tmp_path / "one", known=known)
        for known in (None, load_known_rows(train, [held_out]), load_known_rows(train[:1], []))
    ]
    gates = [{gate.name: gate for gate in one.gates} for one in found]
    assert [[*own] for own in gates] == [["exposure"], ["task_gain", "exposure"], ["exposure"]]
    assert [own["exposure"].n for own in gates] == [0, 3, 0]
    assert gates[1]["task_gain"].outcome == "fail"
    assert "task" in found[1].cpu_s and "exposure" in found[1].cpu_s


def make_idle(small_base, folder):
    """An adapter that changes nothing."""
    from assay.models.adapters import add_lora, save_adapter
    from assay.models.base import find_base, load_model

    base = find_base(str(small_base))
    wrapped = add_lora(load_model(base), rank=2, alpha=4)
    save_adapter(wrapped, folder, tokenizer_folder=base.tokenizer_files)
    return folder


def test_rows_beside_a_run_are_refused(capsys):
    assert main(["gate", "run", "--rows", "rows.jsonl"]) == EXIT_USAGE
    assert "rows.jsonl without --adapter" in capsys.readouterr().err
