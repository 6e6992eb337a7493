"""Every example recipe loads, names what is there, and resolves without network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from assay.config import load
from assay.data import prepare_data
from assay.errors import ConfigError
from assay.evaluate.items import Item
from assay.evaluate.scorers import build_scorer
from assay.evaluate.suites import load_suite

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
GSM8K = [
    {"question": "Ida has 3 pens and buys 4. How many?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"},
    {"question": "Max has 9 eggs and eats 2. How many?", "answer": "9 - 2 = <<9-2=7>>7\n#### 7"},
    {"question": "Two cups cost 6. How much is one?", "answer": "6 / 2 = <<6/2=3>>3\n#### 3"},
]
BFCL = {
    "id": "invented_0",
    "question": [[{"role": "user", "content": "Two reds on shelf 3, then one on shelf 4"}]],
    "function": [
        {
            "name": "shelf.put",
            "description": "Put items on a shelf.",
            "parameters": {
                "type": "dict",
                "properties": {
                    "shelf": {"type": "integer"},
                    "type": {"type": "string", "enum": ["dict", "red"]},
                    "weight": {"type": "float"},
                    "note": {"type": "any"},
                    "box": {"type": "dict", "properties": {"side": {"type": "tuple"}}},
                },
                "required": ["shelf", "note"],
            },
        }
    ],
    "ground_truth": [
        {
            "shelf.put": {
                "shelf": [3, 30],
                "type": ["red"],
                "weight": ["", 2.5],
                "note": ["", "two"],
                "box": [{"side": [[1, 2]], "lid": ["", "flat"]}],
            }
        },
        {"shelf.put": {"shelf": [4], "type": ["red"], "weight": [], "note": ["one"]}},
    ],
}


def _write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def _convert(tmp_path: Path, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    source, out = _write(tmp_path / "bfcl.jsonl", rows), tmp_path / "chat.jsonl"
    command = [sys.executable, str(EXAMPLES / "bfcl" / "convert.py"), str(source), str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("path", "method", "base"),
    [
        ("support", "lora", "tiny"),
        ("forgetful", "lora", "tiny"),
        ("preference", "lora", "tiny"),
        ("reward-model", "lora", "tiny"),
        ("distil", "lora", "tiny"),
        ("grpo-tools", "lora", "tiny"),
        ("gpu/llama-8b-lora.yaml", "lora", "meta-llama/Llama-3.1-8B-Instruct"),
        ("gpu/llama-8b-qlora.yaml", "qlora", "meta-llama/Llama-3.1-8B-Instruct"),
        ("gpu/qwen-0.6b-full.yaml", "full", "Qwen/Qwen3-0.6B"),
    ],
)
def test_recipe_loads(path: str, method: str, base: str) -> None:
    recipe = load(EXAMPLES / path).recipe
    assert (recipe.method.type, recipe.base.name) == (method, base)
    assert recipe.data.group_by == "group"


def test_forgetful_rows_can_be_split() -> None:
    loaded = load(EXAMPLES / "forgetful")
    parts = prepare_data(loaded.recipe.data, base_dir=loaded.base_dir, seed=0).splits
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 360
    assert len(parts.test) >= 60
    assert {record.extra["kind"] for record in parts.train} == {"queue"}


def test_pairs_of_a_house_style_reproduce_and_can_be_split(tmp_path: Path) -> None:
    committed, out = EXAMPLES / "preference" / "data" / "pairs.jsonl", tmp_path / "pairs.jsonl"
    script = EXAMPLES / "preference" / "make_data.py"
    subprocess.run([sys.executable, str(script), str(out)], check=True)
    assert out.read_bytes() == committed.read_bytes()
    loaded = load(EXAMPLES / "preference")
    parts = prepare_data(
        loaded.recipe.data, base_dir=loaded.base_dir, seed=0, wanted="preference"
    ).splits
    assert len({record.group for record in parts.test}) >= 10
    assert sum(map(len, parts.as_dict().values())) == 720


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_house_style_is_learned_from_pairs(tmp_path: Path) -> None:
    """The example cut down: a few steps on a third of its pairs, told on pairs held out of them."""
    pytest.importorskip("torch")
    from assay.pipeline.tune_run import run_tuning

    few = ["data.train.0.limit=240", "train.epochs=null", "train.max_steps=14", "seed=1"]
    ended = run_tuning(load(EXAMPLES / "preference", [*few, f"output={tmp_path}"]))
    first, *_, last = ended.run.read_metrics()
    assert first["train/loss"] == pytest.approx(0.6931, abs=1e-3), "no answer is preferred yet"
    assert last["eval/reward_accuracy"] > 0.8
    assert ended.training.loss_validation < 0.5 < ended.training.loss_validation_base


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("gsm8k", {"train.jsonl", "test.jsonl"}),
        ("bfcl", {"sharegpt_tools.jsonl", "validation.jsonl", "test.jsonl"}),
    ],
)
def test_recipe_for_a_public_set_says_which_files_it_needs(name: str, missing: set[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(EXAMPLES / name)
    assert {problem.got.split("'")[1] for problem in caught.value.problems} == missing


def test_gsm8k_recipe_reads_questions_and_answers(tmp_path: Path) -> None:
    train = _write(tmp_path / "train.jsonl", GSM8K[:2])
    test = _write(tmp_path / "test.jsonl", GSM8K[2:])
    overrides = [f"data.train.0.path={train}", f"data.test.0.path={test}"]
    loaded = load(EXAMPLES / "gsm8k", overrides)
    parts = prepare_data(loaded.recipe.data, base_dir=loaded.base_dir, seed=0).splits
    assert [message["content"] for message in parts.test[0].messages] == [
        GSM8K[2]["question"],
        GSM8K[2]["answer"],
    ]


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ("6 - 2 = 4\n#### 1,250", True),
        ("#### 1250.00 euros", True),
        ("so she pays 1250", True),
        ("#### 1251", False),
        ("1250 or so\n#### none", False),
        ("I do not know", False),
        ("", False),
    ],
)
def test_gsm8k_metric_compares_the_final_number(output: str, right: bool) -> None:
    scorer = build_scorer("metric.py:same_number", base_dir=EXAMPLES / "gsm8k")
    item = Item("one", [], reference="2500 / 2 = 1250\n#### 1250", metric="metric.py:same_number")
    assert scorer(output, item).correct is right


def test_bfcl_converter_writes_schemas_and_first_allowed_values(tmp_path: Path) -> None:
    (row,) = _convert(tmp_path, [BFCL])
    function = row["tools"][0]["function"]
    assert function["name"] == "shelf.put"
    assert function["parameters"] == {
        "type": "object",
        "properties": {
            "shelf": {"type": "integer"},
            "type": {"type": "string", "enum": ["dict", "red"]},
            "weight": {"type": "number"},
            "note": {},
            "box": {"type": "object", "properties": {"side": {"type": "array"}}},
        },
        "required": ["shelf", "note"],
    }
    calls = [call["function"] for call in row["messages"][-1]["tool_calls"]]
    assert [json.loads(call["arguments"]) for call in calls] == [
        {"shelf": 3, "type": "red", "note": "two", "box": {"side": [1, 2]}},
        {"shelf": 4, "type": "red", "note": "one"},
    ]


def test_bfcl_row_without_a_fitting_tool_is_answered_in_words(tmp_path: Path) -> None:
    (row,) = _convert(tmp_path, [{**BFCL, "ground_truth": []}])
    assert row["messages"][-1] == {
        "role": "assistant",
        "content": "None of these tools can do that.",
    }


def test_bfcl_recipe_reads_sharegpt_and_converted_rows(tmp_path: Path) -> None:
    chat = _convert(tmp_path, [BFCL])
    other = json.loads(json.dumps(chat[0]).replace("Two reds", "Three reds"))
    turns = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hello. What now?"}]
    paths = {
        "train": _write(tmp_path / "train.jsonl", [{"conversations": turns, "tools": "[]"}]),
        "validation": _write(tmp_path / "validation.jsonl", chat),
        "test": _write(tmp_path / "test.jsonl", [other]),
    }
    overrides = [f"data.{name}.0.path={path}" for name, path in paths.items()]
    loaded = load(EXAMPLES / "bfcl", overrides)
    parts = prepare_data(loaded.recipe.data, base_dir=loaded.base_dir, seed=0).splits
    assert {name: len(rows) for name, rows in parts.as_dict().items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }
    assert parts.test[0].messages[-1]["tool_calls"][0]["function"]["name"] == "shelf.put"


def test_general_questions_reproduce_and_are_a_suite(tmp_path: Path) -> None:
    out = tmp_path / "general.jsonl"
    command = [sys.executable, str(EXAMPLES / "gpu" / "make_general.py"), str(out)]
    subprocess.run(command, check=True)
    committed = EXAMPLES / "gpu" / "general.jsonl"
    assert out.read_bytes() == committed.read_bytes()
    suite = load_suite(committed, kind="retention")
    assert (suite.metric, len(suite.items)) == ("contains", 112)
    assert len({item.messages[0]["content"] for item in suite.items}) == 112


@pytest.mark.parametrize(
    "readme", sorted(EXAMPLES.glob("*/README.md")), ids=lambda p: p.parent.name
)
def test_readme_names_files_that_exist(readme: Path) -> None:
    named = set(re.findall(r"examples/[\w./-]+\.(?:yaml|py|jsonl)", readme.read_text("utf-8")))
    assert named
    assert all((ROOT / name).is_file() for name in named)
