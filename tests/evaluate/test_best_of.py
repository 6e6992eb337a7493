"""Best-of-n beside one answer of each model, by hand."""

from assay.evaluate.best_of import summarise_best_of
from assay.evaluate.compare import Resampling
from assay.evaluate.items import Item, Score, failed
from assay.release.wording import best_of


def rewards(*values: float) -> list[Score]:
    return [Score("reward", value) for value in values]


def test_the_best_of_each_items_samples_is_averaged() -> None:
    items = [Item(name, [], metric="reward") for name in "abc"]
    broken = [failed("reward", "the grader failed"), *rewards(0.25)]
    samples = {"a": rewards(0.0, 1.0), "b": rewards(0.5, 0.25), "c": broken}
    base = dict(zip("abcd", rewards(0, 0.5, 0.25, 1), strict=True))
    tuned = dict(zip("abcd", rewards(1, 1, 0.25, 0), strict=True))
    found = summarise_best_of(items, samples, {"base": base, "tuned": tuned}, Resampling())
    assert found["n"] == 2
    means = {name: found[name]["mean"] for name in ("best", "sampled", "base", "tuned")}
    assert means == {"best": 1.75 / 3, "sampled": 1.125 / 3, "base": 0.25, "tuned": 0.75}
    assert found["best"]["n"] == 3 and found["best"]["low"] <= 1.75 / 3 <= found["best"]["high"]
    said = best_of({"best_of": found})
    assert said.startswith("Best of 2 samples of the base, as the grader chooses: reward 0.58 [")
    assert "on 3 test prompts" in said and "that of the tuned model 0.75" in said


def test_a_run_that_samples_nothing_says_nothing() -> None:
    assert best_of({}) == ""
