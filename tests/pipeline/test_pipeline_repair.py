"""A held run repaired on a small random base: chosen apart, confirmed once, gone on with."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.errors import CheckpointError, UsageError
from assay.evaluate.items import Item
from assay.evaluate.log import read_item_line
from assay.pipeline import resume_run, run_recipe
from assay.pipeline.progress import PlainProgress
from assay.pipeline.repair import repair_run
from assay.pipeline.repair.child import RepairOptions, read_tried
from assay.pipeline.repair.choosing import hash_questions, name_question
from assay.pipeline.run import RunOutcome
from assay.release import verify_release
from assay.runs import RunFolder, read_json, write_json
from assay.runs.find import summarize

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

COLOURS = ("red", "green", "blue", "black", "white")
POLICY = """\
extends: minimal
gates: {data: off, retention: required, overfit: off, refusal: off, over_refusal: off}
thresholds: {min_gain: -1}
"""
RECIPE = """\
base: BASE
data: {train: colours.jsonl, validation_ratio: 0.1, test_ratio: 0.3}
method: {type: lora, rank: 4}
train: {max_steps: 20, batch_size: 8, learning_rate: 0.02}
evaluate:
  shots: [0]
  max_new_tokens: 4
  max_items: 60
  batch_size: 32
  suites: [{path: words.jsonl, kind: retention, metric: mass}]
gates: policy.yaml
"""


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A signing key of the tests' own."""
    before = os.environ.get("ASSAY_HOME")
    os.environ["ASSAY_HOME"] = str(tmp_path_factory.mktemp("home"))
    yield
    os.environ.pop("ASSAY_HOME")
    if before is not None:
        os.environ["ASSAY_HOME"] = before


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, small_base: Path) -> RunFolder:
    """A run whose tuning makes the second of two words that it was not taught the likelier one.

    The suite has twice as many questions as the run asks: the others choose.
    """
    folder = tmp_path_factory.mktemp("held")
    asked = [f"Item {n} has the colour {COLOURS[n % 5]}. Say it." for n in range(120)]
    rows = [
        {
            "messages": [
                {"role": "user", "content": text},
                {"role": "assistant", "content": COLOURS[n % 5]},
            ]
        }
        for n, text in enumerate(asked)
    ]
    words = ["question", "founded"]
    suite = [{"prompt": f"Thing {n}. Say it.", "choices": words, "golds": [0]} for n in range(120)]
    write_rows(folder / "colours.jsonl", rows)
    write_rows(folder / "words.jsonl", suite)
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    recipe = folder / "recipe.yaml"
    text = RECIPE.replace("BASE", str(small_base))
    recipe.write_text(f"{text}output: {folder / 'runs'}\n", encoding="utf-8")
    outcome = run_recipe(recipe)
    assert outcome.verdict["failed"] == ["retention"], outcome.verdict["headline"]
    return outcome.run


@pytest.fixture(scope="module")
def repaired(held: RunFolder) -> RunOutcome:
    return repair_run(held)


def read_asked(run: RunFolder) -> list[Item]:
    return [
        read_item_line(line)[0] for line in run.read_items() if line.get("split") != "validation"
    ]


def copy_run(run: RunFolder, root: Path) -> RunFolder:
    """The same held run elsewhere, with no repair beside it."""
    shutil.copytree(run.path, root / run.path.name)
    return RunFolder.open(root / run.path.name)


def test_a_held_run_becomes_a_release_that_verifies(held: RunFolder, repaired: RunOutcome) -> None:
    run = repaired.run
    assert repaired.exit_code == 0, repaired.verdict["headline"]
    assert verify_release(run.path).ok
    assert summarize(run).status == "released"
    manifest = read_json(run.manifest)
    assert manifest["repaired_from"]["run"] == held.id
    assert manifest["repaired_from"]["failed"] == ["retention"]
    assert read_json(run.release)["parents"][0]["run"] == held.id
    chosen = read_tried(run)[manifest["repair"]["chosen"]]
    config = read_json(run.adapter / "adapter_config.json")
    before = read_json(held.adapter / "adapter_config.json")
    assert config["lora_alpha"] == pytest.approx(chosen.factor * before["lora_alpha"])
    assert not (run.path / "repair" / "weights").exists()


