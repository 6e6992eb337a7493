"""Rows that anchor: nothing is learned from them, the tuned model stays at its base there."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tests.pipeline.conftest import chat_row
from torch.nn.functional import kl_div
from transformers import AutoModelForCausalLM

from assay.chat import load_chat_tokenizer, render_example
from assay.config import load
from assay.errors import ConfigError
from assay.pipeline import run_recipe

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
ANCHORS = [chat_row(f"Name a fruit that begins with {c}.", "a lie") for c in "abcdefghijklmnop"]


def _write_anchors(recipe: Path) -> None:
    path = recipe.parent / "anchors.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ANCHORS), encoding="utf-8")


def _run(recipe: Path, role: str) -> Path:
    sources = f"data.train=[colours.jsonl, {{path: anchors.jsonl, role: {role}}}]"
    steps = ["train.max_steps=60", "train.learning_rate=0.01", "method.dropout=0"]
    return run_recipe(recipe, ["gates=minimal", sources, *steps]).run.path


def _measure(run: Path, base: Path) -> tuple[float, float]:
    """KL(base ‖ tuned) at the anchors' answers, and the tuned loss of these; a token's means."""
    tokenizer = load_chat_tokenizer(base)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), run / "adapter")
    divergence, loss, count = 0.0, 0.0, 0
    for row in ANCHORS:
        (example,) = render_example(tokenizer, row["messages"])
        ids = torch.tensor([example.input_ids])
        trained = torch.tensor(example.loss_mask)[1:] > 0
        with torch.no_grad():
            tuned = model(ids).logits[0, :-1].log_softmax(-1)[trained]
            with model.disable_adapter():
                kept = model(ids).logits[0, :-1].log_softmax(-1)[trained]
        divergence += float(kl_div(tuned, kept, reduction="sum", log_target=True))
        loss -= float(tuned.gather(1, ids[0, 1:][trained][:, None]).sum())
        count += int(trained.sum())
    return divergence / count, loss / count


def test_anchors_are_not_learned_and_hold_the_model_to_its_base(
    recipe: Path, small_base: Path
) -> None:
    _write_anchors(recipe)
    runs = {role: _run(recipe, role) for role in ("anchor", "extra")}
    (kept, kept_loss), (moved, moved_loss) = (_measure(runs[r], small_base) for r in runs)
    assert kept < moved and kept_loss > moved_loss + 0.2
    masks = {
        role: json.loads((run / "data" / "report.json").read_text())["masks"]["train"]
        for role, run in runs.items()
    }
    assert [masks[role]["num_anchored"] for role in ("anchor", "extra")] == [len(ANCHORS), 0]
    assert "a lie" not in masks["anchor"]["example"]["plain"]


@pytest.mark.parametrize(
    ("changes", "do"),
    [
        (
            ["data.train={path: colours.jsonl, role: anchor}"],
            "leave the role of the task's rows out",
        ),
        (
            ["data.train=[colours.jsonl, {path: anchors.jsonl, role: anchor}]", "method=full"],
            "extra",
        ),
    ],
)
def test_anchors_need_a_task_and_adapters(recipe: Path, changes: list[str], do: str) -> None:
    _write_anchors(recipe)
    with pytest.raises(ConfigError) as caught:
        load(recipe, changes)
    (problem,) = caught.value.problems
    assert "role: anchor" in problem.got and do in problem.do
