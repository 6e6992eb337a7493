"""DPO or a reward model with LoRA beside TRL's trainers, on the same pairs.

Each side runs in a process of its own, on one thread, in float32, with TRL's own defaults but for
the batch of 8 pairs; what stands before the first step (imports, model, data) is not counted. Ours
counts what DPO's reference says of every answer, which is run once before the first step.

    python -m benchmarks preference [--objective dpo|reward] [--rounds 1] [--pairs 32]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

BATCH_PAIRS = 8
TOKEN_BUDGET = 1024
SHAPE: dict[str, Any] = {
    "vocab_size": 32_000,
    "hidden_size": 384,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PROMPTS, ANSWERS = (40, 80, 120, 160, 240), (10, 20, 40, 80, 120)
"""Lengths in tokens, drawn alike."""

Ids = list[int]


def draw_pairs(count: int) -> list[tuple[Ids, Ids, Ids]]:
    """Prompt, chosen and rejected answer of random tokens."""
    rng = random.Random(0)

    def draw(lengths: Sequence[int]) -> Ids:
        return [rng.randrange(3, SHAPE["vocab_size"]) for _ in range(rng.choice(lengths))]

    return [(draw(PROMPTS), draw(ANSWERS), draw(ANSWERS)) for _ in range(count)]


def make_model() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE))


def run_assay(count: int) -> list[float]:
    """One epoch: the reference of every answer, then the steps; their losses."""
    from assay.losses.dpo import compute_sigmoid
    from assay.models.adapters import add_lora
    from assay.models.forward import packed_mode
    from assay.train.optimizer import build_optimizers
    from assay.train.preference import PreferenceLoss
    from assay.train.step import train_step

    model = add_lora(make_model(), rank=16, alpha=32.0).get_base_model()
    rows = build_rows(count)
    loss = PreferenceLoss(partial(compute_sigmoid, beta=0.1), beta=0.1)
    optimizers = build_optimizers(model, learning_rate=1e-4)
    start()
    with packed_mode(model):
        model.eval()
        rows = [row for part in split(rows) for row in refer(model, part)]
        model.train()
        return [
            train_step(model, pack(part), loss, optimizers, max_grad_norm=1.0).loss
            for part in split(rows)
        ]


def run_assay_reward(count: int) -> list[float]:
    """One epoch of a reward model; the losses of its steps."""
    import torch

    from assay.models.adapters import add_lora
    from assay.models.forward import packed_mode
    from assay.models.score_head import add_score_head
    from assay.train.optimizer import build_optimizers
    from assay.train.reward import RewardLoss
    from assay.train.step import train_step

    torch.manual_seed(0)
    model = add_lora(add_score_head(make_model()), rank=16, alpha=32.0).get_base_model()
    rows = build_rows(count)
    optimizers = build_optimizers(model, learning_rate=1e-4)
    start()
    with packed_mode(model):
        return [
            train_step(model, pack(part), RewardLoss(), optimizers, max_grad_norm=1.0).loss
            for part in split(rows)
        ]


def build_rows(count: int) -> list[Any]:
    from assay.data.answers import Answer, AnswerRow

    return [
        AnswerRow(
            tuple(
                Answer([*prompt, *ids], [0.0] * len(prompt) + [1.0] * len(ids)) for ids in answers
            )
        )
        for prompt, *answers in draw_pairs(count)
    ]


def split(rows: list[Any]) -> list[list[Any]]:
    return [rows[i : i + BATCH_PAIRS] for i in range(0, len(rows), BATCH_PAIRS)]


def pack(rows: Sequence[Any]) -> list[Any]:
    from assay.data.pack import pack_lengths
    from assay.data.portions import build_answer_batch

    bins = pack_lengths([row.num_tokens for row in rows], token_budget=TOKEN_BUDGET)
    return [build_answer_batch([rows[i] for i in own]) for own in bins]


def refer(model: Any, rows: Sequence[Any]) -> list[Any]:
    """The rows with what the model says of their answers."""
    import torch

    from assay.train.answers import compute_answer_logprobs

    found = []
    with torch.no_grad():
        for batch in pack(rows):
            logprobs = compute_answer_logprobs(model, batch)
            sums = iter(logprobs.sum(logprobs.logprobs_N).tolist())
            for row in batch.rows:
                answers = tuple(replace(one, ref_logprob=next(sums)) for one in row.answers)
                found.append(replace(row, answers=answers))
    return found


def run_trl(count: int) -> list[float]:
    """One epoch of TRL's trainer, whose reference is the model without its adapter."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from assay.models.base import find_base

    class Tokenized(DPOTrainer):  # type: ignore[misc]
        """Takes rows that are tokens already."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    rows = [
        {
            "prompt_ids": p,
            "chosen_ids": c,
            "rejected_ids": r,
            "prompt": "",
            "chosen": "",
            "rejected": "",
        }
        for p, c, r in draw_pairs(count)
    ]
    folder = tempfile.mkdtemp()
    trainer = Tokenized(
        make_model(),
        args=DPOConfig(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH_PAIRS,
            logging_steps=1,
            bf16=False,
            use_cpu=True,
            report_to="none",
            learning_rate=1e-4,
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(find_base("tiny").folder),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
    )
    start()
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def run_trl_reward(count: int) -> list[float]:
    """One epoch of TRL's trainer of reward models, on whole sequences."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    from assay.models.base import find_base

    class Tokenized(RewardTrainer):  # type: ignore[misc]
        """Takes rows that are tokens already."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    rows = [{"chosen_ids": [*p, *c], "rejected_ids": [*p, *r]} for p, c, r in draw_pairs(count)]
    torch.manual_seed(0)
    trainer = Tokenized(
        LlamaForSequenceClassification(LlamaConfig(**SHAPE, num_labels=1)),
        args=RewardConfig(
            output_dir=tempfile.mkdtemp(),
            num_train_epochs=1,
            per_device_train_batch_size=BATCH_PAIRS,
            logging_steps=1,
            bf16=False,
            use_cpu=True,
            report_to="none",
            learning_rate=1e-4,
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(find_base("tiny").folder),
        peft_config=LoraConfig(
            r=16, lora_alpha=32, target_modules="all-linear", task_type="SEQ_CLS"
        ),
    )
    start()
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


RUNS = {
    "dpo": {"assay": run_assay, "trl": run_trl},
    "reward": {"assay": run_assay_reward, "trl": run_trl_reward},
}
_started: list[float] = []


def start() -> None:
    """From here on time counts, and memory beyond what is held now."""
    _started[:] = [time.process_time(), float(read_peak())]


def read_peak() -> int:
    """Most kilobytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(objective: str, side: str, count: int) -> None:
    import torch

    torch.set_num_threads(1)
    losses = [float(loss) for loss in RUNS[objective][side](count)]
    seconds = time.process_time() - _started[0]
    found = {
        "objective": objective,
        "side": side,
        "pairs_per_cpu_s": round(count / seconds, 3),
        "peak_mb": round(read_peak() / 1024),
        "before_mb": round(_started[1] / 1024),
        "losses": losses,
    }
    print(json.dumps(found))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks preference", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--objective", choices=tuple(RUNS), default="dpo")
    parser.add_argument("--side", choices=("assay", "trl"), help="this one, in this process")
    given = parser.parse_args(arguments)
    if given.side:
        measure(given.objective, given.side, given.pairs)
        return
    for _ in range(given.rounds):
        for side in RUNS[given.objective]:
            command = [sys.executable, "-m", "benchmarks", "preference", "--side", side]
            command += ["--objective", given.objective]
            ended = subprocess.run(
                [*command, "--pairs", str(given.pairs)], capture_output=True, text=True, check=True
            )
            print(ended.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
