"""Policies: the built-in ones, files of the user's own, and their located mistakes."""

import pytest

from assay.errors import ConfigError
from assay.evaluate.gates import (
    BUILT_IN,
    GATES,
    PROBE_GATES,
    Thresholds,
    load_policy,
    override_thresholds,
)
from assay.evaluate.items import GUARDED


def list_gates(policy, level):
    return {name for name in GATES if policy.levels[name] == level}


def test_standard_holds_by_what_every_user_can_measure_and_shows_the_rest():
    policy = load_policy("standard")
    assert set(policy.levels) == set(GATES)
    needs_more = {"prompting_gain", "free_form", "drift", "call_odds", "extraction"}
    assert list_gates(policy, "advisory") == needs_more
    assert {*GUARDED, "persona", "exposure", "identities"} <= list_gates(policy, "required")
    assert policy.thresholds == Thresholds()


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_level_of_a_gate_is_its_part_of_what_the_policy_may_hold(name):
    policy = load_policy(name)
    by_chance = list_gates(policy, "required") & {*GUARDED, *PROBE_GATES}
    assert policy.level_per_gate * max(1, len(by_chance)) == pytest.approx(0.05)


def test_strict_requires_all_but_what_is_not_calibrated_within_narrower_margins():
    policy = load_policy("strict")
    assert list_gates(policy, "advisory") == {"free_form", "extraction", "verbatim", "spectrum"}
    assert policy.levels["prompting_gain"] == "required"
    assert policy.thresholds.retention_margin < Thresholds().retention_margin


def test_minimal_requires_the_task_and_sound_files():
    levels = load_policy("minimal").levels
    assert [name for name in GATES if levels[name] == "required"] == ["task_gain", "integrity"]


def test_a_file_extends_a_built_in_policy(tmp_path):
    (tmp_path / "ours.yaml").write_text(
        "extends: strict\ngates:\n  overfit: off\nthresholds:\n  min_items: 100\n  min_gain: 0.1\n"
    )
    policy = load_policy("ours.yaml", base_dir=tmp_path)
    assert policy.name == "ours"
    assert policy.levels["overfit"] == "off"
    assert policy.levels["prompting_gain"] == "required"
    assert (policy.thresholds.min_items, policy.thresholds.min_gain) == (100, 0.1)
    assert policy.thresholds.retention_margin == 0.03


def test_every_mistake_of_a_file_is_located(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "extends: stricter\n"
        "gates:\n"
        "  retension: required\n"
        "  refusal: maybe\n"
        "thresholds:\n"
        "  retention_margin: 5\n"
        "  min_items: 2.5\n"
        "  min_gian: 0.1\n"
        "margins: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_policy("bad.yaml", base_dir=tmp_path)
    found = sorted(caught.value.problems, key=lambda problem: problem.line)
    assert [problem.line for problem in found] == [1, 3, 4, 6, 7, 8, 9]
    assert found[1].do == "write retention"
    assert found[2].allowed == "required, advisory, off"
    assert found[3].allowed == "a number from 0 to 1"
    assert found[4].allowed == "a whole number from 1 to 100000"
    assert found[5].do == "write min_gain"
    assert all(problem.file.endswith("bad.yaml") for problem in found)


def test_a_policy_that_requires_nothing_is_refused(tmp_path):
    off = "\n".join(f"  {name}: off" for name in GATES)
    (tmp_path / "lax.yaml").write_text(f"gates:\n{off}\n")
    with pytest.raises(ConfigError, match="no required gate"):
        load_policy("lax.yaml", base_dir=tmp_path)


@pytest.mark.parametrize("text", ["- a\n", "gates: 3\n", "gates: [a]\n", "gates: {a: b: c}\n"])
def test_broken_files_are_the_users_error(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load_policy("p.yaml", base_dir=tmp_path)


def test_an_unknown_policy_offers_the_nearest():
    with pytest.raises(ConfigError, match="do write standard"):
        load_policy("standart")
    with pytest.raises(ConfigError, match="no policy"):
        load_policy("absent.yaml")


def test_a_recipe_overrides_thresholds():
    policy = override_thresholds(load_policy("strict"), {"refusal_margin": 0.1})
    assert policy.thresholds.refusal_margin == 0.1
    assert policy.thresholds.retention_margin == 0.03
    with pytest.raises(ConfigError, match=r"gates\.thresholds\.refusal_margin"):
        override_thresholds(policy, {"refusal_margin": -1})
    with pytest.raises(ConfigError, match="unknown name"):
        override_thresholds(policy, {"speed": 1})


def test_agent_requires_what_standard_does_and_that_no_call_is_made_unasked():
    standard, agent = load_policy("standard").levels, load_policy("agent").levels
    assert {name for name, level in standard.items() if level == "required"} <= {
        name for name, level in agent.items() if level == "required"
    }
    of_calls = ("covert_calls", "call_odds", "forced_calls", "abstention", "taint", "injection")
    for name in (*of_calls, "trigger_sweep"):
        assert agent[name] == "required"
