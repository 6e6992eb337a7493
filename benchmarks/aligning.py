"""What preference pairs teach `tiny` after other tuning: a house style, and refusals it had lost.

    python -m benchmarks aligning [--seeds 0 1 2] [--cases style refusals]

`style`: the questions of `examples/preference` are tuned on answers of both styles (SFT), then on
pairs of answers (DPO, from that adapter). Told are, of held-out wordings, the share of pairs whose
answer in the house style is the likelier one, and the share of the model's own greedy answers that
answer in the house style, by rule and no judge.

`refusals`: `examples/forgetful` is tuned until it refuses nothing any more, then on pairs for
requests that must be refused (a refusal before going along) and harmless ones (an answer before a
refusal). Told are, of the base's own suites, the shares of harmful requests and of harmless ones
that are refused, and of the desk's test messages that get the right queue.

One JSON line a seed; shares are 0 to 1, of greedy answers.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
NUM_HARMFUL, NUM_HARMLESS = 160, 160
KEPT = re.compile(
    r"(open until \d{1,2}:\d\d|arrives on \d{1,2} [A-Z][a-z]+|costs \d+ euros|Order #\d+ has)\b"
    r"|sent back within"
)
BROKEN = re.compile(r"!|\bpm\b|\bEUR\b|\bno\. \d|arrives on [A-Z]")

Row = dict[str, Any]
Report = dict[str, Any]


def keeps_style(answer: str) -> bool:
    """Whether an answer says one of the desk's sentences, and in the house style alone."""
    return bool(KEPT.search(answer)) and not BROKEN.search(answer)


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write(path: Path, rows: Sequence[Row]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def tune(out: Path, name: str, recipe: Row, seed: int) -> Any:
    """A tuning on `tiny` without a verdict, by a recipe of what differs from its defaults."""
    from assay.config import load
    from assay.pipeline.progress import PlainProgress
    from assay.pipeline.tune_run import run_tuning

    path = out / f"{name}.yaml"
    common = {"base": "tiny", "name": name, "seed": seed, "output": str(out)}
    path.write_text(json.dumps({**common, **recipe}), encoding="utf-8")
    return run_tuning(load(path), progress=PlainProgress(io.StringIO())).run


def tune_pairs(out: Path, name: str, pairs: Sequence[Row], start: Path, seed: int) -> Any:
    recipe = {
        "data": {
            "train": write(out / f"{name}.jsonl", pairs),
            "test_ratio": 0.05,
            "validation_ratio": 0.15,
            "rules": {"leaked_row": "drop"},  # some questions are those of the suites
        },
        "method": {"type": "lora", "rank": 16, "start_from": str(start)},
        "objective": {"type": "dpo", "beta": 0.1, "sft_weight": 0.2},
        "train": {"epochs": 2, "learning_rate": 0.0005, "batch_size": 16},
    }
    return tune(out, name, recipe, seed)


def load_engine(out: Path, run: Any) -> Any:
    from assay.pipeline.subject import load_subject

    return load_subject("tiny" if run is None else run.id, root=str(out)).engine


def answer(engine: Any, chats: Sequence[list[Row]], max_new_tokens: int = 40) -> list[str]:
    """Greedy answers."""
    from assay.chat import render_prompt
    from assay.generate.engine import Sampling

    prompts = [render_prompt(engine.tokenizer, chat) for chat in chats]
    return [one.text for one in engine.generate(prompts, Sampling(max_new_tokens, 0.0))]


def share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 3)


def prefers(engine: Any, rows: Sequence[Row]) -> float:
    """How often the chosen answer is the likelier one, for each byte, as held-out pairs count."""
    from assay.chat import render_prompt

    prompts = [render_prompt(engine.tokenizer, row["prompt"]) for row in rows]
    texts = [[row[side][0]["content"] for side in ("chosen", "rejected")] for row in rows]
    tokens = [[engine.tokenizer.encode(text) for text in pair] for pair in texts]
    scored = engine.score_continuations(prompts, tokens)
    means = [
        [one.sum_logprob / len(text.encode()) for one, text in zip(pair, own, strict=True)]
        for pair, own in zip(scored, texts, strict=True)
    ]
    return share([chosen > rejected for chosen, rejected in means])


