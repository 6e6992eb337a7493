"""Runs of reward models: from pairs to a verdict, what is saved, resumed, refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from assay.config import load
from assay.errors import ConfigError, DataError, GenerationError, UsageError
from assay.evaluate.items import GUARDED, Item
from assay.evaluate.scorers import score_pair
from assay.models.reward_model import load_reward_model
from assay.pipeline import run_recipe
from assay.pipeline.progress import PlainProgress
from assay.pipeline.rewards import NO_ANSWERS
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import RunFolder, find_unfinished
from assay.train.reward import REWARD_METRICS

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FEW = ["train.max_steps=4", "evaluate.max_items=8", "evaluate.shots=[0]"]


def make_pairs(num: int = 60) -> list[dict[str, Any]]:
    return [
        {
            "prompt": [{"role": "user", "content": f"Item {n} is which of both?"}],
            "chosen": [{"role": "assistant", "content": f"It is the red one, {n}."}],
            "rejected": [{"role": "assistant", "content": "Who cares."}],
        }
        for n in range(num)
    ]


@pytest.fixture
def write(recipe: Path) -> Callable[..., Path]:
    def write(rows: list[Any] | None = None) -> Path:
        text = "".join(json.dumps(row) + "\n" for row in rows or make_pairs())
        (recipe.parent / "colours.jsonl").write_text(text, encoding="utf-8")
        with recipe.open("a", encoding="utf-8") as file:
            file.write("objective: reward\n")
        return recipe

    return write


def score_with_transformers(run: RunFolder, base: Path, texts: list[list[int]]) -> list[float]:
    """By Transformers and PEFT alone, as anybody would load it, in one padded batch."""
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    whole = run.model.is_dir()
    folder = run.model if whole else base
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    if not whole:
        model = PeftModel.from_pretrained(model, run.adapter)
    longest = max(map(len, texts))
    padded = [ids + [0] * (longest - len(ids)) for ids in texts]
    mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts]
    with torch.no_grad():
        found = model.eval()(input_ids=torch.tensor(padded), attention_mask=torch.tensor(mask))
    return [float(value) for value in found.logits[:, 0]]


@pytest.mark.parametrize("method", ["{type: lora, rank: 4}", "full"])
def test_pairs_come_to_a_verdict_and_what_is_saved_loads_without_us(
    write: Any, small_base: Path, method: str
) -> None:
    outcome = run_recipe(load(write(), [*FEW, f"method={method}"]))
    task = outcome.evaluation["suites"]["task"]
    assert (task["metric"], task["n"]) == ("pair_accuracy", 8)
    assert task["tuned"]["mean"] == 1.0
    assert outcome.evaluation["suites"].keys() == {"task"}
    gates = {gate["name"]: gate for gate in outcome.verdict["gates"]}
    asked = set(GUARDED) & gates.keys()
    assert {"retention", "refusal", "over_refusal"} <= asked
    assert all(gates[name]["code"] == "not_applicable" for name in asked)
    assert gates["retention"]["reason"] == NO_ANSWERS and not gates["retention"]["required"]
    assert gates["integrity/adapter_reloads"]["outcome"] == "pass"
    assert gates["integrity/template_unchanged"]["outcome"] == "pass"
    merged = "not_measured" if method == "full" else "pass"
    assert gates["integrity/merged_equals_adapter"]["outcome"] == merged
    records = outcome.run.read_metrics()
    assert {f"train/{name}" for name in REWARD_METRICS} <= records[0].keys()
    assert records[-1]["eval/reward_accuracy"] == 1.0
    questions = make_pairs()[:6]
    model = load_reward_model(outcome.run.path)
    answered = [(row["prompt"], row[side]) for row in questions for side in ("chosen", "rejected")]
    found = model.score([[*prompt, *answer] for prompt, answer in answered])
    assert all(a > b for a, b in zip(found[0::2], found[1::2], strict=True))
    tokenizer = AutoTokenizer.from_pretrained(small_base)
    texts = [
        tokenizer.encode(
            tokenizer.apply_chat_template([*prompt, *answer], tokenize=False),
            add_special_tokens=False,
        )
        for prompt, answer in answered
    ]
    plain = score_with_transformers(outcome.run, small_base, texts)
    assert found == pytest.approx(plain, abs=1e-5)


def test_an_interrupted_tuning_goes_on_as_if_it_had_not_been(write: Any) -> None:
    class Pressed(PlainProgress):
        def step(self, record: dict[str, Any], num_steps: int) -> None:
            if record["step"] == 2:
                raise KeyboardInterrupt

    recipe = write([{**row, "margin": 0.5 * (n % 3)} for n, row in enumerate(make_pairs())])
    whole = run_tuning(load(recipe, FEW)).run
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(recipe, FEW), progress=Pressed())
    run = find_unfinished(whole.path.parent)
    assert run is not None
    resume_tuning(run)
    expected, found = (load_file(one.adapter / "adapter_model.safetensors") for one in (whole, run))
    assert "base_model.model.score.weight" in expected
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


def test_the_head_goes_with_a_base_in_few_bits(write: Any) -> None:
    pytest.importorskip("bitsandbytes")
    settings = [*FEW, "method={type: qlora, rank: 4}", "train.learning_rate=0.01"]
    outcome = run_recipe(load(write(), settings))
    gates = {gate["name"]: gate["outcome"] for gate in outcome.verdict["gates"]}
    assert gates["integrity/adapter_reloads"] == "pass"
    assert gates["integrity/merged_equals_adapter"] == "pass"
    assert outcome.evaluation["suites"]["task"]["tuned"]["mean"] == 1.0


def test_margins_are_read_and_told(write: Any) -> None:
    """A margin of 3 costs a fresh head more than none, by about as much."""
    notes: list[str] = []

    class Told(PlainProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    plain = run_tuning(load(write(), FEW)).training
    recipe = write([{**row, "margin": 3} for row in make_pairs()])
    text = recipe.read_text("utf-8").replace("objective: reward\n", "", 1)
    recipe.write_text(text, encoding="utf-8")
    with_margins = run_tuning(load(recipe, FEW), progress=Told()).training
    gain = with_margins.loss_validation_base - plain.loss_validation_base
    assert gain == pytest.approx(2.36, abs=0.3)
    assert any(note.startswith("margins: ") and "rows have one" in note for note in notes)


def test_a_margin_that_is_no_number_stops_the_run(write: Any) -> None:
    rows = [{**row, "margin": "much" if n == 3 else 1} for n, row in enumerate(make_pairs())]
    with pytest.raises(DataError, match=r"margin.*'much'.*a finite number"):
        run_tuning(load(write(rows), [*FEW, "data.test_ratio=0.01", "data.validation_ratio=0.3"]))


@pytest.mark.parametrize(
    ("setting", "got"),
    [
        ("method={type: peft, config: {peft_type: IA3}}", "a method of PEFT's own"),
        ("base.new_tokens=[<call>]", "new tokens with a reward model"),
        ("defend={stop_on_drift: true}", "defences of what a model answers"),
        ("evaluate.suites=[{path: own.jsonl, kind: retention}]", "suites of questions for a"),
        ("evaluate.metric=exact", "a metric of written answers"),
        ("sweep={train.learning_rate: [0.1, 0.2]}", "a sweep of reward models"),
        ("objective={type: reward, beta: 0.1}", "'beta', a key of"),
    ],
)
def test_what_does_not_go_with_a_reward_model_is_refused_by_name(
    write: Any, setting: str, got: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(), [setting])
    assert any(problem.got.startswith(got) for problem in caught.value.problems), caught.value


def test_a_resolved_recipe_of_a_reward_model_loads_again(write: Any, tmp_path: Path) -> None:
    from assay.config import dump

    resolved = tmp_path / "again.yaml"
    resolved.write_text(dump(load(write()).recipe), encoding="utf-8")
    assert load(resolved, base_dir=tmp_path).recipe.objective.type == "reward"


def test_a_reward_model_answers_nothing(write: Any) -> None:
    from assay.pipeline.subject import load_subject

    run = run_tuning(load(write(), FEW)).run
    with pytest.raises(UsageError, match="a reward model, which scores answers"):
        load_subject(run.id, root=str(run.path.parent))


def test_pairs_are_scored_by_the_greater_reward() -> None:
    item = Item("a", [], choices=("x", "y"), golds=(0,), metric="pair_accuracy")
    found = [score_pair(item, pair).value for pair in ([1.0, 0.5], [0.5, 1.0], [1.0, 1.0])]
    assert found == [1.0, 0.0, 0.5]
    assert score_pair(item, [float("nan"), 1.0]).value is None
    assert not score_pair(item, [1.0, 1.0]).correct


def test_answers_beyond_the_context_are_refused(write: Any) -> None:
    run = run_tuning(load(write(), FEW)).run
    model = load_reward_model(run.path)
    with pytest.raises(GenerationError, match="conversation 1 has 600 tokens"):
        model.score_ids([[5] * 10, [5] * 600])
    with pytest.raises(ConfigError, match="an adapter without a trained head"):
        folder = run.path / "plain"
        folder.mkdir()
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
        load_reward_model(folder)
