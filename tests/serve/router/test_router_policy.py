"""The policy file is read strictly; what it decides is a pure function of facts and readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import ConfigError, DataError
from assay.evaluate.scope import compute_p_value, compute_threshold
from assay.serve.router.decide import Decision, Facts, Reading, decide, is_inside
from assay.serve.router.file import load_policy
from assay.serve.router.log import RoutingLog, read_log
from assay.serve.router.replay import NOT_RECORDED, replay
from assay.serve.router.rules import Policy

POLICY = """\
format: assay-router/1
models:
  desk: {model: "ft:tiny:assay:desk:a", level: 0.1}
  sums: {model: sums@prod}
remotes:
  big: {base_url: "https://api.example.com/v1", model: large, key_variable: BIG_KEY}
labels:
  secret: {remote: false}
  public: {remote: true}
default_label: public
rules:
  - {name: held, when: {projects: [blocked]}, to: refuse}
  - {when: {languages: [de, fr]}, to: big}
  - {when: {min_tokens: 1000}, to: big}
  - {when: {tools: true}, to: scope, among: [desk]}
  - {when: {labels: [secret], max_tokens: 3}, to: sums}
outside: big
instead_of_remote: base
"""
FACTS = Facts("default", "public", "en", 20, 0)
IN, OUT = Reading("", "", 1.0, 0.8, 0.05, 99), Reading("", "", 9.0, 0.01, 0.05, 99)


@pytest.fixture()
def policy(tmp_path: Path) -> Policy:
    return load(tmp_path, POLICY)


def load(folder: Path, text: str) -> Policy:
    path = folder / "router.yaml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def go(policy: Policy, facts: Facts, **readings: Reading) -> Decision:
    asked: list[list[str]] = []

    def read(names: Sequence[str]) -> Mapping[str, Reading]:
        asked.append(list(names))
        return {name: readings[name] for name in names}

    found = decide(policy, facts, read)
    assert len(asked) <= 1
    return found


def test_rules_come_first_and_in_their_order(policy: Policy) -> None:
    def where(**facts: object) -> tuple[str, str, str]:
        found = go(policy, replace(FACTS, **facts), desk=IN, sums=OUT)
        return found.to, found.reason, found.rule

    assert where() == ("desk", "in_scope", "")
    assert where(project="blocked", num_tokens=5000) == ("refuse", "rule", "held")
    assert where(language="de") == ("big", "rule", "2")
    assert where(num_tokens=1000) == ("big", "rule", "3")
    assert where(num_tokens=999) == ("desk", "in_scope", "")
    assert where(num_tools=2) == ("desk", "in_scope", "4")
    assert where(label="secret", num_tokens=3) == ("sums", "rule", "5")


def test_a_label_that_stays_here_sends_nothing_to_a_remote_model(policy: Policy) -> None:
    secret = replace(FACTS, label="secret")
    by_rule = go(policy, replace(secret, language="de"))
    by_scope = go(policy, secret, desk=OUT, sums=OUT)
    for found in (by_rule, by_scope):
        assert (found.kind, found.to, found.reason) == ("base", "base", "remote_forbidden")
    assert go(policy, FACTS, desk=OUT, sums=OUT).kind == "remote"


@given(st.sampled_from(["secret", ""]), st.text(max_size=4), st.integers(0, 9000), st.booleans())
def test_whatever_the_facts_no_such_label_leaves(
    label: str, language: str, num_tokens: int, is_in: bool
) -> None:
    policy = Policy.model_validate(
        {
            "models": {"m": {"model": "m"}},
            "remotes": {"r": {"base_url": "https://x.example", "model": "y"}},
            "labels": {"secret": {"remote": False}},
            "rules": [{"when": {"min_tokens": 100}, "to": "r"}],
            "outside": "r",
        }
    )
    found = go(policy, Facts("p", label, language, num_tokens, 0), m=IN if is_in else OUT)
    assert found.kind != "remote" or label == ""


def test_the_most_usual_adapter_answers_and_ties_go_by_the_order(policy: Policy) -> None:
    assert go(policy, FACTS, desk=IN, sums=replace(IN, p_value=0.9)).to == "sums"
    assert go(policy, FACTS, desk=IN, sums=IN).to == "desk"


def test_the_policys_level_stands_before_the_releases(policy: Policy) -> None:
    between = replace(IN, p_value=0.07)
    assert go(policy, FACTS, desk=between, sums=OUT).to == "big"  # level 0.1 of the policy
    assert go(policy, FACTS, desk=OUT, sums=between).to == "sums"  # level 0.05 of the release


def test_what_cannot_be_told_is_not_inside(policy: Policy) -> None:
    for reading in (
        replace(IN, obstacle="no_scope"),
        replace(IN, num_held_out=10),  # of 11 scores none is beyond 5 %
        Reading(),
    ):
        assert go(policy, FACTS, desk=replace(reading, num_held_out=0), sums=reading).to == "big"


@given(
    st.lists(st.integers(0, 20).map(float), min_size=1, max_size=60),
    st.integers(0, 21).map(float),
    st.integers(1, 60).map(lambda percent: percent / 100),
)
def test_p_values_decide_as_the_conformal_threshold_does(
    held_out: list[float], score: float, level: float
) -> None:
    calibration = np.array(held_out)
    reading = Reading("", "", score, compute_p_value(calibration, score), level, len(held_out))
    threshold = compute_threshold(calibration, level)
    assert is_inside(reading, level) == (np.isfinite(threshold) and score <= threshold)


def test_every_mistake_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    text = """\
models:
  desk: {model: a}
  scope: {model: b}