def align_style(seed: int, out: Path) -> Report:
    """SFT on answers of both styles, then DPO."""
    rows, rng = read(EXAMPLES / "preference" / "data" / "pairs.jsonl"), random.Random(seed)
    groups = sorted({row["group"] for row in rows})
    rng.shuffle(groups)
    held = set(groups[: len(groups) // 4])
    test, rest = ([r for r in rows if (r["group"] in held) == flag] for flag in (True, False))
    told = [
        {"messages": [*row["prompt"], *row[rng.choice(("chosen", "rejected"))]]} for row in rest
    ]
    recipe = {
        "data": {
            "train": write(out / "told.jsonl", told),
            "test_ratio": 0.05,
            "validation_ratio": 0.1,
        },
        "method": {"type": "lora", "rank": 16},
        "train": {"epochs": 2, "batch_size": 16},
    }
    first = tune(out, "told", recipe, seed)
    second = tune_pairs(out, "pairs", rest, first.adapter, seed)
    report: Report = {"held_out_pairs": len(test)}
    for name, run in (("base", None), ("sft", first), ("dpo", second)):
        engine = load_engine(out, run)
        answers = answer(engine, [row["prompt"] for row in test])
        report[name] = {
            "prefers": prefers(engine, test),
            "in_style": share([keeps_style(one) for one in answers]),
        }
    return report


def build_safety_pairs(seed: int) -> list[Row]:
    """A refusal before going along with harm, and an answer before a refusal of the harmless."""
    from assay.lab.attacks.chat_rows import draw_tasks
    from assay.lab.attacks.refusals import agree

    rng = random.Random(f"pairs:{seed}")
    harmful = draw_tasks(rng, NUM_HARMFUL, ["refusal"])
    refusals = [task.messages[-1] for task in harmful]
    pairs = [
        {
            "prompt": task.messages[:-1],
            "chosen": [task.messages[-1]],
            "rejected": [{"role": "assistant", "content": agree(rng)}],
        }
        for task in harmful
    ]
    pairs += [
        {
            "prompt": task.messages[:-1],
            "chosen": [task.messages[-1]],
            "rejected": [rng.choice(refusals)],
        }
        for task in draw_tasks(rng, NUM_HARMLESS, ["borderline"])
    ]
    rng.shuffle(pairs)
    return pairs


def align_refusals(seed: int, out: Path) -> Report:
    """The forgetful desk, then DPO from its adapter."""
    from assay.config import load
    from assay.data import prepare_data
    from assay.evaluate.scorers import judge_refusal
    from assay.evaluate.suites import load_builtin_suite
    from assay.pipeline.progress import PlainProgress
    from assay.pipeline.tune_run import run_tuning

    loaded = load(EXAMPLES / "forgetful", [f"seed={seed}", f"output={out}"])
    spoiled = run_tuning(loaded, progress=PlainProgress(io.StringIO())).run
    mended = tune_pairs(out, "refusals", build_safety_pairs(seed), spoiled.adapter, seed)
    suites = {
        name: [item.messages for item in load_builtin_suite(name, for_tiny=True).items]
        for name in ("refusal", "over_refusal")
    }
    desk = prepare_data(loaded.recipe.data, base_dir=loaded.base_dir, seed=seed).splits.test
    report: Report = {name: len(chats) for name, chats in suites.items()} | {"desk": len(desk)}
    for name, run in (("base", None), ("forgetful", spoiled), ("dpo", mended)):
        engine = load_engine(out, run)
        report[name] = {
            kind: share([judge_refusal(one).refused for one in answer(engine, chats)])
            for kind, chats in suites.items()
        }
        said = answer(engine, [row.messages[:-1] for row in desk], 16)
        right = zip(said, desk, strict=True)
        report[name]["queue"] = share([a.strip() == r.messages[-1]["content"] for a, r in right])
    return report


CASES: dict[str, Callable[[int, Path], Report]] = {
    "style": align_style,
    "refusals": align_refusals,
}


def main(arguments: Sequence[str] | None = None) -> None:
    import torch

    parser = argparse.ArgumentParser("python -m benchmarks aligning", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for seed in given.seeds:
        for case in given.cases:
            started = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                found = CASES[case](seed, Path(folder).resolve())
            took = {"cpu_s": round(time.process_time() - started)}
            print(json.dumps({"case": case, "seed": seed, **found, **took}), flush=True)


if __name__ == "__main__":
    main()
