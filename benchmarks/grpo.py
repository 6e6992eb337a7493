"""A GRPO step with LoRA beside TRL's trainer on `tiny`: `python -m benchmarks grpo`.

8 prompts of about 100 tokens, 8 completions of exactly 64 tokens of each, no reference, one update
a rollout; a grader that counts letters. Each side runs in a process of its own, on one thread, in
float32, with TRL's own defaults but for the sizes (gradient checkpointing off). What stands before
the first step is not counted, and the first step warms up. Seconds are CPU-seconds of a step:
writing the completions, and all else.

    python -m benchmarks grpo [--rounds 1] [--steps 3]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

NUM_PROMPTS, GROUP_SIZE, NEW_TOKENS = 8, 8, 64
NUM_ROWS = 64
WORDS = ("red", "book", "seven", "lamp", "north", "water", "small", "train", "paper", "green")


def draw_prompts(count: int = NUM_ROWS) -> list[str]:
    """Questions of about 100 tokens."""
    rng = random.Random(0)
    return [f"Go on: {' '.join(rng.choice(WORDS) for _ in range(90))}" for _ in range(count)]


class Clock:
    """CPU-seconds within what it wraps, by step."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **keywords: Any) -> Any:
            start = time.process_time()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds += time.process_time() - start

        return timed


def run_assay(num_steps: int) -> list[tuple[float, float]]:
    """Of each step the seconds of generation and those of all."""
    from assay.chat import render_prompt
    from assay.data import TokenSequence
    from assay.data.asked import Asked
    from assay.generate.local import LocalEngine
    from assay.graders.grade import EachGrader
    from assay.models.adapters import add_lora
    from assay.models.base import find_base, load_model
    from assay.models.forward import packed_mode
    from assay.train.credit import GroupCredit
    from assay.train.optimizer import build_optimizers
    from assay.train.policy import PolicyLoss, PolicySettings
    from assay.train.rollout_settings import RolloutSettings
    from assay.train.rollouts import Rollouts
    from assay.train.step import train_step

    base = find_base("tiny")
    model = add_lora(load_model(base), rank=16, alpha=32.0).get_base_model()
    prompts = []
    for number, text in enumerate(draw_prompts()):
        message = {"role": "user", "content": text}
        ids = render_prompt(base.tokenizer, [message])
        asked = Asked((message,))
        prompts.append(TokenSequence(ids, [0.0] * len(ids), f"{number}", "chat", "", asked=asked))
    clock, engine = Clock(), LocalEngine(model, base.tokenizer, batch_size=64)
    generate = clock.wrap(engine.generate)

    def write(rows: Any, sampling: Any, *arguments: Any, **keywords: Any) -> Any:
        from dataclasses import replace

        endless = replace(sampling, stop_ids=(1 << 30,))
        return generate(rows, endless, *arguments, **keywords)

    engine.generate = write  # type: ignore[method-assign]
    rollouts = Rollouts(
        model,
        engine,
        EachGrader("letters", lambda sample, item: float(sample.output_text.count("e"))),
        prompts,
        GroupCredit(),
        RolloutSettings(
            group_size=GROUP_SIZE,
            max_new_tokens=NEW_TOKENS,
            batch_size=NUM_PROMPTS,
            token_budget=8192,
        ),
    )
    loss, optimizers = PolicyLoss(PolicySettings()), build_optimizers(model, learning_rate=1e-5)
    found = []
    with packed_mode(model):
        model.train()
        for step in range(num_steps):
            clock.seconds, start = 0.0, time.process_time()
            batches = rollouts(step)
            train_step(model, batches, loss, optimizers, max_grad_norm=1.0)
            found.append((clock.seconds, time.process_time() - start))
            assert sum(len(batch.target_ids) for batch in batches) == 64 * NEW_TOKENS
    return found


def run_trl(num_steps: int) -> list[tuple[float, float]]:
    """The same of TRL's trainer."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from assay.models.base import find_base, load_model

    base, clock = find_base("tiny"), Clock()
    found: list[tuple[float, float]] = []

    class Timing(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *arguments: Any, **keywords: Any) -> None:
            clock.seconds, self.start = 0.0, time.process_time()

        def on_step_end(self, *arguments: Any, **keywords: Any) -> None:
            found.append((clock.seconds, time.process_time() - self.start))

    def count_letters(completions: Any, **keywords: Any) -> list[float]:
        return [float(one[0]["content"].count("e")) for one in completions]

    rows = [{"prompt": [{"role": "user", "content": text}]} for text in draw_prompts()]
    trainer = GRPOTrainer(
        load_model(base),
        reward_funcs=count_letters,
        args=GRPOConfig(
            output_dir=tempfile.mkdtemp(),
            max_steps=num_steps,
            per_device_train_batch_size=NUM_PROMPTS * GROUP_SIZE,
            num_generations=GROUP_SIZE,
            max_completion_length=NEW_TOKENS,
            generation_kwargs={"min_new_tokens": NEW_TOKENS},
            loss_type="grpo",
            bf16=False,
            use_cpu=True,
            report_to="none",
            learning_rate=1e-5,
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base.folder),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
        callbacks=[Timing()],
    )
    trainer._generate = clock.wrap(trainer._generate)
    trainer.train()
    lengths = [one["completions/mean_length"] for one in trainer.state.log_history[:1] if one]
    assert all(length == NEW_TOKENS for length in lengths), lengths
    return found


RUNS = {"assay": run_assay, "trl": run_trl}


def measure(side: str, num_steps: int) -> None:
    """Print the least seconds of a step beyond the first, in two parts."""
    import torch

    torch.set_num_threads(1)
    steps = RUNS[side](num_steps + 1)[1:]
    generating = min(own for own, _ in steps)
    training = min(whole - own for own, whole in steps)
    told = {"generating_s": generating, "training_s": training, "whole_s": generating + training}
    print(json.dumps({"side": side} | {name: round(value, 3) for name, value in told.items()}))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks grpo", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--side", choices=tuple(RUNS), help="this side alone, in this process")
    given = parser.parse_args(arguments)
    if given.side:
        measure(given.side, given.steps)
        return
    for _ in range(given.rounds):
        for side in RUNS:
            command = [sys.executable, "-m", "benchmarks", "grpo", "--side", side]
            ended = subprocess.run(
                [*command, "--steps", str(given.steps)], capture_output=True, text=True, check=True
            )
            print(ended.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
