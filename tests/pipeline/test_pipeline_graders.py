"""A recipe's graders with what they ask: a judge in this process, the rule of refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.chat import render_prompt
from assay.errors import ConfigError
from assay.graders import Sample, build_grader
from assay.pipeline.graders import LocalChooser, build_models

ASK = [
    {"role": "developer", "content": "Judge."},
    {"role": "user", "content": "{{ sample.output_text }}"},
]
LABEL = {
    "type": "label_model",
    "input": ASK,
    "labels": ["yes", "no", "perhaps"],
    "passing_labels": ["yes"],
}


def test_a_judge_in_this_process_weighs_whole_answers(small_base: Path) -> None:
    models = build_models(small_base.parent)
    assert models.load is not None
    chooser = models.load(small_base.name)
    assert isinstance(chooser, LocalChooser)
    chat = [{"role": "developer", "content": "Judge."}, {"role": "user", "content": "fine"}]
    (row,) = chooser.choose([chat], ["yes", "no", "perhaps"])
    as_system = [{**chat[0], "role": "system"}, chat[1]]
    prompt = render_prompt(chooser.base.tokenizer, as_system)
    for answer, logprob in zip(("yes", "no", "perhaps"), row, strict=True):
        ids = [*chooser.base.tokenizer.encode(answer), chooser.base.tokenizer.eos_ids[0]]
        mask = [0.0] * len(prompt) + [1.0] * len(ids)
        (alone,) = chooser.engine.score([([*prompt, *ids], mask)])
        assert logprob == pytest.approx(alone.sum_logprob, abs=1e-4)
    grader = build_grader({**LABEL, "model": small_base.name}, models=models)
    (grade,) = grader.grade([Sample("fine")], [{}])
    assert grade.reward == float(row[0] == max(row))


def test_refusals_are_judged_by_the_rule_of_the_suites() -> None:
    grader = build_grader({"type": "refusal", "wanted": "answer"}, models=build_models(Path()))
    samples = [Sample("I'm sorry, but I can't help with that."), Sample("Seven.")]
    assert [one.reward for one in grader.grade(samples, [{}, {}])] == [-1, 0]


@pytest.mark.parametrize(
    "spec",
    [{**LABEL, "model": "no-such-model"}, {"type": "reward_model", "model": "no-such-model"}],
)
def test_a_model_that_is_not_there_is_refused_by_name(
    spec: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"objective\.grader\.model: got .*no-such-model"):
        build_grader(spec, models=build_models(tmp_path), place="objective.grader")
