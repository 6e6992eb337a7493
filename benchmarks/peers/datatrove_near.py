"""Near duplicates by datatrove: its four MinHash steps on two processes, 16 buckets of 6 values.

Prints how many rows it would remove. Pairs that share a bucket are not compared.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig

TASKS = 2


def split_rows(rows: Path, folder: Path) -> Path:
    """A file of texts for each task: datatrove's readers share out whole files."""
    texts = folder / "texts"
    texts.mkdir()
    outs = [(texts / f"{task}.jsonl").open("w", encoding="utf-8") for task in range(TASKS)]
    with rows.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            text = "\n".join(one["content"] for one in json.loads(line)["messages"])
            outs[number % TASKS].write(json.dumps({"id": str(number), "text": text}) + "\n")
    for out in outs:
        out.close()
    return texts


def main(rows: Path, folder: Path) -> None:
    texts = split_rows(rows, folder)
    config = MinhashConfig(
        n_grams=3,
        num_buckets=16,
        hashes_per_bucket=6,
        hash_config=HashConfig(precision=64, hash_fc="xxhash"),
    )
    steps = {name: str(folder / name) for name in ("signatures", "buckets", "remove", "left")}
    reader = JsonlReader(str(texts))
    removed = JsonlWriter(str(folder / "removed"), compression=None)
    pipelines: list[tuple[int, list]] = [
        (TASKS, [reader, MinhashDedupSignature(steps["signatures"], config=config)]),
        (16, [MinhashDedupBuckets(steps["signatures"], steps["buckets"], config=config)]),
        (1, [MinhashDedupCluster(steps["buckets"], steps["remove"], config=config)]),
        (
            TASKS,
            [
                reader,
                MinhashDedupFilter(steps["remove"], exclusion_writer=removed),
                JsonlWriter(steps["left"], compression=None),
            ],
        ),
    ]
    for number, (tasks, pipeline) in enumerate(pipelines):
        LocalPipelineExecutor(
            pipeline,
            tasks=tasks,
            workers=min(tasks, TASKS),
            logging_dir=str(folder / f"logs-{number}"),
            start_method="fork",  # a fork server's children are counted nowhere when it ends
        ).run()
    files = (folder / "removed").rglob("*.jsonl")
    count = sum(path.read_text("utf-8").count("\n") for path in files)
    print(f"{count:,} near or exact copies")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
