"""Rows a second and peak memory of `assay data check`: `python -m benchmarks data [--rows N …]`.

Every case is a process of its own over the same files: made-up chats of about a kilobyte, one in a
hundred of them a near copy of an earlier row and one in two hundred an exact one, and held-out rows
of which one in fifty leaks. CPU-seconds and memory are those of all its processes together.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.data_peers import PEERS, run_peer

_WATCH_S = 0.1
_HELD_OUT_ROWS = 2_000
_SENTENCES = (5, 9)
# English words of every kind, most frequent first as Zipf has it.
_WORDS = Path(__file__).parents[1] / "src" / "assay" / "models" / "tiny" / "tokenizer.json"

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "reading alone": (),
    "form": ("form",),
    "privacy and secrets": ("privacy", "secrets"),
    "exact duplicates": ("exact_duplicate",),
    "near duplicates": ("near_duplicate",),
    "contradictions": ("contradicting_answers", "contradicting_labels"),
    "leakage": ("leakage",),
    "poison": ("poison",),
    "persona and harm": ("persona",),
    "fairness": ("fairness",),
    "quality": ("quality",),
    "provenance": ("provenance",),
    "exact and near duplicates": ("exact_duplicate", "near_duplicate"),
    "form, privacy, exact duplicates": ("form", "privacy", "secrets", "exact_duplicate"),
    "these with near duplicates and leakage": (
        "form",
        "privacy",
        "secrets",
        "duplicates",
        "leakage",
    ),
    "all rules": ("all",),
}
NEAR = "exact and near duplicates"
"""What the peers find, too."""
LARGE = tuple(FAMILIES)[-3:]
"""Cases that are measured at any number of rows."""


@dataclass(frozen=True)
class Measured:
    """One process and its children: wall and CPU seconds, peak memory in MiB, what it printed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    said: str


