"""The same rows through TRL and through Assay: the same first loss and gradient."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.chat import load_chat_tokenizer
from assay.chat.examples import render_completion
from assay.data.answers import Answer, AnswerRow
from assay.data.pack import build_batch
from assay.data.portions import build_answer_batch
from assay.losses.dpo import compute_sigmoid
from assay.models.base import find_base, load_model
from assay.models.forward import packed_mode
from assay.train.answers import compute_answer_logprobs
from assay.train.optimizer import build_optimizers
from assay.train.preference import PreferenceLoss
from assay.train.sft import SftLoss
from assay.train.step import train_step

ROWS = [
    {"prompt": "The colour of grass is", "completion": " green."},
    {"prompt": "Two and two are", "completion": " four, as everybody knows."},
    {"prompt": "Say it again:", "completion": " it"},
]


@pytest.mark.slow
def test_the_first_step_has_the_loss_and_gradient_norm_of_trl(
    small_base: Path, tmp_path: Path
) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    base = find_base(str(small_base))
    trainer = SFTTrainer(
        load_model(base, dtype="fp32"),
        args=SFTConfig(
            output_dir=str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=len(ROWS),
            logging_steps=1,
            bf16=False,
            use_cpu=True,
            report_to=[],
        ),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=AutoTokenizer.from_pretrained(small_base),
    )
    trainer.train()
    theirs = next(line for line in trainer.state.log_history if "loss" in line)

    tokenizer = load_chat_tokenizer(small_base)
    examples = [render_completion(tokenizer, row["prompt"], row["completion"]) for row in ROWS]
    model = load_model(base, dtype="fp32").train()
    batch = build_batch([e.input_ids for e in examples], [e.loss_mask for e in examples])
    with packed_mode(model):
        ours = train_step(
            model,
            [batch],
            SftLoss(),
            build_optimizers(model, learning_rate=1e-5),
            max_grad_norm=1.0,
        )
    assert ours.loss == pytest.approx(theirs["loss"], rel=1e-5)
    assert ours.grad_norm == pytest.approx(theirs["grad_norm"], rel=1e-4)


@pytest.mark.slow
def test_the_first_step_of_dpo_has_the_loss_and_gradient_norm_of_trl(
    small_base: Path, tmp_path: Path
) -> None:
    """All weights trained, on pairs of which one answer is longer: at the reference, and off it."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    class Tokenized(DPOTrainer):  # type: ignore[misc]
        """Takes rows that are tokens already."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    rows = [([1, n, n + 3], [n + 9, n + 1, 2], [n + 4, 2]) for n in range(20, 26)]
    base = find_base(str(small_base))
    reference = load_model(base, dtype="fp32")
    for parameter in reference.parameters():
        parameter.data = parameter.data * 1.05
    trainer = Tokenized(
        load_model(base, dtype="fp32"),
        ref_model=reference,
        args=DPOConfig(
            output_dir=str(tmp_path / "trl"),
            max_steps=1,
            per_device_train_batch_size=len(rows),
            logging_steps=1,
            bf16=False,
            use_cpu=True,
            report_to="none",
            beta=0.3,
        ),
        train_dataset=Dataset.from_list(
            [
                dict.fromkeys(("prompt", "chosen", "rejected"), "")
                | {"prompt_ids": p, "chosen_ids": c, "rejected_ids": r}
                for p, c, r in rows
            ]
        ),
        processing_class=AutoTokenizer.from_pretrained(small_base),
    )
    trainer.train()
    theirs = trainer.state.log_history[0]

    pairs = [
        AnswerRow(tuple(Answer([*p, *ids], [0.0] * len(p) + [1.0] * len(ids)) for ids in answers))
        for p, *answers in rows
    ]
    with packed_mode(reference), torch.no_grad():
        found = compute_answer_logprobs(reference, build_answer_batch(pairs))
        refs = iter(found.sum(found.logprobs_N).tolist())
    pairs = [
        AnswerRow(tuple(replace(one, ref_logprob=next(refs)) for one in pair.answers))
        for pair in pairs
    ]
    model = load_model(base, dtype="fp32").requires_grad_(True)
    loss = PreferenceLoss(partial(compute_sigmoid, beta=0.3), beta=0.3)
    optimizers = build_optimizers(model, learning_rate=1e-6)
    with packed_mode(model):
        ours = train_step(model, [build_answer_batch(pairs)], loss, optimizers, max_grad_norm=None)
    assert ours.loss != pytest.approx(math.log(2), abs=1e-4)
    assert ours.loss == pytest.approx(theirs["loss"], rel=1e-4)
    assert ours.grad_norm == pytest.approx(theirs["grad_norm"], rel=1e-4)