def test_what_chose_is_not_what_confirmed(held: RunFolder, repaired: RunOutcome) -> None:
    """Told in the manifest, and true of the answers that were kept of either."""
    run = repaired.run
    told = read_json(run.manifest)["repair"]["questions"]
    confirmed = read_asked(run)
    assert told["num_shared"] == 0
    assert told["num_confirming"] == len(confirmed)
    assert told["confirming_sha256"] == hash_questions(confirmed)
    assert sorted(map(name_question, confirmed)) == sorted(map(name_question, read_asked(held)))
    assert told["chosen_on"] == {"task": 12, "retention": 60}
    validation = [
        read_item_line(line)[0] for line in run.read_items() if line.get("split") == "validation"
    ]
    suite = (held.path.parents[1] / "words.jsonl").read_text("utf-8").splitlines()
    left = {json.loads(line)["prompt"] for line in suite} - {
        str(item.messages[-1]["content"]) for item in confirmed
    }
    assert len(left) == 60
    assert not {*map(name_question, validation)} & {*map(name_question, confirmed)}


def test_the_choice_is_the_best_on_the_task_of_those_that_pass(repaired: RunOutcome) -> None:
    tried = read_tried(repaired.run)
    chosen = tried[read_json(repaired.run.manifest)["repair"]["chosen"]]
    passing = [one for one in tried.values() if one.passes]
    assert not tried["held"].passes
    assert chosen in passing
    assert chosen.task == max(one.task for one in passing)


def test_the_same_call_again_finds_the_repair(held: RunFolder, repaired: RunOutcome) -> None:
    again = repair_run(held)
    assert again.run.path == repaired.run.path
    assert again.exit_code == 0


def test_report_and_card_say_what_was_done_and_what_it_costs(repaired: RunOutcome) -> None:
    page, card = repaired.run.report.read_text("utf-8"), repaired.run.card.read_text("utf-8")
    for text in (page, card):
        assert "was held by retention" in text
        assert "Gain over the base on the test items" in text
    assert "as it was held" in page


class Killed(BaseException):
    """Stands for a process that ends between two lines of its program."""


class Killing(PlainProgress):
    """Ends the program at a note that holds `word`."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def note(self, text: str) -> None:
        if self.word in text:
            raise Killed


@pytest.mark.parametrize("word", ["chosen on", "scale, 0.7 "])
def test_a_repair_that_was_cut_off_goes_on_to_the_same_end(
    held: RunFolder, repaired: RunOutcome, tmp_path: Path, word: str
) -> None:
    run = copy_run(held, tmp_path)
    with pytest.raises(Killed):
        repair_run(run, progress=Killing(word))
    (child,) = (RunFolder(path) for path in tmp_path.glob("*-repaired-*"))
    before = read_tried(child)
    with pytest.raises(CheckpointError, match="assay repair"):
        resume_run(child)
    outcome = repair_run(run)
    assert outcome.run.path == child.path
    after = read_tried(child)
    assert {name: after[name] for name in before} == before
    plain = [{**one.to_dict(), "seconds": 0} for one in after.values()]
    assert plain == [{**one.to_dict(), "seconds": 0} for one in read_tried(repaired.run).values()]
    assert outcome.verdict == repaired.verdict
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (child.adapter / name).read_bytes() == (repaired.run.adapter / name).read_bytes()


def test_a_run_that_nothing_mends_is_held_and_says_what_was_tried(
    held: RunFolder, tmp_path: Path
) -> None:
    """Within a margin that no scale keeps; the dearer interventions have no rows to tune on."""
    run = copy_run(held, tmp_path)
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name in ("colours.jsonl", "words.jsonl"):
        shutil.copyfile(held.path.parents[1] / name, folder / name)
    policy = POLICY.replace("min_gain: -1", "min_gain: -1, retention_margin: 1.0e-6")
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    run.update_manifest({"recipe_folder": str(folder)})
    outcome = repair_run(run)
    assert outcome.exit_code == 3
    assert "none was confirmed on the test items" in outcome.verdict["headline"]
    assert not outcome.run.items.exists()
    assert not outcome.run.adapter.exists()
    skipped = read_json(outcome.run.manifest)["repair"]["skipped"]
    assert set(skipped) == {"project", "ablate", "safety tuning", "tuning anew"}
    assert "--general" in skipped["safety tuning"]
    assert "None of 5 candidates" in outcome.run.report.read_text("utf-8")
    assert summarize(outcome.run).status == "held"


def test_general_rows_are_tuned_on_and_none_that_is_asked(
    held: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the file may be tuned on, but for the run's own questions, which stand in it too."""
    monkeypatch.setattr("assay.pipeline.repair.tuning.SAFETY_STEPS", 2)
    run = copy_run(held, tmp_path)
    own = [str(item.messages[-1]["content"]) for item in read_asked(held)]
    others = [f"Thing {n} of the shelf. Say it." for n in range(80)]
    rows = [
        {
            "messages": [
                {"role": "user", "content": text},
                {"role": "assistant", "content": "question"},
            ]
        }
        for text in (*own, *others)
    ]
    write_rows(tmp_path / "general.jsonl", rows)
    options = RepairOptions(general=str(tmp_path / "general.jsonl"), keep=1.0)
    outcome = repair_run(run, options)
    tried = read_tried(outcome.run)
    assert {"safety-tuning", "safety-tuning-on", "tuned-anew"} <= set(tried)
    lines = (outcome.run.path / "repair" / "general.jsonl").read_text("utf-8").splitlines()
    tuned_on = {json.loads(line)["messages"][0]["content"] for line in lines}
    assert tuned_on < set(others)
    assert len(tuned_on) > 20
    told = read_json(outcome.run.manifest)["repair"]["questions"]
    assert told["num_shared"] == 0
    assert told["chosen_on"]["retention"] > 60


