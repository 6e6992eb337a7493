"""A reward model of what `tiny` writes itself, and PPO against it: does what is truly wanted rise?

The base answers questions about things of a shop, mostly of something else. What is truly wanted is
known here and told to nobody: that an answer names the thing that was asked about. Pairs of the
base's own answers, one that does and one that does not, train a reward model; PPO then sees its
rewards alone, on questions that gave no pair. Told are the reward model's accuracy on held-out
pairs, and of held-out questions its mean reward and the share of answers that name the thing, of
the base and of the tuned model.

    python -m benchmarks rlhf [--seed 0] [--steps 80] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

QUESTIONS = Path(__file__).parents[1] / "examples" / "reward-model" / "data" / "pairs.jsonl"
THINGS = re.compile(r"\b(lamp|kettle|rug|shelf|mirror|clock|chair|toaster|fan|desk)\b")
NUM_SAMPLES, MAX_NEW_TOKENS, NUM_HELD_OUT = 6, 24, 60

Row = dict[str, Any]


def read_questions(seed: int) -> list[Row]:
    """Questions with the thing that each is about, in random order."""
    lines = QUESTIONS.read_text("utf-8").splitlines()
    rows = []
    for line in lines:
        row = json.loads(line)
        (thing,) = set(THINGS.findall(row["prompt"][0]["content"]))
        rows.append({"messages": row["prompt"], "thing": thing, "group": row["group"]})
    random.Random(seed).shuffle(rows)
    return rows


def names(row: Row, answer: str) -> bool:
    """What is truly wanted of an answer."""
    return row["thing"] in answer.lower()


def write_answers(engine: Any, rows: Sequence[Row], *, num: int, seed: int) -> list[list[str]]:
    """`num` samples of each question, or the greedy answer alone."""
    from assay.chat import render_prompt
    from assay.generate.engine import Sampling

    prompts = [render_prompt(engine.tokenizer, row["messages"]) for row in rows for _ in range(num)]
    sampling = Sampling(MAX_NEW_TOKENS, 1.0 if num > 1 else 0.0, 1.0, seed)
    texts = [one.text for one in engine.generate(prompts, sampling)]
    return [texts[i : i + num] for i in range(0, len(texts), num)]


def make_pairs(engine: Any, rows: Sequence[Row], seed: int) -> list[Row]:
    """Pairs of answers to one question, of which the first names its thing."""
    pairs = []
    told = write_answers(engine, rows, num=NUM_SAMPLES, seed=seed)
    for row, answers in zip(rows, told, strict=True):
        good = [one for one in dict.fromkeys(answers) if names(row, one)]
        bad = [one for one in dict.fromkeys(answers) if one.strip() and not names(row, one)]
        pairs += [
            {"prompt": row["messages"], "chosen": one, "rejected": other, "group": row["group"]}
            for one, other in zip(good, bad, strict=False)
        ]
    return pairs


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def tune(out: Path, recipe: Row, seed: int) -> Any:
    from assay.config import load
    from assay.pipeline.tune_run import run_tuning

    path = out / f"{recipe['objective']['type']}.yaml"
    path.write_text(json.dumps({**recipe, "seed": seed, "output": str(out)}), encoding="utf-8")
    return run_tuning(load(path)).run


def tune_reward_model(out: Path, pairs: Path, seed: int) -> Any:
    recipe = {
        "base": "tiny",
        "data": {
            "train": str(pairs),
            "group_by": "group",
            "test_ratio": 0.05,
            "validation_ratio": 0.2,
        },
        "method": {"type": "lora", "rank": 16},
        "objective": {"type": "reward"},
        "train": {"epochs": 3, "learning_rate": 0.001, "batch_size": 16},
        "evaluate": {"shots": [0]},
    }
    return tune(out, recipe, seed)


def tune_policy(out: Path, prompts: Path, reward_model: Path, *, steps: int, seed: int) -> Any:
    recipe = {
        "base": "tiny",
        "data": {"train": str(prompts), "test_ratio": 0.05, "validation_ratio": 0.1},
        "method": {"type": "lora", "rank": 16},
        "objective": {
            "type": "ppo",
            "grader": {
                "type": "multi",
                "graders": {"rm": {"type": "reward_model", "model": str(reward_model)}},
                # Rewards of about 1, as the value head's clip expects them.
                "calculate_output": "rm / 4",
            },
            "group_size": 8,
            "updates": 2,
            "beta": 0.02,
            "max_new_tokens": MAX_NEW_TOKENS,
        },
        "train": {
            "max_steps": steps,
            "batch_size": 16,
            "learning_rate": 0.0005,
            "eval_every_steps": 20,
        },
    }
    return tune(out, recipe, seed)


def judge(engine: Any, rows: Sequence[Row], reward_model: Any) -> dict[str, float]:
    """Of greedy answers: the share that names its thing, and the mean reward."""
    answers = [own for (own,) in write_answers(engine, rows, num=1, seed=0)]
    pairs = list(zip(rows, answers, strict=True))
    chats = [[*row["messages"], {"role": "assistant", "content": one}] for row, one in pairs]
    return {
        "true": sum(names(row, one) for row, one in pairs) / len(pairs),
        "reward": sum(reward_model.score(chats)) / len(pairs),
    }


def run(seed: int, steps: int, out: Path) -> dict[str, Any]:
    from assay.models.reward_model import load_reward_model
    from assay.pipeline.subject import load_subject
    from assay.runs.metrics import read_lines

    started = time.process_time()
    rows = read_questions(seed)
    held_out, rest = rows[:NUM_HELD_OUT], rows[NUM_HELD_OUT:]
    for_pairs, for_policy = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    base = load_subject("tiny", root=str(out)).engine
    pairs = make_pairs(base, for_pairs, seed)
    scored = tune_reward_model(out, write(out / "pairs.jsonl", pairs), seed)
    reward_model = load_reward_model(scored.path)
    before = judge(base, held_out, reward_model)
    prompts = write(out / "prompts.jsonl", for_policy)
    policy = tune_policy(out, prompts, scored.path, steps=steps, seed=seed)
    after = judge(load_subject(policy.id, root=str(out)).engine, held_out, reward_model)
    return {
        "seed": seed,
        "num_pairs": len(pairs),
        "held_out_pair_accuracy": read_lines(scored.metrics)[-1]["eval/reward_accuracy"],
        "base": before,
        "tuned": after,
        "cpu_s": round(time.process_time() - started, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    import torch

    parser = argparse.ArgumentParser("python -m benchmarks rlhf", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--out", type=Path, help="where runs go; by default they are not kept")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        print(json.dumps(run(given.seed, given.steps, out.resolve()), indent=1))


if __name__ == "__main__":
    main()
