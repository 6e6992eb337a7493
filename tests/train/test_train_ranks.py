"""Two processes train as one: the same curve, resumed on either number, ended together."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from small_models import KINDS
from two_ranks import COMPARED, LAYOUTS, METHODS, OPTIMIZERS, RESUMED, build, compare, train

from assay.data.share import share_lengths
from assay.train import probe
from assay.train.ranks import ALONE, Ranks
from assay.train.sft import SftLoss

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
    errors = [child.communicate(timeout=300)[1] for child in children]
    assert [child.returncode for child in children] == [0] * num_ranks, "\n".join(errors)
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return found


class Curves(NamedTuple):
    """What two ranks gave by name, where their checkpoints are, and curves of one process."""

    together: dict[str, Any]
    folder: Path
    alone: dict[str, Any]


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Curves:
    folder = tmp_path_factory.mktemp("ranks")
    alone = {}
    for method in METHODS:
        alone[method] = train(build(method, ALONE, sharded=False), ALONE)
    for name in RESUMED:
        model = build(name.split()[0], ALONE, sharded=False)
        train(model, ALONE, folder=folder / f"alone {name}", stop_after=10)
    for optimizer in OPTIMIZERS:
        model = build("full", ALONE, sharded=False)
        alone[optimizer] = train(model, ALONE, optimizer=optimizer, stop_after=10)
    model = build("lora", ALONE, sharded=False)
    alone["anchored"] = train(model, ALONE, anchored=True, stop_after=10)
    return Curves(launch("together", folder), folder, alone)


def assert_same_curve(
    found: list[dict[str, Any]], expected: list[dict[str, Any]], *, absolute: float = 1e-12
) -> None:
    assert [r["step"] for r in found] == [r["step"] for r in expected]
    for record, other in zip(found, expected, strict=True):
        assert record == pytest.approx(other, rel=1e-4, abs=absolute)


def test_two_ranks_compare_answers_as_one_does(tmp_path: Path) -> None:
    """Pairs stay whole, a step has one estimate of the divergence, and metrics are of all."""
    together = launch("compared", tmp_path)
    for kind in COMPARED:
        for method in METHODS:
            alone = compare(kind, method, ALONE, sharded=False)
            for layout in LAYOUTS:
                # Margins are small differences of large sums.
                assert_same_curve(together[f"{kind} {method} {layout}"], alone, absolute=1e-5)
            assert alone[-1]["train/loss"] < alone[0]["train/loss"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS)
def test_two_ranks_give_the_curve_of_one(curves: Curves, method: str, layout: str) -> None:
    expected = curves.alone[method]
    assert len(expected) == 20
    assert expected[0]["train/loss"] - expected[-1]["train/loss"] > 0.1, "it learned"
    assert_same_curve(curves.together[f"{method} {layout}"], expected)


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_goes_on_with_another_number_of_processes(curves: Curves, name: str) -> None:
    method = name.split()[0]
    rest = curves.alone[method][10:]
    assert_same_curve(curves.together[f"alone {name}"], rest)
    model = build(method, ALONE, sharded=False)
    folder = curves.folder / f"together {name}"
    shutil.rmtree(folder / "step-20")
    assert_same_curve(train(model, ALONE, folder=folder, resume=True), rest)
    assert (folder / "step-10" / "weights.shards").exists() == (name == "full sharded")


@pytest.mark.parametrize("name", RESUMED)
def test_two_ranks_resume_as_if_uninterrupted(curves: Curves, name: str) -> None:
    assert curves.together[f"together {name}"] == curves.together[name][10:]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_of_spread_weights_give_the_curve_of_one(curves: Curves, optimizer: str) -> None:
    assert_same_curve(curves.together[optimizer], curves.alone[optimizer])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_that_anchor_are_shared_out_too(curves: Curves, layout: str) -> None:
    expected = curves.alone["anchored"]
    assert expected[-1]["train/loss"] != curves.alone["lora"][9]["train/loss"]
    assert_same_curve(curves.together[f"anchored {layout}"], expected)


def test_dropout_follows_from_seed_step_and_rank(curves: Curves) -> None:
    first, second = curves.together["dropout"]
    assert first == second
    assert first[3]["train/loss"] != curves.together["lora whole"][3]["train/loss"]
    drawn = curves.together["drawn"]
    assert drawn[0] != drawn[1]


def test_a_loss_that_is_not_finite_on_one_rank_stops_all_before_a_weight_moves(
    curves: Curves,
) -> None:
    found = curves.together["not finite"]
    assert "are not both finite" in found["said"]
    assert found["after"] == found["before"]


def test_memory_that_runs_out_on_one_rank_is_mended_on_all(curves: Curves) -> None:
    found = curves.together["mended"]
    assert found["failures"] >= 1
    assert_same_curve(found["curve"], curves.alone["lora"])


def test_a_row_that_does_not_fit_on_one_rank_ends_all_with_a_checkpoint(curves: Curves) -> None:
    found = curves.together["too small"]
    assert found["agreed"] == [2.0]
    assert "then resume, nothing is lost" in found["said"]
    assert found["left"] == ["step-0"]


def test_ranks_come_to_one_plan(curves: Curves) -> None:
    """The budget is halved on both until it fits the one with less memory."""
    first, second, whole = curves.together["planned"]
    halvings = [whole // 2**power for power in range(8)]
    assert first == second == next(budget for budget in halvings if budget <= 30)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_ranks_fill_a_store_together_with_the_bits_of_one(curves: Curves, dtype: str) -> None:
    found = curves.together["reused"][dtype]
    together, alone = found["losses"]
    assert together == alone
    assert found["tokens"][0] < 0.7 * found["tokens"][1], "the work is shared out"


def test_ranks_of_a_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "read_free_bytes", lambda device: 1000)
    model = build("lora", ALONE, sharded=False)
    alone = probe.Probe(model, SftLoss(), "fp32", reserve_bytes=100)
    assert alone._read_free() == 900
    assert replace(alone, ranks=Ranks(0, 8, num_local=4))._read_free() == 150


@pytest.mark.slow
def test_every_architecture_trains_with_spread_weights(tmp_path: Path) -> None:
    together = launch("architectures", tmp_path)
    for kind in KINDS:
        for method in METHODS:
            model = build(method, ALONE, sharded=False, kind=kind)
            assert_same_curve(together[f"{kind} {method}"], train(model, ALONE, stop_after=10))


def test_shares_lose_nothing_and_are_balanced() -> None:
    lengths = [5, 40, 7, 7, 30, 2, 11]
    shares = share_lengths(lengths, 3)
    assert sorted(index for share in shares for index in share) == list(range(7))
    assert [sum(lengths[i] for i in share) for share in shares] == [40, 32, 30]
    assert share_lengths([9, 3], 3) == [[0], [1], []]
    assert share_lengths(lengths, 1) == [list(range(7))]
