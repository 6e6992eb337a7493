"""What scope keeps, lets go and costs: `python -m benchmarks router [--run FOLDER …] [--write]`.

The tasks are the examples' own rows. For each seed the rows are divided anew, wordings together: a
scope is fitted on some, its combination chosen on others, and the rest divided again into prompts
that calibrate and fresh ones (by rows, and by wordings). Foreign are general-skill prompts, other
examples (but those of the same kind of desk, which are told apart), and public ones, those as they
stand and under the task's own system prompt. Likelihoods need tuned adapters: `--run` names folders
of released runs, whose scopes are fitted as `assay run` does. Latency is CPU on one thread.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist, mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from assay.chat.user_turn import UserTurn, find_user_turn
from assay.config import SourceConfig
from assay.data import Record, to_prompt
from assay.data.read import read_sources
from assay.data.stored import iterate_records
from assay.evaluate.scope import Pools, Prompts, Scope, fit_scope
from assay.generate.engine import Sampling
from assay.generate.local import LocalEngine
from assay.models.base import BaseFiles, find_base, load_model
from assay.pipeline.questions import usual_system_prompt
from assay.pipeline.scope import Rows, TurnMeter, build_scope, list_foreign_turns, list_turns
from assay.runs import RunFolder, write_json
from assay.runs.values import number

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PUBLIC = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "serving.md"
_BEGIN, _END = "<!-- router:begin -->", "<!-- router:end -->"
TASKS = {
    "support": ("support/data/tickets.jsonl", "answers"),
    "agent": ("agent/data/desk.parquet", "answers"),
    "grpo-tools": ("grpo-tools/data/requests.jsonl", "prompts"),
    "forgetful": ("forgetful/data/queues.jsonl", "answers"),
    "grpo": ("grpo/data/sums.jsonl", "prompts"),
    "preference": ("preference/data/pairs.jsonl", "preference"),
    "distil": ("distil/data/questions.jsonl", "answers"),
}
DESKS = frozenset({"support", "agent", "grpo-tools", "forgetful"})
SHOP = frozenset({"preference", "distil"})
"""Tasks of one kind: what is asked of one could be asked of another."""
LEVEL = 0.05
NUM_SEEDS, NUM_DIVISIONS = 5, 40
MOST_ROWS, MOST_FOREIGN, MOST_PUBLIC = 480, 150, 100
ANSWER_TOKENS = 64


@dataclass(frozen=True)
class Task:
    """A task's rows with their states; `groups` are wordings, of which none is divided."""

    name: str
    groups: list[str]
    prompts: Prompts
    system: str | None

    def take(self, places: Sequence[int]) -> Prompts:
        return Prompts(self.prompts.states_NBD[list(places)])


def read_task(name: str, meter: TurnMeter, *, seed: int = 0) -> Task:
    """At most `MOST_ROWS` rows of an example, drawn by seed."""
    path, wanted = TASKS[name]
    found = read_sources(
        [SourceConfig(path=path)],
        base_dir=EXAMPLES,
        group_by=None if name in ("agent", "grpo") else "group",
        wanted=wanted,  # type: ignore[arg-type]
    )
    assert not found.problems, found.problems
    records = random.Random(seed).sample(found.records, min(MOST_ROWS, len(found.records)))
    turns = list_turns(meter.engine.tokenizer, records)
    groups = [record.group or record.id for record in records]
    return Task(name, groups, meter.measure(turns), usual_system_prompt(records))


def divide(groups: Sequence[str], shares: Sequence[float], rng: random.Random) -> list[list[int]]:
    """Places of whole groups, in parts of about these shares."""
    order = sorted(set(groups))
    rng.shuffle(order)
    bounds = np.cumsum(shares)[:-1] * len(groups)
    parts: list[list[int]] = [[] for _ in shares]
    num = 0
    for group in order:
        own = [place for place, other in enumerate(groups) if other == group]
        parts[int(np.searchsorted(bounds, num, side="right"))] += own
        num += len(own)
    return parts