remotes:
  desk: {base_url: "ftp://x", model: c}
labels: {secret: {remote: false}}
default_label: secrt
rules:
  - {when: {min_tokens: 9, max_tokens: 3}, to: nowhere}
  - {to: base, among: [desk], name: x}
  - {when: {labels: [other]}, to: scope, among: [gone], name: x}
outside: elsewhere
instead_of_remote: remote
"""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    found = {(one.line, one.key) for one in caught.value.problems}
    assert found == {
        (3, "models.scope"),
        (5, "remotes.desk"),
        (5, "remotes.desk.base_url"),
        (7, "default_label"),
        (9, "rules.0.when.min_tokens"),
        (9, "rules.0.to"),
        (10, "rules.1.among"),
        (11, "rules.2.among.0"),
        (11, "rules.2.when.labels.0"),
        (11, "rules.2.name"),
        (11, "rules.2"),  # the second fits every request
        (12, "outside"),
        (13, "instead_of_remote"),
    }


def test_unknown_keys_and_wrong_types_are_told_together(tmp_path: Path) -> None:
    text = "modles: {}\nmodels: {desk: {model: 3, level: 2}}\nrules: [{to: base, whn: {}}]\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    told = [str(one) for one in caught.value.problems]
    assert len(told) == 4
    assert any("write models" in one for one in told)
    assert any("write when" in one for one in told)


@pytest.mark.parametrize("model", ["large model", "größe", "a\\nx: y", ""])
def test_a_remote_models_name_must_fit_a_header(tmp_path: Path, model: str) -> None:
    text = f'remotes: {{far: {{base_url: "https://a.example", model: "{model}"}}}}\n'
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert [one.key for one in caught.value.problems] == ["remotes.far.model"]


def record(log: RoutingLog, policy: Policy, facts: Facts, **readings: Reading) -> None:
    log.write(facts, go(policy, facts, **readings), request_id="r", seconds=0.01)


def test_policies_are_compared_on_what_was_recorded(tmp_path: Path, policy: Policy) -> None:
    path = tmp_path / "routing.jsonl"
    log = RoutingLog(path)
    desk = Reading("ft:tiny:assay:desk:a", "ft:tiny:assay:desk:a", 1.0, 0.08, 0.05, 99)
    sums = Reading("sums@prod", "ft:tiny:assay:sums:b", 9.0, 0.01, 0.05, 99)
    for _ in range(3):
        record(log, policy, FACTS, desk=desk, sums=sums)  # 0.08 is outside at 0.1: big
    record(log, policy, replace(FACTS, project="blocked"))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"torn')
    looser = policy.model_copy(
        update={
            "models": {"d": policy.models["desk"].model_copy(update={"level": 0.05})},
            "rules": (),
        }
    )
    found = replay(read_log(path), policy, looser)
    assert found.num == 4
    assert dict(found.a) == {"big": 3, "refuse": 1}
    # The blocked request's scope was never computed, so that nobody knows.
    assert dict(found.b) == {"d": 3, NOT_RECORDED: 1}
    assert found.num_changed == 4
    assert found.to_dict()["changed_lines"] == [1, 2, 3, 4]
    same = replay(read_log(path), policy, policy)
    assert (same.num_changed, dict(same.unknown)) == (0, {"a": 0, "b": 0})


def test_a_log_of_another_kind_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"format": "other"}\n', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(read_log(path))
    assert caught.value.problems[0].line == 1


def test_the_log_is_its_owners_alone(tmp_path: Path) -> None:
    RoutingLog(tmp_path / "log.jsonl")
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o777 == 0o600
