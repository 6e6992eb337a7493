"""The local engine beside Transformers, on the same prompts: `python -m benchmarks generation`.

The base is `tiny` in float32 on one thread, sixteen rows at a time. All sides decode the same
prompts in turn (A B C A B C), and the least CPU-seconds of each count, since other work on the
machine only adds to them. `ours` is the engine as it is; `own modules` is its way for models that
the lean path does not serve; `generate` and `generate_batch` are Transformers', the second its
continuous batching. Greedy completions are compared token by token.

    python -m benchmarks generation [--repeats 3] [--case NAME …] [--save]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from benchmarks.report import HERE, find_commit, find_hardware

BATCH_SIZE = 16
NEVER = 1 << 20
"""A stop token that no model draws, so that all completions have one length."""

Ids = list[int]


@dataclass(frozen=True)
class Case:
    """Prompts, each of them `samples` times; `ends` says whether stop tokens end completions."""

    prompts: Sequence[Ids]
    samples: int
    num_tokens: int
    temperature: float
    top_p: float = 1.0
    ends: bool = False
    lora: bool = False

    @property
    def rows(self) -> list[Ids]:
        return [prompt for prompt in self.prompts for _ in range(self.samples)]


def build_cases(tokenizer: Any) -> dict[str, Case]:
    from benchmarks.__main__ import make_sequences

    drawn = [ids for ids, _ in make_sequences(32)]
    asked = [ask(tokenizer, question) for question in QUESTIONS]
    return {
        "greedy, 32 prompts, 64 tokens": Case(drawn, 1, 64, 0.0),
        "greedy, LoRA, 32 prompts, 64 tokens": Case(drawn, 1, 64, 0.0, lora=True),
        "greedy, 32 questions, at most 128 tokens": Case(asked, 1, 128, 0.0, ends=True),
        "sampled, 8 prompts of 8 samples, 64 tokens": Case(drawn[:8], 8, 64, 1.0),
        "sampled, LoRA, 8 questions of 8 samples, at most 128 tokens": Case(
            asked[:8], 8, 128, 1.0, ends=True, lora=True
        ),
        "sampled, top_p 0.9, 8 questions of 8 samples, at most 128 tokens": Case(
            asked[:8], 8, 128, 1.0, top_p=0.9, ends=True
        ),
    }


QUESTIONS = [
    *(f"What is {a} + {b}?" for a, b in ((3, 4), (12, 30), (25, 17), (40, 2))),
    *(f"Name three {things}." for things in ("animals", "colours", "tools", "rivers")),
    *(f"Write a short story about {what}." for what in ("a ship", "a dog", "rain", "a king")),
    *(f"Repeat the word {word} five times." for word in ("lamp", "stone", "cloud", "river")),
    *(f"Explain in two sentences why {what}." for what in ("ice floats", "birds sing")),
    *(f"How do I {what}?" for what in ("boil an egg", "tie a knot", "bake bread", "plant a tree")),
    *(f"Sort these words: {words}." for words in ("pear fig apple", "dog cat ant", "six one")),
    *(f"Who are you, and what can you do for {whom}?" for whom in ("me", "a child", "a cook")),
    *(f"Give me a list of {number} numbers." for number in (3, 5, 7, 9)),
]


def ask(tokenizer: Any, question: str) -> Ids:
    from assay.chat import render_prompt

    return list(render_prompt(tokenizer, [{"role": "user", "content": question}]))


class Sides:
    """Every way to complete a case; each gives its completions' tokens, in order of the rows."""

    def __init__(self, model: Any, tokenizer: Any, case: Case) -> None:
        from assay.generate import Sampling
        from assay.generate.local import LocalEngine

        self._model, self._case = model, case
        self._stops = tuple(tokenizer.eos_ids) if case.ends else (NEVER,)
        self._engine = LocalEngine(model, tokenizer, batch_size=BATCH_SIZE)
        self._sampling = Sampling(
            case.num_tokens, case.temperature, case.top_p, stop_ids=self._stops
        )

    def ours(self) -> list[Ids]:
        found = self._engine.generate(self._case.rows, self._sampling)
        return [one.token_ids for one in found]

    def own_modules(self) -> list[Ids]:
        with patch("assay.generate.decode.build_lean", lambda model: "not asked for"):
            return self.ours()

    def generate(self) -> list[Ids]:
        import torch

        found: list[Ids] = []
        rows = self._case.rows
        for start in range(0, len(rows), BATCH_SIZE):
            part = rows[start : start + BATCH_SIZE]
            width = max(map(len, part))
            ids = torch.tensor([[0] * (width - len(row)) + row for row in part])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in part])
            out = self._model.generate(ids, attention_mask=mask, **self._options())
            found += [self._cut(row) for row in out[:, width:].tolist()]
        return found

    def generate_batch(self) -> list[Ids]:
        from transformers import GenerationConfig

        outputs = self._model.generate_batch(
            self._case.rows, generation_config=GenerationConfig(**self._options()), warmup=False
        )
        by_number = sorted(outputs.values(), key=lambda one: int(one.request_id.split("_")[-1]))
        return [self._cut(one.generated_tokens) for one in by_number]

    def _options(self) -> dict[str, Any]:
        case = self._case
        sampled = {"temperature": case.temperature, "top_p": case.top_p, "top_k": 0}
        return {
            "max_new_tokens": case.num_tokens,
            "do_sample": case.temperature > 0,
            "eos_token_id": list(self._stops),
            "pad_token_id": 0,
            **(sampled if case.temperature else {}),
        }

    def _cut(self, ids: Ids) -> Ids:
        ends = [place for place, token in enumerate(ids) if token in self._stops]
        return ids[: ends[0]] if ends else ids


