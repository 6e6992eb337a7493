"""An adapter of unknown origin is judged by what can be asked without its rows."""

import json

import pytest
import torch

from assay.errors import ConfigError
from assay.evaluate.gates import Policy, load_policy
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
