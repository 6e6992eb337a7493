"""Two processes train as one: the same curve, resumed on either number, ended together."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from two_ranks import build, train

from assay.data.share import share_lengths
from assay.train.ranks import ALONE

SCRIPT = Path(__file__).with_name("two_ranks.py")


def launch(name: str, folder: Path, *, num_ranks: int = 2) -> dict[str, Any]:
    """What `name` of the script gives on `num_ranks` processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": num_ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    children = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), name, str(folder)],
            env=os.environ | {k: str(v) for k, v in (shared | {"RANK": rank}).items()},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(num_ranks)
    ]
    errors = [child.communicate(timeout=120)[1] for child in children]
    assert [child.returncode for child in children] == [0] * num_ranks, "\n".join(errors)
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def on_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return launch("curves", tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("layout", ["whole", "sharded"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_two_ranks_give_the_curve_of_one(
    on_two_ranks: dict[str, Any], method: str, layout: str
) -> None:
    alone = train(build(method, ALONE, sharded=False), ALONE)
    together = on_two_ranks[f"{method} {layout}"]
    assert len(together) == 20
    assert alone[0]["train/loss"] - alone[-1]["train/loss"] > 0.1, "it learned"
    for found, expected in zip(together, alone, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


def test_shares_lose_nothing_and_are_balanced() -> None:
    lengths = [5, 40, 7, 7, 30, 2, 11]
    shares = share_lengths(lengths, 3)
    assert sorted(index for share in shares for index in share) == list(range(7))
    assert [sum(lengths[i] for i in share) for share in shares] == [40, 32, 30]
    assert share_lengths([9, 3], 3) == [[0], [1], []]
    assert share_lengths(lengths, 1) == [list(range(7))]
