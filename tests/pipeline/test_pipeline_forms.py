"""What leaves a run in another form is asked and judged again."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from assay.cli import main
from assay.errors import CheckpointError, UsageError
from assay.models.export import equal_weights
from assay.pipeline import forms, run_recipe
from assay.pipeline.export import MANIFEST, export_run, judge_weights
from assay.runs import read_json

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
POLICY = """\
extends: minimal
gates: {prompting_gain: off, overfit: off, refusal: off, over_refusal: off, retention: off}
"""
ALWAYS = "red"


@pytest.fixture()
def learnable(recipe, tmp_path, monkeypatch):
    """The recipe of one answer to everything, which the small base learns in a few steps."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    (tmp_path / "own.yaml").write_text(POLICY, "utf-8")
    data = tmp_path / "colours.jsonl"
    rows = [json.loads(line) for line in data.read_text("utf-8").splitlines()]
    for row in rows:
        row["messages"][1]["content"] = ALWAYS
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return recipe


@pytest.fixture()
def released(learnable):
    outcome = run_recipe(learnable, ["gates=own.yaml", "train.max_steps=16"])
    assert outcome.released, outcome.verdict["headline"]
    return outcome


def test_a_merged_export_is_asked_again_and_released(released, monkeypatch):
    asked = []
    measure = forms.measure_suites
    monkeypatch.setattr(
        forms, "measure_suites", lambda e, s: asked.extend(x.name for x in s) or measure(e, s)
    )
    exported = export_run(str(released.run.path), form="merged", out=None)
    assert exported.status == "released"
    assert asked == ["task"]
    assert exported.judged.num_changed == 0
    stored = read_json(exported.folder / MANIFEST)
    assert (stored["status"], stored["gates"]) == ("released", "own")
    evidence = exported.folder.with_name(stored["evidence"])
    for name in ("items.jsonl", "evaluation.json", "verdict.json"):
        assert (evidence / name).is_file()
    again = read_json(evidence / "evaluation.json")["suites"]
    for arm in ("base", "tuned"):
        assert again["task"][arm] == released.evaluation["suites"]["task"][arm]


def test_a_form_that_is_too_coarse_is_held_and_says_why(released, tmp_path, capsys):
    exported = export_run(str(released.run.path), form="merged", out=None, gates="off")
    assert (exported.status, exported.judged) == ("not judged", None)
    assert read_json(exported.folder / MANIFEST)["gates"] == "off"
    coarse, fine = tmp_path / "coarse", tmp_path / "fine"
    for folder, levels in ((coarse, 1), (fine, 127)):
        shutil.copytree(exported.folder, folder)
        tensors = load_file(folder / "model.safetensors")
        for name, value in tensors.items():
            if value.dim() == 2:
                step = value.abs().amax().clamp_min(1e-12) / levels
                tensors[name] = torch.round(value / step) * step
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    run = str(released.run.path)
    assert judge_weights(run, fine).verdict.status == "released"
    assert main(["gate", run, "--weights", str(coarse), "--json"]) == 3
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["failed"] == ["task_gain"]
    assert verdict["num_changed"] > 0
    (coarse / "chat_template.jinja").write_text("{{ 1 }}", "utf-8")
    assert "integrity/template_unchanged" in judge_weights(run, coarse).verdict.failed


def test_a_corrupted_export_is_held_in_its_manifest(released, monkeypatch, capsys):
    """Something goes wrong between the check of three prompts and the file."""
    judge = forms.judge_form

    def spoil(run, weights, policy, **options):
        tensors = load_file(weights / "model.safetensors")
        name = next(n for n in sorted(tensors) if n.endswith("embed_tokens.weight"))
        tensors[name][5:].zero_()
        save_file(tensors, weights / "model.safetensors", metadata={"format": "pt"})
        return judge(run, weights, policy, **options)

    monkeypatch.setattr("assay.pipeline.export.judge_form", spoil)
    code = main(["export", str(released.run.path), "--to", "merged", "--json"])
    value = json.loads(capsys.readouterr().out)
    assert (code, value["status"]) == (3, "held")
    assert "task_gain" in value["why"]
    assert read_json(Path(value["folder"], MANIFEST))["status"] == "held"


def test_equal_weights_are_passed_by_equality_and_a_held_run_holds_its_forms(learnable, tmp_path):
    whole = ("method={type: full}", "gates=own.yaml", "train.max_steps=16")
    run = run_recipe(learnable, [*whole, "train.learning_rate=0.003"]).run
    same = export_run(str(run.path), form="merged", out=None)
    assert (same.status, same.judged) == ("released", None)
    assert "bit for bit" in same.why
    assert equal_weights(run.model, same.folder)
    rounded = export_run(str(run.path), form="merged", out=str(tmp_path / "half"), dtype="bf16")
    assert rounded.judged is not None
    assert not equal_weights(run.model, rounded.folder)
    verdict = read_json(run.verdict)
    run.release.unlink()
    run.signature.unlink()
    run.write_json(run.verdict, verdict | {"status": "held"})
    held = export_run(str(run.path), form="merged", out=str(tmp_path / "held"), dtype="bf16")
    assert (held.status, held.why.startswith("Held: its run is held.")) == ("held", True)


def test_what_cannot_be_judged_is_refused_by_name(small_base, tmp_path, released):
    run = released.run
    with pytest.raises(UsageError, match=r"without config\.json"):
        judge_weights(str(run.path), tmp_path)
    with pytest.raises(UsageError, match="is a base"):
        judge_weights(str(small_base), small_base)
    run.items.unlink()
    with pytest.raises(CheckpointError, match="--gates off"):
        export_run(str(run.path), form="merged", out=str(tmp_path / "x"), gates="standard")
    assert not list(tmp_path.glob(".x*"))


def test_an_export_in_few_bits_is_judged_by_its_answers(released, tmp_path):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    out = tmp_path / "few"
    exported = export_run(str(released.run.path), form="merged", out=str(out), dtype="int8")
    config = json.loads((out / "config.json").read_text("utf-8"))
    assert config["quantization_config"]["load_in_8bit"] is True
    gates = {gate.name: gate for gate in exported.judged.gates}
    assert gates["integrity/merged_equals_adapter"].code == "not_applicable"
    assert gates["integrity/template_unchanged"].outcome == "pass"
    assert exported.status == exported.judged.verdict.status
    assert read_json(out / MANIFEST)["dtype"] == "int8"
    again = judge_weights(str(released.run.path), out, out=str(tmp_path / "again"))
    assert again.to_dict()["gates"][0] == exported.judged.to_dict()["gates"][0]


def test_few_bits_without_the_package_are_refused(released, monkeypatch):
    monkeypatch.setattr("assay.models.quantize.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="--dtype: got nf4 without bitsandbytes"):
        export_run(str(released.run.path), form="merged", out=None, dtype="nf4")