def measure(sides: Sides, repeats: int) -> dict[str, Any]:
    """Least CPU-seconds, tokens and completions of each side, or why it did not run."""
    calls: dict[str, Callable[[], list[Ids]]] = {
        "ours": sides.ours,
        "own modules": sides.own_modules,
        "generate": sides.generate,
        "generate_batch": sides.generate_batch,
    }
    found: dict[str, Any] = {}
    for number in range(repeats + 1):  # the first round warms up
        for name, call in calls.items():
            # Its continuous batching takes ten times as long: once, and once to warm up.
            if "failed" in found.get(name, {}) or (name == "generate_batch" and number > 1):
                continue
            start = time.process_time()
            try:
                completions = call()
            except (AttributeError, ImportError, RuntimeError, TypeError, ValueError) as error:
                found[name] = {"failed": f"{type(error).__name__}: {error}"[:300]}
                continue
            spent = time.process_time() - start
            one = found.setdefault(name, {"cpu_s": spent})
            one["cpu_s"] = spent if number < 2 else min(one["cpu_s"], spent)
            one["tokens"] = sum(map(len, completions))
            one["completions"] = completions
    return found


def summarise(found: dict[str, Any], case: Case) -> dict[str, Any]:
    """Tokens per CPU-second, how many times faster ours is, and whether tokens are equal."""
    ours = found["ours"]
    pace = ours["tokens"] / ours["cpu_s"]
    told: dict[str, Any] = {}
    for name, one in found.items():
        if "failed" in one:
            told[name] = one
            continue
        own = one["tokens"] / one["cpu_s"]
        told[name] = {
            "tokens": one["tokens"],
            "cpu_s": round(one["cpu_s"], 3),
            "tokens_per_cpu_s": round(own, 1),
            "ours_is_times_faster": round(pace / own, 2),
        }
        if case.temperature == 0 or name == "own modules":
            pairs = zip(one["completions"], ours["completions"], strict=True)
            told[name]["equal_completions"] = sum(left == right for left, right in pairs)
    return {"rows": len(case.rows), "prompt_tokens": sum(map(len, case.prompts)), "sides": told}


def build_model(base: Any, case: Case) -> Any:
    """The base, with a LoRA adapter that is not nought where the case has one."""
    import torch

    from assay.models.adapters import add_lora
    from assay.models.base import load_model

    model = load_model(base)
    if not case.lora:
        return model
    torch.manual_seed(0)
    wrapped = add_lora(model, rank=16, alpha=32.0)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.01)
    return wrapped.get_base_model().eval()


def main(arguments: Sequence[str] | None = None) -> None:
    import torch

    from assay.models.base import TINY, find_base

    parser = argparse.ArgumentParser("python -m benchmarks generation", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", nargs="+", default=[], metavar="NAME", help="parts of names")
    parser.add_argument("--save", action="store_true", help="to benchmarks/results")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    base = find_base(TINY)
    results: dict[str, Any] = {}
    for name, case in build_cases(base.tokenizer).items():
        if given.case and not any(part in name for part in given.case):
            continue
        sides = Sides(build_model(base, case), base.tokenizer, case)
        found = measure(sides, given.repeats)
        results[name] = summarise(found, case)
        print(name, json.dumps(results[name]["sides"], indent=1), flush=True)
    if given.save:
        save(results)


def save(results: dict[str, Any]) -> None:
    from importlib.metadata import version

    day = f"{datetime.now(UTC):%Y-%m-%d}"
    told = {
        "date": day,
        "hardware": find_hardware(),
        "commit": find_commit(),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
        "cases": results,
    }
    path = HERE / "results" / f"generation-{day}.json"
    path.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(f"written to {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
