"""The side-by-side benchmark counts work and compares losses as its page says."""

import statistics

import pytest
from benchmarks.compare import compare_losses
from benchmarks.rates import compute_needed_flops, find_best_rate
from benchmarks.report import render_tables
from benchmarks.workloads import SHAPES, make_sequences


def test_the_shapes_have_the_weights_that_the_page_names() -> None:
    m32, m128 = SHAPES["m32"], SHAPES["m128"]
    assert m32.layer_weights == 8 * (512 * 512 * 2 + 512 * 256 * 2 + 3 * 512 * 1408)
    assert m32.head_weights == 32_000 * 512
    assert m128.layer_weights + 2 * m128.head_weights == 68_485_120


def test_the_last_chats_are_like_the_whole() -> None:
    chats = make_sequences("chats", 32_000, 2000)

    def describe(rows: list[dict[str, list[int]]]) -> tuple[float, float]:
        lengths = [len(row["input_ids"]) for row in rows]
        width = sum(8 * max(lengths[i : i + 8]) for i in range(0, len(lengths), 8))
        trained = sum(label != -100 for row in rows for label in row["labels"])
        return sum(lengths) / width, 1 - trained / sum(lengths)

    assert describe(chats) == pytest.approx((0.446, 0.630), abs=0.001)
    assert describe(chats[-40:]) == pytest.approx((0.452, 0.626), abs=0.001)
    assert statistics.median(len(row["input_ids"]) for row in chats) == 90.5
    assert make_sequences("chats", 32_000, 40) == chats[-40:]


def test_needed_work_counts_the_head_only_where_there_is_a_label() -> None:
    spec = {
        "sizes": {
            "vocab_size": 10,
            "hidden_size": 4,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "intermediate_size": 8,
        },
        "num_tokens": 7,
        "num_labels": 3,
    }
    layers, head = 2 * (2 * 16 + 2 * 8 + 3 * 32), 40
    assert compute_needed_flops(spec | {"method": "lora"}) == 4 * (7 * layers + 3 * head)
    assert compute_needed_flops(spec | {"method": "full"}) == 6 * (7 * layers + 3 * head)


def test_the_best_rate_is_that_of_the_same_precision() -> None:
    rates = {"fp32": 100.0, "bf16": 480.0, "fp32_onednn": 240.0}
    assert find_best_rate(rates, "fp32") == 240.0
    assert find_best_rate(rates, "bf16") == 480.0


def run(losses: list[float], labels: list[int], num_tokens: int = 30) -> dict[str, object]:
    return {"losses": losses, "labels_by_step": labels, "num_tokens": num_tokens}


def test_a_loss_that_differs_in_one_step_is_found() -> None:
    ours = run([2.0, 1.0], [10, 10])
    same = compare_losses(run([2.0, 1.00005], [10, 10]), ours, None, "fp32")
    other = compare_losses(run([2.0, 1.001], [10, 10]), ours, None, "fp32")
    fewer = compare_losses(run([2.0], [10]), ours, None, "fp32")
    assert (same["agrees"], other["agrees"], fewer["agrees"]) == (True, False, False)
    assert other["difference"] == pytest.approx(0.001)


def test_packed_steps_are_compared_over_all_tokens() -> None:
    ours = run([2.0, 1.0], [10, 30])
    packed = run([1.25], [40])
    dropped = run([1.25], [40], num_tokens=29)
    assert compare_losses(packed, ours, (packed, ours), "fp32")["agrees"]
    assert not compare_losses(dropped, ours, (dropped, ours), "fp32")["agrees"]


def measured(pace: float, ratio: float) -> dict[str, object]:
    return {
        "tokens_per_cpu_s": pace,
        "tokens_per_s": pace,
        "ours_is_times_faster": ratio,
        "time_to_first_step_s": 1.0,
        "peak_rss_mb": 100.0,
        "share_of_matmul_rate": 0.5,
        "share_of_best_rate": 0.25,
        "losses": [2.0, 1.0],
        "grad_norms": [1.0, 1.0],
        "agreement": {"agrees": False, "difference": 0.01, "compared": "every step"},
    }


def test_the_table_tells_failures_differences_and_rounds_of_another_pace() -> None:
    from pathlib import Path

    workload = {
        "method": "lora",
        "num_steps": 1,
        "num_tokens": 2,
        "num_labels": 1,
        "gflops_per_cpu_s": {"fp32": 100.0},
        "trainers": {
            "assay:default": measured(800.0, 1.0),
            "new:padded": measured(200.0, 4.0),
            "old:padded": measured(200.0, 3.0),
            "other:packed": {"failed": "exit 1: no module named x"},
        },
    }
    results = {
        "date": "2026-01-01",
        "hardware": {"cpu": "a processor", "cores": 2},
        "workloads": {"lora-fp32": workload},
    }
    text = render_tables(results, Path("r.json"))
    assert "| other, packed | not measured: exit 1: no module named x |" in text
    assert "| new, padded | 200 | 4.00 |" in text
    assert "| old, padded | 200 | 3.00 (ours then 600) |" in text
    assert "**losses differ**, to 1e-02 (every step)" in text