def write_rows(folder: Path, num_rows: int, *, seed: int = 0) -> tuple[Path, Path]:
    """Files of training rows and of held-out ones."""
    train, held_out = folder / f"train-{num_rows}.jsonl", folder / f"test-{num_rows}.jsonl"
    texts = _iterate_texts(np.random.default_rng(seed))
    recent: list[list[str]] = []
    with train.open("w", encoding="utf-8") as lines:
        for number in range(num_rows):
            if number % 200 == 150:
                own = recent[number % len(recent)]
            elif number % 100 == 50:
                own = [_change(text, number) for text in recent[number % len(recent)]]
            else:
                own = next(texts)
                recent = [*recent[-99:], own]
            lines.write(_to_line(own))
    with held_out.open("w", encoding="utf-8") as lines:
        for number in range(min(_HELD_OUT_ROWS, num_rows // 5)):
            own = next(texts)
            lines.write(_to_line(recent[number // 50 % len(recent)] if number % 50 == 0 else own))
    return train, held_out


def _iterate_texts(rng: np.random.Generator) -> Iterator[list[str]]:
    """A question and an answer of 5 and 9 sentences, their words as frequent as Zipf has it."""
    vocabulary = json.loads(_WORDS.read_text(encoding="utf-8"))["model"]["vocab"]
    known = (word[1:] for word in vocabulary if word[:1] == "Ġ" and len(word) > 2)
    words = np.array(sorted(word for word in known if word.isalpha()), object)
    rng.shuffle(words)
    shares = 1 / (np.arange(len(words)) + 10)
    bounds = np.cumsum(shares / shares.sum())[:-1]
    while True:
        drawn = words[np.searchsorted(bounds, rng.random((1_000, sum(_SENTENCES), 12)))]
        for row in drawn.tolist():
            sentences = [" ".join(own).capitalize() + "." for own in row]
            yield [" ".join(sentences[: _SENTENCES[0]]), " ".join(sentences[_SENTENCES[0] :])]


def _change(text: str, number: int) -> str:
    words = text.split()
    words[number % len(words)] = f"word{number}"
    return " ".join(words)


def _to_line(texts: Sequence[str]) -> str:
    turns = zip(("user", "assistant"), texts, strict=True)
    return (
        json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}) + "\n"
    )


def measure(command: Sequence[str]) -> Measured:
    """Run a command to its end. Raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _count_bytes(watched))
            time.sleep(_WATCH_S)
        wall = time.perf_counter() - start
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        said.seek(0)
        text = said.read().decode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Measured(wall, cpu, peak / 2**20, text)


def _count_bytes(process: psutil.Process) -> int:
    """Memory of a process and its children, what they share counted once."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.Error:  # one of them has just ended
        return 0
    return total


def check(train: str, held_out: str, families: Sequence[str], num_cpus: int) -> dict[str, Any]:
    """One check in this process; reading is always part of it."""
    from assay.config import SourceConfig
    from assay.data.curate import check_parts, list_rules, settle

    def is_on(name: str, family: str) -> bool:
        return "all" in families or name in families or family in families or family == "reading"

    off = {name: "off" for name, rule in list_rules().items() if not is_on(name, rule.family)}
    parts = {"train": [SourceConfig(path=train)], "test": [SourceConfig(path=held_out)]}
    checked = check_parts(parts, base_dir=Path("/"), settings=settle(off), num_cpus=num_cpus)
    return {name: count["rows"] for name, count in checked.counts.items()}


def _run_cases(folder: Path, num_rows: int, names: Sequence[str], num_cpus: int) -> Iterator[str]:
    files = write_rows(folder, num_rows)
    for name in names:
        job = json.dumps([*map(str, files), FAMILIES[name], num_cpus])
        found = measure([sys.executable, "-m", "benchmarks.data", "--one", job])
        counts = json.loads(found.said)
        told = ("exact_duplicate", "near_duplicate", "leaked_row")
        rows = ", ".join(f"{counts[rule]:,} {rule}" for rule in told if rule in counts)
        yield _line(name, num_rows, found, rows)


def _line(name: str, num_rows: int, found: Measured, rows: str) -> str:
    wall, cpu = num_rows / found.wall_s, num_rows / found.cpu_s
    return f"| {name} | {num_rows:,} | {wall:,.0f} | {cpu:,.0f} | {found.peak_mib:,.0f} | {rows} |"


def _run_peers(folder: Path, num_rows: int, num_cpus: int) -> Iterator[str]:
    """Ours, then each peer on the same rows, and how many times ours it takes of CPU and memory."""
    train, _ = write_rows(folder, num_rows)
    own = _measure_own(train, num_cpus)
    yield _line("Assay", num_rows, own, own.said).removesuffix("|") + "| 1.0 | 1.0 |"
    for peer in PEERS:
        found = run_peer(peer, train, measure)
        cpu, memory = found.cpu_s / own.cpu_s, found.peak_mib / own.peak_mib
        line = _line(peer, num_rows, found, found.said.strip()).removesuffix("|")
        yield f"{line}| {cpu:.1f} | {memory:.1f} |"


def _measure_own(train: Path, num_cpus: int) -> Measured:
    empty = train.with_name("none.jsonl")
    empty.write_text(_to_line(["Held out?", "No."]), "utf-8")
    job = json.dumps([str(train), str(empty), FAMILIES[NEAR], num_cpus])
    found = measure([sys.executable, "-m", "benchmarks.data", "--one", job])
    counts = json.loads(found.said)
    num = sum(counts.get(rule, 0) for rule in FAMILIES[NEAR])
    return replace(found, said=f"{num:,} near or exact copies")


def main(arguments: Sequence[str]) -> None:
    """Print a table: a line for each case and number of rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks data", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000])
    parser.add_argument("--case", nargs="+", choices=FAMILIES, help="by default all at the fewest")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument(
        "--peers",
        action="store_true",
        help="near duplicates alone, datasketch and datatrove beside ours",
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.one:
        print(json.dumps(check(*json.loads(asked.one))))
        return
    head = "| rules | rows | rows/s | rows/CPU-s | peak MiB | rows found |"
    rule = "|---|--:|--:|--:|--:|---|"
    if asked.peers:
        head, rule = head + " its CPU ÷ ours | its memory ÷ ours |", rule + "--:|--:|"
    print(f"{head}\n{rule}")
    with tempfile.TemporaryDirectory(prefix="assay-benchmark-") as name:
        for num_rows in asked.rows:
            names = asked.case or (tuple(FAMILIES) if num_rows == min(asked.rows) else LARGE)
            run = (
                _run_peers(Path(name), num_rows, asked.cpus)
                if asked.peers
                else _run_cases(Path(name), num_rows, names, asked.cpus)
            )
            for line in run:
                print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