def measure_task(task: Task, others: Mapping[str, Prompts], builtin: Prompts) -> dict[str, Any]:
    """Shares of fresh prompts, and of foreign ones, that leave; one number for each seed."""
    half = len(builtin) // 2
    by_rows, by_wordings, chosen = [], [], []
    nominal = []
    leaving: dict[str, list[float]] = {name: [] for name in others}
    for seed in range(NUM_SEEDS):
        rng = random.Random(f"{task.name}:{seed}")
        parts = divide(task.groups, (0.5, 0.15, 0.35), rng)
        pools = Pools(
            training=task.take(parts[0]),
            background=Prompts(builtin.states_NBD[:half]),
            choosing=task.take(parts[1]),
            foreign=Prompts(builtin.states_NBD[half:]),
        )
        scope = fit_scope(pools, layers=(0, 2, 4), level=LEVEL)
        assert isinstance(scope, Scope), scope
        chosen.append("+".join(part.name for part in scope.parts))
        scores = scope.score(task.prompts.states_NBD)
        held = parts[2]
        by_rows.append(_mean_out(scores, held, [str(place) for place in held], rng))
        nominal.append(_nominal(len(held) // 2))
        by_wordings.append(_mean_out(scores, held, [task.groups[place] for place in held], rng))
        whole = replace(scope, calibration=np.sort(scores[held]))
        for name, prompts in others.items():
            outside = [whole.is_outside(one) for one in whole.score(prompts.states_NBD)]
            leaving[name].append(float(np.mean(outside)))
    return {
        "num_rows": len(task.groups),
        "num_groups": len(set(task.groups)),
        "chosen": chosen,
        "nominal": mean(nominal),
        "false_out": by_rows,
        "false_out_new_wordings": by_wordings,
        "foreign": leaving,
    }


def _mean_out(scores: Any, held: Sequence[int], groups: Sequence[str], rng: random.Random) -> float:
    """The share of fresh prompts outside, over divisions of what was held out in two halves."""
    shares = []
    for _ in range(NUM_DIVISIONS):
        one, other = divide(groups, (0.5, 0.5), rng)
        calibration = scores[[held[place] for place in one]]
        fresh = scores[[held[place] for place in other]]
        scope = Scope((), {}, (), calibration, LEVEL)
        shares.append(float(np.mean([scope.is_outside(score) for score in fresh])))
    return mean(shares)


def _nominal(num: int) -> float:
    """What the theorem says for so many held-out prompts without ties."""
    return 1 - np.ceil((num + 1) * (1 - LEVEL) - 1e-9) / (num + 1)


def list_public(path: str, key: str, num: int) -> list[str]:
    """Questions of a public set; none where it is not there."""
    file = PUBLIC / path
    if not file.is_file():
        return []
    texts = [json.loads(line)[key] for line in file.read_text("utf-8").splitlines()]
    return random.Random(path).sample(texts, min(num, len(texts)))


def list_foreign(tasks: Mapping[str, Task], meter: TurnMeter, own: Task) -> dict[str, Prompts]:
    """Prompts that a task's adapter is not for, by kind; the near ones under names of their own."""
    kin = next((kind for kind in (DESKS, SHOP) if own.name in kind), frozenset())
    far = [one for name, one in tasks.items() if name != own.name and name not in kin]
    near = [one for name, one in tasks.items() if name != own.name and name in kin]
    found = {
        "other examples": _join([one.take(range(MOST_PUBLIC)) for one in far]),
        "its own kind of task": _join([one.take(range(MOST_PUBLIC)) for one in near]),
    }
    texts = [
        text
        for path, key in (
            ("xstest/xstest.jsonl", "prompt"),
            ("gsm8k/test.jsonl", "question"),
            ("truthfulqa/truthfulqa.jsonl", "Question"),
        )
        for text in list_public(path, key, MOST_PUBLIC)
    ]
    for name, system in (("public", None), ("public, under its own system prompt", own.system)):
        if texts and (system or name == "public"):
            found[name] = meter.measure([_ask(meter, text, system) for text in texts])
    return {name: prompts for name, prompts in found.items() if len(prompts)}


def _ask(meter: TurnMeter, text: str, system: str | None) -> UserTurn:
    head = [{"role": "system", "content": system}] if system else []
    return find_user_turn(meter.engine.tokenizer, [*head, {"role": "user", "content": text}])


def _join(parts: Sequence[Prompts]) -> Prompts:
    return Prompts(
        np.concatenate([one.states_NBD for one in parts]) if parts else np.zeros((0, 1, 1))
    )


def list_general(meter: TurnMeter) -> Prompts:
    """General-skill prompts: what a base is asked by anybody."""
    rows = (EXAMPLES / "support/data/general.jsonl").read_text("utf-8").splitlines()
    drawn = [json.loads(row) for row in random.Random(0).sample(rows, MOST_FOREIGN)]
    tokenizer = meter.engine.tokenizer
    turns = [find_user_turn(tokenizer, row["messages"], tools=row.get("tools")) for row in drawn]
    return meter.measure(turns)


def measure_together(tasks: Mapping[str, Task], builtin: Prompts) -> dict[str, Any]:
    """Where fresh prompts of all tasks go with every adapter on offer: the most usual one."""
    half = len(builtin) // 2
    scopes, fresh = {}, {}
    for name, task in tasks.items():
        parts = divide(task.groups, (0.5, 0.15, 0.2, 0.15), random.Random(f"together:{name}"))
        pools = Pools(
            task.take(parts[0]),
            Prompts(builtin.states_NBD[:half]),
            task.take(parts[1]),
            Prompts(builtin.states_NBD[half:]),
        )
        scope = fit_scope(pools, layers=(0, 2, 4), level=LEVEL)
        assert isinstance(scope, Scope)
        scopes[name] = scope.calibrate(task.take(parts[2]).states_NBD)
        fresh[name] = task.take(parts[3])
    counts = {"own": 0, "kin": 0, "another": 0, "none": 0}
    for name, prompts in fresh.items():
        kin = next((kind for kind in (DESKS, SHOP) if name in kind), frozenset())
        by_name = {other: one.score(prompts.states_NBD) for other, one in scopes.items()}
        for place in range(len(prompts)):
            p_values = {
                other: scope.compute_p_value(by_name[other][place])
                for other, scope in scopes.items()
            }
            inside = {other: p for other, p in p_values.items() if p > LEVEL}
            best = max(inside, key=lambda other: inside[other]) if inside else ""
            kind = "own" if best == name else "kin" if best in kin else "another"
            counts[kind if best else "none"] += 1
    return counts


def measure_runs(folders: Sequence[Path]) -> dict[str, Any]:
    """Of released runs: which combination is chosen with the adapter's own likelihoods."""
    from assay.models.adapters import load_adapter
    from assay.models.as_base import adapters_off

    found = {}
    base = find_base("tiny")
    for folder in folders:
        run = RunFolder.open(folder)
        tuned = load_adapter(load_model(base), run.adapter).get_base_model()
        engine = LocalEngine(tuned, base.tokenizer, context_len=base.context_len)
        splits = [_read_split(run, name) for name in ("train", "validation", "test")]
        meter = TurnMeter(engine, lambda tuned=tuned: adapters_off(tuned))  # type: ignore[misc]
        began = time.process_time()
        scope = build_scope(Rows(*splits), meter, for_tiny=True, seed=0)
        told = {"cpu_s": round(time.process_time() - began, 1)}
        if isinstance(scope, Scope):
            shares = scope.origin["share_of_foreign_outside"]
            told |= {
                "chosen": "+".join(part.name for part in scope.parts),
                "shares": {n: share for n, share in shares.items() if "+" not in n},
                "best": max(shares.values(), default=0.0),
            }
        found[run.name] = told
    return found


def _read_split(run: RunFolder, name: str) -> list[Record]:
    """Rows of the task alone: what is kept of general rows is no prompt of it."""
    rows = iterate_records(run.data / f"{name}.parquet")
    return [row for row in rows if "general" not in row.file and to_prompt(row).messages]


def measure_latency(base: BaseFiles, scope: Scope) -> list[dict[str, Any]]:
    """CPU-milliseconds of routing, and of an answer of 64 tokens, for prompts of some lengths."""
    from assay.runs.store import Key
    from assay.serve.auth import Principal
    from assay.serve.inference.inference import ServedModel, build_inference
    from assay.serve.router.log import RoutingLog
    from assay.serve.router.router import Router
    from assay.serve.router.rules import Policy

    adapters = [_make_adapter(base, seed) for seed in range(3)]
    served = {
        f"m{place}": ServedModel(f"m{place}", 0, "x", adapter, scope=scope)
        for place, adapter in enumerate(adapters)
    }
    served["tiny"] = ServedModel("tiny", 0, "x", is_base=True)
    catalog: Any = _Catalog(served)
    inference = build_inference(base, catalog)
    policy = Policy.model_validate({"models": {n: {"model": n} for n in served if n != "tiny"}})
    key = Key("k", "", "", frozenset({"infer"}), "p", 0, None, None, None, None, 0)
    found = []
    with TemporaryDirectory() as folder:
        router = Router(inference, policy, "tiny", RoutingLog(Path(folder, "log.jsonl")))
        for num_words in (8, 64, 256, 512):
            pairs = []
            for repeat in range(12):
                words = random.Random(f"{num_words}:{repeat}").choices(_WORDS, k=num_words)
                messages = [{"role": "user", "content": " ".join(words)}]

                def route(messages: Any = messages) -> Any:
                    asked = router.read_chat(messages, [], project="p", label="")
                    return router.route(asked, Principal(key))

                ids = find_user_turn(base.tokenizer, messages).input_ids
                adapter = adapters[repeat % 3]
                plain_s = _time(lambda ids=ids, own=adapter: _answer(inference, ids, own))
                routed_s = _time(route)
                pairs.append((plain_s, routed_s, len(ids)))
            plain, routed = (1000 * min(one[k] for one in pairs) for k in range(2))
            found.append(
                {
                    "tokens": round(mean(one[2] for one in pairs)),
                    "answer_ms": round(plain, 1),
                    "route_ms": round(routed, 1),
                    "added": round(routed / plain, 4),
                }
            )
    inference.close()
    return found


_WORDS = (
    "order",
    "parcel",
    "chair",
    "where",
    "is",
    "my",
    "the",
    "lamp",
    "price",
    "of",
    "late",
    "broken",
    "send",
    "back",
    "please",
)


@dataclass(frozen=True)
class _Catalog:
    served: dict[str, Any]

    def open(self, name: str, principal: Any) -> Any:
        return self.served[name]


def _make_adapter(base: BaseFiles, seed: int) -> Any:
    import torch

    from assay.models.low_rank import LowRank, Update

    model = load_model(base)
    torch.manual_seed(seed)
    updates = {
        name: Update(torch.randn(8, one.in_features) / 50, torch.randn(one.out_features, 8) / 50)
        for name, one in model.named_modules()
        if name.endswith(("q_proj", "v_proj", "down_proj"))
    }
    return LowRank(f"m{seed}", updates)


def _answer(inference: Any, ids: Sequence[int], adapter: Any) -> None:
    """64 tokens, none of which ends the answer, in the thread that owns the model."""
    sampling = Sampling(max_new_tokens=ANSWER_TOKENS, stop_ids=(1 << 30,))
    row = inference.batch.begin(ids, sampling, adapter=adapter)

    def decode() -> None:
        inference.batch.admit([row])
        while inference.batch.rows:
            inference.batch.step()

    inference.scheduler.call(decode).result()


def _time(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main(arguments: Sequence[str]) -> None:
    """Measure, print the tables, and with ``--write`` keep them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks router")
    parser.add_argument("--run", action="append", default=[], type=Path, help="a released run")
    parser.add_argument("--write", action="store_true", help="keep the results and the tables")
    asked = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    base = find_base("tiny")
    engine = LocalEngine(load_model(base), base.tokenizer, context_len=base.context_len)
    meter = TurnMeter(engine, nullcontext)
    builtin = meter.measure(
        _interleave(list_foreign_turns(base.tokenizer, for_tiny=True, is_raw=False))
    )
    tasks = {name: read_task(name, meter) for name in TASKS}
    general = list_general(meter)
    measured = {
        name: measure_task(
            task, {"general skills": general, **list_foreign(tasks, meter, task)}, builtin
        )
        for name, task in tasks.items()
    }
    half = len(builtin) // 2
    places = range(0, 200)
    some = tasks["support"]
    pools = Pools(
        some.take(places),
        Prompts(builtin.states_NBD[:half]),
        some.take(range(200, 280)),
        Prompts(builtin.states_NBD[half:]),
    )
    scope = fit_scope(pools, layers=(0, 2, 4), level=LEVEL)
    assert isinstance(scope, Scope)
    scope = scope.calibrate(some.take(range(280, 480)).states_NBD)
    results = {
        "date": datetime.now(UTC).date().isoformat(),
        "level": LEVEL,
        "seeds": NUM_SEEDS,
        "divisions": NUM_DIVISIONS,
        "tasks": measured,
        "together": measure_together(tasks, builtin),
        "latency": measure_latency(base, scope),
        "runs": measure_runs(asked.run),
    }
    page = render(results)
    print(page)
    if asked.write:
        write_json(RESULTS / f"router-{results['date']}.json", results)
        text = PAGE.read_text("utf-8")
        before, _, rest = text.partition(_BEGIN)
        after = rest.partition(_END)[2]
        PAGE.write_text(f"{before}{_BEGIN}\n{page}\n{_END}{after}", "utf-8")


def _interleave(turns: Sequence[UserTurn]) -> list[UserTurn]:
    """The background and those that choose, as `build_scope` divides them, end to end."""
    return [*turns[::2], *turns[1::2]]


def render(results: dict[str, Any]) -> str:
    """The tables of docs/serving.md."""
    kinds = [
        "general skills",
        "other examples",
        "public",
        "public, under its own system prompt",
        "its own kind of task",
    ]
    lines = [
        "| task | rows, wordings | own fresh prompts that leave (nominal) | of new wordings | "
        + " | ".join(kinds)
        + " |",
        "|---|---|---|---|" + "---|" * len(kinds),
    ]
    for name, one in results["tasks"].items():
        foreign = [one["foreign"].get(kind) for kind in kinds]
        cells = [_percent(mean(found)) if found else "" for found in foreign]
        lines.append(
            f"| {name} | {one['num_rows']}, {one['num_groups']} |"
            f" {_interval(one['false_out'])} ({_percent(one['nominal'])}) |"
            f" {_interval(one['false_out_new_wordings'])} | {' | '.join(cells)} |"
        )
    every = [one for task in results["tasks"].values() for one in task["false_out"]]
    clear = [
        mean(task["foreign"][kind])
        for task in results["tasks"].values()
        for kind in kinds[:3]
        if kind in task["foreign"]
    ]
    together, total = results["together"], sum(results["together"].values())
    own, kin, another, none = (together[key] / total for key in ("own", "kin", "another", "none"))
    lines += [
        "",
        f"Over all: {_interval(every)} of own prompts leave, {_percent(mean(clear))} of clearly"
        " foreign ones (the first three kinds).",
        f"All seven adapters on offer, {total} fresh prompts: {_percent(own)} go to their own,"
        f" {_percent(kin)} to one of its own kind, {_percent(another)} to another,"
        f" {_percent(none)} to none.",
        "",
        "| prompt, tokens | answer of 64 tokens, ms | routing among three adapters, ms | added |",
        "|---|---|---|---|",
    ]
    for one in results["latency"]:
        lines.append(
            f"| {one['tokens']} | {one['answer_ms']:.0f} | {one['route_ms']:.1f} |"
            f" {_percent(one['added'])} |"
        )
    if results["runs"]:
        lines += [
            "",
            "| released run | chosen | alone: relative | plain | nearest | cosine |"
            " likelihood | CPU-s |",
            "|---|---|---|---|---|---|---|---|",
        ]
    for name, one in results["runs"].items():
        shares = one.get("shares", {})
        cells = [
            _percent(number(shares.get(key)) or 0.0)
            for key in (
                "relative_mahalanobis",
                "mahalanobis",
                "nearest",
                "cosine",
                "likelihood_ratio",
            )
        ]
        lines.append(f"| {name} | {one.get('chosen', '')} | {' | '.join(cells)} | {one['cpu_s']} |")
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(values: Sequence[float]) -> str:
    """Mean and its 95 % interval over seeds (Student's factor for five of them by the normal's)."""
    if len(values) < 2:
        return _percent(values[0])
    factor = {4: 2.776}.get(len(values) - 1, NormalDist().inv_cdf(0.975))
    half = factor * stdev(values) / len(values) ** 0.5
    return f"{100 * mean(values):.1f} ± {100 * half:.1f} %"


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
