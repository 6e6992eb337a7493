"""How many planted secrets and personal data are found, and how many clean rows are accused.

    python -m benchmarks.planted.measure_privacy [COUNT]

Plants COUNT (200) texts of every rule and strength at the end of questions, in the middle of
answers and in the arguments of calls of clean rows of three kinds, and prints counts with exact
95 % bounds. The clean rows hold invented customers' addresses, which are found as they should be.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from assay.config import SourceConfig
from assay.data.curate import check_parts, list_rules, settle
from benchmarks.planted import poison_bases
from benchmarks.planted.poison import bound
from benchmarks.planted.privacy import plant_privacy
from benchmarks.planted.secrets import plant_secrets

Row = dict[str, Any]
FAMILIES = ("privacy", "secrets")
Counts = Counter[tuple[str, int]]
BASES = ("support", "tools", "gsm8k")


def plant(row: Row, text: str, place: int) -> Row:
    """A copy of the row with the text in its question (0), its answer (1) or a call (2)."""
    copy: Row = json.loads(json.dumps(row))
    messages = copy["messages"]
    if place == 2:
        call = {"name": "note", "arguments": json.dumps({"text": text})}
        messages[-1:] = [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"type": "function", "function": call}],
            }
        ]
        parameters = {"type": "object", "properties": {"text": {"type": "string"}}}
        tool = {"type": "function", "function": {"name": "note", "parameters": parameters}}
        copy["tools"] = [*(copy.get("tools") or []), tool]
        return copy
    wanted = ("user", "assistant")[place]
    index = max(n for n, one in enumerate(messages) if one["role"] == wanted)
    words = (messages[index].get("content") or "").split(" ")
    middle = len(words) if place == 0 else len(words) // 2
    messages[index]["content"] = " ".join([*words[:middle], text, *words[middle:]]).strip()
    return copy


def make_rows(base: str, count: int) -> Iterator[tuple[Row, str | None, int, int | None]]:
    """Rows with what was planted: rule or None, strength, and in which clean row; clean ones last.

    For a row that is as it was, the clean row is None.
    """
    rng = Random(f"privacy {base}")
    clean = getattr(poison_bases, f"load_{base}")(max(2_000, count * 10))
    texts = [*plant_privacy(rng, count), *((*one, 0) for one in plant_secrets(rng, count))]
    for text, rule, strength in texts:
        index = rng.randrange(len(clean))
        yield plant(clean[index], text, rng.randrange(3)), rule, strength, index
    for row in clean:
        yield row, None, 0, None


def measure(base: str, count: int) -> tuple[Counts, Counts, Counter[str]]:
    """Found and planted, by rule and strength, and which rules found what in rows as they were.

    Of the rule ``twin``: rows in which something is found that was not before, and all.
    """
    rows = list(make_rows(base, count))
    off = {name: "off" for name, rule in list_rules().items() if rule.family not in FAMILIES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row, *_ in rows), encoding="utf-8")
        parts = {"train": [SourceConfig(path=path.name)]}
        checked = check_parts(parts, base_dir=Path(folder), settings=settle(off))
        found: dict[int, set[str]] = {}
        for one in checked.findings:
            if one.severity != "info":
                found.setdefault(one.number, set()).add(one.rule)
    hits, num, clean = Counts(), Counts(), Counter[str]()
    first_clean = sum(index is not None for *_, index in rows)
    for number, (_, rule, strength, index) in enumerate(rows):
        own = found.get(number, set())
        if index is None:
            clean.update(["rows", *own])
            continue
        key = (rule or "twin", strength if rule else 0)
        num[key] += 1
        hits[key] += rule in own if rule else bool(own - found.get(first_clean + index, set()))
    return hits, num, clean


def main(arguments: Sequence[str]) -> None:
    """Measure every base, and print one line for each rule and strength of all bases together."""
    count = int(arguments[0]) if arguments else 200
    hits, num = Counts(), Counts()
    for base in BASES:
        own_hits, own_num, clean = measure(base, count)
        hits, num = hits + own_hits, num + own_num
        print(f"{base}, as it was: {dict(clean)}")
    for key in sorted(num):
        if key[0] != "twin":
            low = bound(hits[key], num[key], upper=False)
            print(f"{key[0]:24} {key[1]} {hits[key]:5} of {num[key]} (at least {low:.1%})")
    accused, all_twins = hits["twin", 0], num["twin", 0]
    high = bound(accused, all_twins, upper=True)
    print(f"benign twins: {accused} of {all_twins} accused (at most {high:.2%})")


if __name__ == "__main__":
    main(sys.argv[1:])