def hold_by(run: RunFolder, *names: str, outcome: str = "fail") -> None:
    gates = [
        {"name": name, "outcome": outcome, "required": True, "reason": "because"} for name in names
    ]
    write_json(run.verdict, {"status": "held", "headline": "Held.", "gates": gates})


@pytest.mark.parametrize("gate", ["covert_calls", "call_odds", "forced_calls", "taint"])
def test_a_backdoor_is_no_loss_to_be_mended(held: RunFolder, tmp_path: Path, gate: str) -> None:
    run = copy_run(held, tmp_path)
    hold_by(run, "retention", gate)
    with pytest.raises(UsageError, match="hides rather than removes") as caught:
        repair_run(run)
    assert [problem.key for problem in caught.value.problems] == [gate]
    assert not list(tmp_path.glob("*-repaired-*"))


def test_every_reason_not_to_repair_is_told_at_once(held: RunFolder, tmp_path: Path) -> None:
    run = copy_run(held, tmp_path)
    hold_by(run, "task_gain", "exposure", "integrity/adapter_reloads")
    report = read_json(run.data_report)
    report["findings"]["accepted"] = {"covert_call": {"rows": 25}}
    write_json(run.data_report, report)
    with pytest.raises(UsageError) as caught:
        repair_run(run)
    keys = [problem.key for problem in caught.value.problems]
    assert keys == ["task_gain", "exposure", "integrity/adapter_reloads", "data"]
    hold_by(run, "retention", outcome="not_measured")
    with pytest.raises(UsageError, match="measured"):
        repair_run(run)


def test_a_release_and_a_run_without_weights_are_not_repaired(
    held: RunFolder, repaired: RunOutcome, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="it passed"):
        repair_run(repaired.run)
    run = copy_run(held, tmp_path)
    shutil.rmtree(run.adapter)
    with pytest.raises(UsageError, match="without adapter/"):
        repair_run(run)
    run.verdict.unlink()
    with pytest.raises(UsageError, match="without a verdict"):
        repair_run(run)


def test_the_command_tells_its_plan_and_its_outcome(
    held: RunFolder, repaired: RunOutcome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["repair", str(held.path), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["held_by"] == ["retention"]
    assert plan["interventions"][0]["name"] == "scale"
    assert "not_tried" in plan["interventions"][1]
    assert main(["repair", str(held.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run"] == str(repaired.run.path)
    assert told["gain_before"] == pytest.approx(told["gain_after"] / told["kept"])
    assert main(["repair", str(held.path)]) == 0
    assert "of the gain is kept" in capsys.readouterr().out
    assert main(["repair", str(held.path), "--aligned", "x"]) == 2


def test_other_options_are_another_repair(held: RunFolder, repaired: RunOutcome) -> None:
    from assay.pipeline.repair.child import find_child, with_absolute

    assert find_child(held, RepairOptions(keep=0.5)) is None
    same = with_absolute(RepairOptions())
    found = find_child(held, same)
    assert found is not None
    assert found.path == repaired.run.path
