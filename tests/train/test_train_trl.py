"""The same prompt-completion rows as text, through TRL and through Assay: the same first loss."""

from pathlib import Path

import pytest

from assay.chat import load_chat_tokenizer
from assay.chat.examples import render_completion
from assay.data.pack import build_batch
from assay.models.base import find_base, load_model
from assay.models.forward import packed_mode
from assay.train.optimizer import build_optimizers
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
