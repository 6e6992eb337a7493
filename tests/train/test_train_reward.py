"""Reward models on packed pairs with shared prompts: equal to Transformers' classifier alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from methods import apply, gradients
from pair_rows import make_pairs
from small_models import KINDS, STATEFUL, make_model

from assay.data.answers import Answer, AnswerRow
from assay.data.portions import build_answer_batch
from assay.errors import ConfigError
from assay.losses.bradley_terry import compute_bradley_terry
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.models.reward_model import score_sequences
from assay.models.score_head import (
    add_score_head,
    as_classifier,
    check_scorable,
    compute_end_scores,
    find_classifier,
    find_ends,
)
from assay.train.meter import Meter
from assay.train.reward import REWARD_METRICS, RewardLoss

SCORABLE = [kind for kind in KINDS if kind not in STATEFUL and "cohere" not in kind]


def make_scored(kind: str = "llama") -> Any:
    model = make_model(kind)
    torch.manual_seed(2)
    model = add_score_head(model)
    torch.nn.init.normal_(model.score.weight, std=0.5)
    return model


def make_rows() -> list[AnswerRow]:
    return [replace(row, margin=0.25 * n) for n, row in enumerate(make_pairs(refs=False))]


@pytest.mark.parametrize("kind", SCORABLE)
def test_packed_scores_and_gradients_are_those_of_transformers_classifier(kind: str) -> None:
    rows, model, plain = make_rows(), make_scored(kind), make_scored(kind)
    check_scorable(plain)
    classifier = as_classifier(plain).eval()
    meter = Meter(REWARD_METRICS)
    with packed_mode(model):
        loss = RewardLoss(centring=0.1, meter=meter)(model, build_answer_batch(rows))
        loss.backward()  # type: ignore[no-untyped-call]
    scores = [
        classifier(input_ids=torch.tensor([answer.input_ids])).logits[0, 0]
        for row in rows
        for answer in row.answers
    ]
    chosen, rejected = torch.stack(scores[0::2]), torch.stack(scores[1::2])
    margins = torch.tensor([row.margin for row in rows])
    expected = compute_bradley_terry(chosen, rejected, margins_P=margins, centring=0.1).sum()
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-4)
    found, wanted = gradients(model), gradients(classifier)
    assert found["score.weight"].abs().max() > 1e-2
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-4)
    told = meter.read("")
    assert told["reward_accuracy"] == pytest.approx(float((chosen > rejected).float().mean()))
    assert told["reward_margin"] == pytest.approx(
        float((chosen - rejected).mean().detach()), abs=1e-4
    )


def test_an_architecture_without_a_classifier_is_refused() -> None:
    model = make_model("mamba")
    assert find_classifier(model) is None
    with pytest.raises(ConfigError, match="a reward model of MambaForCausalLM"):
        check_scorable(model)


def test_scores_do_not_depend_on_what_shares_the_pass() -> None:
    model = make_scored()
    sequences = [answer.input_ids for row in make_rows() for answer in row.answers]
    together = score_sequences(model, sequences)
    assert together == pytest.approx(
        [score_sequences(model, [ids])[0] for ids in sequences], abs=1e-5
    )
    assert together == pytest.approx(score_sequences(model, sequences, token_budget=20), abs=1e-5)
    assert len(set(together)) > 6


def test_a_score_is_read_at_the_last_token_that_is_not_padding() -> None:
    """As Transformers has it, also of an answer that ends with the token that pads."""
    answers = [Answer(ids, [0.0] * len(ids)) for ids in ([5, 6, 7], [5, 6, 0], [5, 0, 0], [0, 0])]
    assert find_ends(answers, 0) == [2, 1, 0, 0]
    assert find_ends(answers, None) == [2, 2, 2, 1]
    model = make_scored()
    model.config.pad_token_id = 0
    rows = [AnswerRow((one,)) for one in answers[:3]]
    with torch.no_grad(), packed_mode(model):
        found = compute_end_scores(model, build_answer_batch(rows))
    padded = torch.tensor([one.input_ids for one in answers[:3]])
    with torch.no_grad():
        expected = as_classifier(model)(input_ids=padded).logits[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("flavours", [(), ("dora",)])
def test_beside_adapters_the_head_is_trained_whole_and_nothing_else_of_the_base(
    flavours: tuple[str, ...],
) -> None:
    wrapped = add_lora(make_scored(), rank=4, alpha=8.0, flavours=flavours)
    model = wrapped.get_base_model()
    trained = {name for name, one in model.named_parameters() if one.requires_grad}
    assert "score.modules_to_save.default.weight" in trained
    assert all("lora_" in name or name.startswith("score.modules_to_save") for name in trained)
    assert not any("score" in name and "lora_" in name for name in trained)
    with packed_mode(model):
        RewardLoss()(model, build_answer_batch(make_rows())).backward()  # type: ignore[no-untyped-call]
    found = gradients(model)
    assert found["score.modules_to_save.default.weight"].abs().max() > 1e-3
    assert any("lora_B" in name and float(one.abs().max()) > 1e-5 for name, one in found.items())


def test_adapters_without_a_head_are_those_of_causal_models() -> None:
    config = apply("lora")[0].peft_config["default"]
    assert (config.task_type, config.modules_to_save) == ("CAUSAL_LM", None)
