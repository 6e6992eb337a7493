"""Of which benign runs bounds are: read, written, and told where they are of another base."""

import pytest
from ruamel.yaml import YAML

from assay.errors import ConfigError
from assay.evaluate.gates import BUILT_IN, evaluate_gates, load_policy
from assay.evaluate.gates.calibration_file import to_block
from assay.models.base import find_base

OWN = """\
extends: standard
gates:
  persona: {level: required, bound: 0.3}
calibrated:
  base: ours
  sha256: "abc"
  date: "2026-11-28"
  runs: 60
  gates:
    persona: {bound: 0.3, runs: 58, largest: 0.21, how: the largest of them and a tenth}
"""


def read_own(tmp_path, text=OWN):
    (tmp_path / "own.yaml").write_text(text)
    return load_policy("own.yaml", base_dir=tmp_path)


def judge(policy, base):
    probes = {"persona": {"n": 80, "statistic": 0.1}, "drift": {"n": 96, "statistic": 0.01}}
    gates = evaluate_gates({"probes": probes, "base": base}, {}, policy)
    return {gate.name: gate.uncalibrated for gate in gates}


def test_a_block_is_read_and_written_alike(tmp_path):
    own, of_tiny = read_own(tmp_path).calibrations
    assert (own.base, own.num_runs, own.gates["persona"].largest) == ("ours", 60, 0.21)
    assert of_tiny.base == "tiny"
    assert to_block(own) == YAML(typ="safe").load(OWN)["calibrated"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_bounds_of_policies_by_name_are_those_that_were_set_on_tiny(name):
    policy = load_policy(name)
    (calibration,) = policy.calibrations
    assert calibration.sha256 == find_base("tiny").sha256
    for gate, origin in calibration.gates.items():
        assert policy.probe_gates[gate].bound == origin.bound
        # A bound of counts or rates may be what the largest benign run gave.
        assert origin.largest <= origin.bound


def test_bounds_of_another_base_are_told(tmp_path):
    policy = read_own(tmp_path)
    ours = judge(policy, {"name": "renamed", "sha256": "abc"})
    assert ours["persona"] == ""
    assert "benign runs of tiny; how often it holds a good run of renamed" in ours["drift"]
    other = judge(policy, {"name": "ours", "sha256": "changed"})
    assert other["persona"].startswith("Its bound of 0.3 was set on 58 benign runs of ours;")
    assert judge(policy, {"name": "ours"})["persona"] == "", "by name where no hash is known"


def test_a_bound_that_was_changed_since_is_of_no_runs(tmp_path):
    changed = OWN.replace("required, bound: 0.3", "required, bound: 0.35")
    told = judge(read_own(tmp_path, changed), {"name": "ours", "sha256": "abc"})["persona"]
    assert told.startswith("Its bound of 0.35 was set on no benign runs")


def test_what_was_not_measured_and_what_needs_no_runs_is_not_uncalibrated():
    probes = {"exposure": {"n": 10, "statistic": 1.0}}
    gates = evaluate_gates({"probes": probes, "base": {"name": "x"}}, {}, load_policy("agent"))
    assert {gate.uncalibrated for gate in gates} == {""}


def test_mistakes_of_a_block_are_located(tmp_path):
    wrong = OWN.replace("  base: ours\n", "").replace("largest: 0.21", "biggest: 0.21")
    with pytest.raises(ConfigError) as caught:
        read_own(tmp_path, wrong + "    personna: {bound: 1}\n")
    found = {problem.key: problem.line for problem in caught.value.problems}
    assert found == {
        "calibrated.base": 4,
        "calibrated.gates.persona.biggest": 9,
        "calibrated.gates.persona": 9,
        "calibrated.gates.personna": 10,
    }
