"""The report's charts of objectives that compare whole answers."""

from assay.release.report.charts import training_series

PAIRS = [
    {"step": 1, "train/loss": 0.7, "train/reward_accuracy": 0.5, "train/reward_chosen": 0.0,
     "train/reward_rejected": 0.0},
    {"step": 2, "train/loss": 0.5, "train/reward_accuracy": 0.9, "train/reward_chosen": 0.4,
     "train/reward_rejected": -0.3, "eval/loss": 0.6, "eval/reward_accuracy": 0.8},
]  # fmt: skip


def test_pairs_have_charts_of_their_order_and_rewards() -> None:
    charts = training_series(PAIRS)
    assert set(charts) == {"loss", "order", "pairs"}
    train, validation = charts["order"]
    assert (train.points, validation.points) == ([(1, 0.5), (2, 0.9)], [(2, 0.8)])
    chosen, rejected = charts["pairs"]
    assert (chosen.points[-1], rejected.points[-1]) == ((2, 0.4), (2, -0.3))


def test_ratings_have_charts_of_wanted_and_unwanted_answers() -> None:
    lines = [{"step": 1, "train/reward_wanted": 1.0, "train/reward_unwanted": -1.0}]
    assert set(training_series(lines)) == {"ratings"}


def test_a_run_of_answers_has_none_of_them() -> None:
    assert set(training_series([{"step": 1, "train/loss": 1.0}])) == {"loss"}


def test_completions_that_are_graded_have_charts_of_their_own() -> None:
    graded = {"train/loss": 0.0, "train/reward": 0.4, "train/length": 3.0, "train/entropy": 0.7}
    charts = training_series([{"step": 1, **graded, "eval/reward": 0.5, "eval/loss": 0.5}])
    assert {"reward", "length", "entropy"} <= set(charts)
    assert [one.label for one in charts["reward"]] == ["Training prompts", "Held-out prompts"]
