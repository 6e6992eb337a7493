"""Tasks of lm-evaluation-harness on our engine, and our scores against its own model's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer
from assay.errors import ConfigError
from assay.evaluate.suites import harness
from assay.evaluate.suites.harness_model import (
    cut_at,
    find_alone,
    find_greedy,
    score_pairs,
    score_text,
    write_until,
)
from assay.evaluate.suites.public.load import PublicSource, load_public_suites
from assay.generate.local import LocalEngine
from assay.models.base import TINY, find_base, load_model
from assay.pipeline.choices import score_by_choice

ROWS = [
    ("Where do fish live?", ["In the water.", "In the sky.", "Under a bed."], 0),
    ("What is the colour of snow?", ["Blue.", "White.", "The colour of snow is red."], 1),
    ("Which month comes after May?", ["June.", "April.", "December and then May again."], 0),
    ("How many legs has a dog?", ["Two.", "Nine hundred and one.", "Four.", "Six."], 2),
]


@pytest.fixture(scope="module")
def tiny() -> tuple[LocalEngine, ChatTokenizer, int]:
    base = find_base(TINY)
    engine = LocalEngine(load_model(base), base.tokenizer, context_len=base.context_len)
    return engine, base.tokenizer, base.context_len


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two task files over one file of rows, both read without any network."""
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed (extra `eval`)")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"question": q, "choices": c, "answer": a} for q, c, a in ROWS]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    common = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "doc_to_text": "Q: {{question}}\nA:",
    }
    metrics = [{"metric": name, "aggregation": "mean"} for name in ("acc", "acc_norm")]
    choice = {"task": "local_choice", "output_type": "multiple_choice", "metric_list": metrics}
    choice |= {"doc_to_choice": "{{choices}}", "doc_to_target": "answer"}
    written = {"task": "local_written", "output_type": "generate_until"}
    written |= {"doc_to_target": "{{choices[answer]}}", "metric_list": [{"metric": "exact_match"}]}
    written |= {"generation_kwargs": {"until": ["\n"], "max_gen_toks": 8}}
    for task in (choice, written):
        (tmp_path / f"{task['task']}.yaml").write_text(json.dumps(common | task))
    return tmp_path


def run(tiny: tuple[LocalEngine, ChatTokenizer, int], tasks: Path, name: str) -> Any:
    engine, tokenizer, context_len = tiny
    (found,) = harness.run_tasks(
        engine, tokenizer, [name], context_len=context_len, max_items=50, seed=0, include=tasks
    )
    return found


def test_our_choices_are_scored_as_the_harness_scores_them_with_its_own_model(
    tiny: tuple[LocalEngine, ChatTokenizer, int], tasks: Path
) -> None:
    """Three ways of the same file: its own Hugging Face model, our engine under it, our suite."""
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    import assay.models

    engine, tokenizer, context_len = tiny
    source = PublicSource(
        path="rows.jsonl", format="multiple_choice", rendering="completion", metric="choice_norm"
    )
    (suite,) = load_public_suites(source, base_dir=tasks)
    ours = score_by_choice(engine, suite.items, tokenizer, context_len=context_len)
    folder = Path(assay.models.__file__).parent / "tiny"
    model = huggingface.HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)
    theirs = simple_evaluate(
        model=model,
        tasks=["local_choice"],
        task_manager=TaskManager(include_path=str(tasks)),
        bootstrap_iters=0,
        log_samples=True,
    )["samples"]["local_choice"]
    under = run(tiny, tasks, "local_choice")
    samples = sorted(theirs, key=lambda sample: sample["doc_id"])
    assert len(samples) == len(ours) == len(ROWS)
    for sample, score, same in zip(samples, ours.values(), under.scores.values(), strict=True):
        logprobs = [pair[0] for pair in sample["filtered_resps"]]
        assert score.detail["logprobs"] == pytest.approx(logprobs, abs=1e-4)
        assert same.detail["logprobs"] == pytest.approx(logprobs, abs=1e-4)
        assert score.value == sample["acc_norm"]
        assert same.value == sample["acc"]


def test_a_written_task_is_stopped_and_scored(
    tiny: tuple[LocalEngine, ChatTokenizer, int], tasks: Path
) -> None:
    found = run(tiny, tasks, "local_written")
    assert found.metric == "exact_match"
    assert len(found.items) == len(ROWS)
    assert all(score.value in (0.0, 1.0) for score in found.scores.values())
    assert not any("\n" in output for output in found.outputs.values())


def test_an_unknown_task_is_refused(
    tiny: tuple[LocalEngine, ChatTokenizer, int], tasks: Path
) -> None:
    with pytest.raises(ConfigError, match="no_such_task"):
        run(tiny, tasks, "no_such_task")


def test_without_the_package_the_extra_is_named(
    tiny: tuple[LocalEngine, ChatTokenizer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "is_installed", lambda: False)
    with pytest.raises(ConfigError, match="extra `eval`"):
        run(tiny, Path(), "arc_easy")


def test_windows_of_a_long_text_score_every_token_once(
    tiny: tuple[LocalEngine, ChatTokenizer, int],
) -> None:
    """Two windows, the second after its last token before: the sum of both by hand."""
    engine, tokenizer, _ = tiny
    start, text = tokenizer.eos_ids[0], tokenizer.encode("The cat sat on the mat and slept.")[:8]
    by_hand = score_pairs(
        engine, [([start], text[:5]), ([text[4]], text[5:])], context_len=len(text) + 1
    )
    assert score_text(engine, start, text, context_len=6) == pytest.approx(sum(by_hand), abs=1e-5)


def test_a_prompt_that_is_too_long_loses_its_beginning(
    tiny: tuple[LocalEngine, ChatTokenizer, int],
) -> None:
    engine, tokenizer, _ = tiny
    prompt, after = tokenizer.encode("one two three four five six"), tokenizer.encode(" seven")
    size = len(after) + 3
    short = score_pairs(engine, [(prompt[-3:], after)], context_len=100)
    assert score_pairs(engine, [(prompt, after)], context_len=size) == pytest.approx(short)


def test_greedy_is_what_greedy_decoding_writes(
    tiny: tuple[LocalEngine, ChatTokenizer, int],
) -> None:
    engine, tokenizer, context_len = tiny
    prompt = tokenizer.encode("The month after May is")
    (written,) = write_until(
        engine, [(prompt, {"max_gen_toks": 4})], context_len=context_len, seed=0
    )
    asked = [(prompt, written), (prompt, " zebra")]
    assert find_greedy(engine, tokenizer, asked, context_len=context_len) == [True, False]
    assert find_greedy(engine, tokenizer, [], context_len=context_len) == []


def test_a_request_alone_in_its_document_is_asked_for_greediness() -> None:
    owners = [("a", 0), ("a", 1), ("a", 1), ("b", 0)]
    assert find_alone(owners) == [0, 3]


def test_an_answer_ends_at_the_first_of_its_stop_texts() -> None:
    assert cut_at("one\ntwo. three", ["\n", ". "]) == "one"
    assert cut_at("one two", "two") == "one "
    assert cut_at("one", ["", "x"]) == "one"
