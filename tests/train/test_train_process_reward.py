"""Process rewards on packed steps with shared beginnings: equal to each step by itself."""

import random
from typing import Any

import pytest
import torch
from methods import gradients
from small_models import make_model

from assay.data.answers import Answer, AnswerRow
from assay.data.portions import build_answer_batch, split_batch
from assay.losses.step_labels import compute_step_loss
from assay.models.forward import packed_mode
from assay.models.score_head import add_score_head, as_classifier
from assay.train.meter import Meter
from assay.train.process_reward import STEP_METRICS, ProcessRewardLoss


def make_scored(kind: str = "llama") -> Any:
    model = make_model(kind)
    torch.manual_seed(2)
    model = add_score_head(model)
    torch.nn.init.normal_(model.score.weight, std=0.5)
    return model


def make_rows(num: int = 5) -> list[AnswerRow]:
    """Prompts with answers of 1 to 4 steps, each prefix ended by the same token."""
    rng = random.Random(1)
    rows = []
    for _ in range(num):
        ids = [rng.randrange(60) for _ in range(rng.randint(3, 8))]
        answers, labels = [], []
        for _ in range(rng.randint(1, 4)):
            ids = ids + [rng.randrange(60) for _ in range(rng.randint(1, 5))]
            answers.append(Answer([*ids, 60], [0.0] * 3 + [1.0] * (len(ids) - 2)))
            labels.append(rng.random() < 0.6)
        rows.append(AnswerRow(tuple(answers), weight=len(labels), step_labels=tuple(labels)))
    return rows


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_steps_of_a_batch_equal_transformers_classifier_on_each(kind: str) -> None:
    rows, model, plain = make_rows(), make_scored(kind), make_scored(kind)
    classifier, meter = as_classifier(plain).eval(), Meter(STEP_METRICS)
    batch = build_answer_batch(rows)
    with packed_mode(model):
        loss = ProcessRewardLoss(meter=meter)(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
    answers = [answer for row in rows for answer in row.answers]
    scores = torch.stack(
        [classifier(input_ids=torch.tensor([one.input_ids])).logits[0, 0] for one in answers]
    )
    labels = torch.tensor([label for row in rows for label in row.step_labels])
    expected = compute_step_loss(scores, labels).sum()
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-4)
    found = gradients(model)
    for name, gradient in gradients(classifier).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-4)
    assert batch.loss_weight == len(answers) and batch.num_tokens < sum(
        len(one.input_ids) for one in answers
    )
    told, odds = meter.read(""), scores.detach().sigmoid()
    assert told["step_accuracy"] == pytest.approx(float(((scores > 0) == labels).float().mean()))
    assert told["step_right"] == pytest.approx(float(odds[labels].mean()), abs=1e-4)
    assert told["step_wrong"] == pytest.approx(float(odds[~labels].mean()), abs=1e-4)


def test_smaller_batches_of_the_same_rows_add_up() -> None:
    model, batch = make_scored(), build_answer_batch(make_rows())
    parts = split_batch(batch, token_budget=20)
    assert len(parts) > 2
    with packed_mode(model), torch.no_grad():
        whole = ProcessRewardLoss()(model, batch)
        summed = sum(float(ProcessRewardLoss()(model, part)) for part in parts)
    assert summed == pytest.approx(float(whole), abs=1e-4)
    assert sum(part.loss_weight for part in parts) == batch.loss_weight


def test_a_batch_that_stands_in_for_another_weighs_nothing() -> None:
    from assay.data.share import build_filler

    filler, meter = build_filler(build_answer_batch(make_rows()).kind), Meter(STEP_METRICS)
    with packed_mode(model := make_scored()):
        loss = ProcessRewardLoss(meter=meter)(model, filler)
        loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert all(float(one.abs().max()) == 0 for one in gradients(model).values())
