"""An adapter of unknown origin is judged by what can be asked without its rows."""

import json
import os
import pickle
import shutil

import pytest
import torch

from assay.cli import main
from assay.errors import ConfigError
from assay.evaluate.gates import Policy, load_policy
from assay.evaluate.judges import Judged
from assay.models.adapters import add_lora, save_adapter
from assay.models.base import find_base, load_model
from assay.pipeline import look
from assay.pipeline.adapter import judge_adapter, without_run

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
POLICY = Policy("own", {"task_gain": "required", "refusal": "required", "integrity": "required"})


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    """An adapter of tiny that does nothing, and one that makes it babble."""
    base, root = find_base("tiny"), tmp_path_factory.mktemp("adapters")
    for name, scale in (("idle", 0.0), ("babble", 3.0)):
        wrapped = add_lora(load_model(base), rank=2, alpha=4)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for key, parameter in wrapped.named_parameters():
                if "lora_B" in key:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        save_adapter(wrapped, root / name, tokenizer_folder=base.tokenizer_files)
    return root


def test_one_that_changes_nothing_passes_and_one_that_babbles_is_held(adapters, tmp_path):
    idle = judge_adapter(adapters / "idle", "tiny", POLICY, out=tmp_path / "idle", max_items=40)
    assert idle.verdict.status == "released"
    assert {gate.name.partition("/")[0] for gate in idle.gates} == {"refusal", "integrity"}
    bad = judge_adapter(adapters / "babble", "tiny", POLICY, out=tmp_path / "bad", max_items=40)
    assert bad.verdict.failed == ["refusal"]
    stored = json.loads((tmp_path / "bad" / "verdict.json").read_text())
    assert stored["status"] == "held" and stored["adapter"]["kind"] == "LORA"


def test_another_adapter_in_the_same_folder_is_asked_itself(adapters, tmp_path):
    verdicts = [
        judge_adapter(adapters / name, "tiny", POLICY, out=tmp_path, max_items=40).verdict.status
        for name in ("idle", "babble", "idle")
    ]
    assert verdicts == ["released", "held", "released"]


def test_the_base_is_asked_once_for_both(adapters, tmp_path, monkeypatch):
    judge_adapter(adapters / "idle", "tiny", POLICY, out=tmp_path / "first", max_items=40)
    asked = []
    measure = look.measure_suites
    monkeypatch.setattr(
        "assay.pipeline.guards.measure_suites",
        lambda examiner, suites: asked.append(examiner.variant) or measure(examiner, suites),
    )
    judge_adapter(adapters / "idle", "tiny", POLICY, out=tmp_path / "second", max_items=40)
    assert "base" not in asked


def test_another_bases_adapter_and_a_policy_that_could_hold_nothing_are_refused(
    adapters, small_base, tmp_path
):
    with pytest.raises(ConfigError, match="does not fit"):
        judge_adapter(adapters / "idle", str(small_base), POLICY, out=tmp_path)
    with pytest.raises(ConfigError, match="requires nothing"):
        without_run(Policy("own", {"task_gain": "required"}), has_task=False)
    assert without_run(load_policy("standard"), has_task=False).levels["task_gain"] == "off"
    assert without_run(load_policy("standard"), has_task=True).levels["task_gain"] == "required"


def test_what_is_shown_without_a_verdict_is_what_is_judged(adapters, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "assay.pipeline.adapter.build_safety_policy",
        lambda: Policy("safety", {"refusal": "advisory", "abstention": "advisory"}),
    )
    judged = judge_adapter(
        adapters / "babble",
        "tiny",
        Policy("own", {"refusal": "required", "abstention": "advisory"}),
        out=tmp_path / "judged",
        max_items=8,
    )
    shown = ["--adapter", str(adapters / "babble"), "--base", "tiny", "--suite", "safety"]
    options = ["--max-items", "8", "--out", str(tmp_path / "shown")]
    assert main(["eval", *shown, *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["suites"] == json.loads(json.dumps(judged.evaluation["suites"]))
    assert found["probes"] == json.loads(json.dumps(judged.evaluation["probes"]))
    assert found["adapter"]["kind"] == "LORA" and found["adapter"]["norm"] > 0
    assert not (tmp_path / "shown" / "verdict.json").exists()
    assert main(["eval", *shown, *options]) == 0
    text = capsys.readouterr().out
    assert "abstention  " in text and "No verdict: assay gate --adapter" in text


def test_an_adapter_in_place_of_a_model_is_asked_the_safety_suite_alone(tmp_path, capsys):
    for arguments, told in (
        (["tiny", "--suite", "safety"], "no --adapter and --base"),
        (["--adapter", "a", "--suite", "honesty"], "--adapter without --base"),
        (["--adapter", "a", "--base", "tiny", "--suite", "honesty"], "allowed safety"),
        (["tiny", "--adapter", "a", "--base", "b", "--suite", "safety"], "MODEL tiny beside"),
        ([], "no model"),
    ):
        assert main(["eval", *arguments, "--json"]) == 2
        assert told in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_pickled_adapter_is_refused_before_anything_is_asked(adapters, tmp_path, capsys):
    folder = tmp_path / "bad"
    shutil.copytree(adapters / "idle", folder)
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(os.getcwd))
    arguments = ["--adapter", str(folder), "--base", "tiny", "--suite", "safety"]
    assert main(["eval", *arguments, "--json"]) == 2
    assert "getcwd" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_judge_that_is_named_judges_free_answers(adapters, tmp_path):
    class Kind:
        name = "kind"

        def judge(self, questions, answers):
            return [Judged(100.0, 100.0) for _ in answers]

    policy = Policy("own", {"refusal": "required", "free_form": "advisory"})
    judged = judge_adapter(
        adapters / "babble", "tiny", policy, out=tmp_path, judge=Kind(), max_items=4
    )
    facts = judged.evaluation["probes"]["free_form"]["facts"]
    assert (facts["judge"], facts["tuned"]["coherent"]) == ("kind", 1.0)
