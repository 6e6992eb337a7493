"""Reading recipes: every mistake is found in one pass, located, and in plain words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assay.config import FullConfig, LoraConfig, SourceConfig, load
from assay.config.aliases import _DIFFERENCES, _MEANT
from assay.config.keys import walk_keys
from assay.errors import ConfigError, Problem

GOOD = "base: tiny\ndata:\n  train: rows.jsonl\n"
GRPO = "type: grpo, grader: {type: length}"


def write(folder: Path, text: str, *, name: str = "recipe.yaml") -> Path:
    (folder / "rows.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def find_problems(folder: Path, text: str, *overrides: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), overrides)
    return caught.value.problems


def find_one(folder: Path, text: str, *overrides: str) -> Problem:
    problems = find_problems(folder, text, *overrides)
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def test_two_keys_are_enough(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD))
    assert loaded.recipe.base.name == "tiny"
    assert loaded.recipe.data.train == [SourceConfig(path="rows.jsonl")]
    assert loaded.recipe.method == LoraConfig(alpha=32)
    assert loaded.base_dir == tmp_path
    assert loaded.recipe.name == tmp_path.name


def test_a_folder_stands_for_its_recipe(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert load(tmp_path).path == tmp_path / "recipe.yaml"


def test_five_mistakes_give_five_located_messages(tmp_path: Path) -> None:
    text = (
        "base: tiny\n"
        "data:\n"
        "  train: rowz.jsonl\n"
        "method: {type: lora, rang: 8}\n"
        "train:\n"
        "  epochs: many\n"
        "  warmup_ratio: 1.5\n"
        "gates: strikt\n"
    )
    place = tmp_path / "recipe.yaml"
    lines = [str(problem) for problem in find_problems(tmp_path, text)]
    assert lines == [
        f"{place}:3:10 data.train: got 'rowz.jsonl', where no file is, allowed a file ending in "
        ".jsonl, .ndjson, .json, .csv, .tsv, .parquet, .txt, do write rows.jsonl",
        f"{place}:4:22 method.rang: got unknown key 'rang', allowed type, rank, alpha, dropout, "
        "target_modules, flavours, start_from, do write rank",
        f"{place}:6:11 train.epochs: got 'many', allowed a number above 0 and at most 1000 or "
        "null, do change it; `assay config explain train.epochs` says more",
        f"{place}:7:17 train.warmup_ratio: got 1.5, allowed a number from 0 to 1 or null, do "
        "change it; `assay config explain train.warmup_ratio` says more",
        f"{place}:8:8 gates: got 'strikt', allowed minimal, standard, strict, agent, or a policy "
        "file (.yaml), do write strict",
    ]


def test_no_message_shows_the_insides_of_the_schema_library(tmp_path: Path) -> None:
    text = (
        "base: [tiny]\ndata: {train: [5, {path: 1}], columns: 3, allow: x}\nmethod: 4\n"
        "objective: {type: dpo, beta: 1}\n"
        "train: {optimizer_settings: {betas: a}, batch_size: 1.5}\n"
        "evaluate: {suites: 7, shots: {}}\ngates: [standard]\ntrackers: comet\nname: a/b\n"
    )
    for problem in find_problems(tmp_path, text):
        words = f"{problem.got} {problem.allowed} {problem.do}".lower()
        assert not any(word in words for word in ("pydantic", "input should", "config'", "tag "))
        assert problem.line is not None and problem.do


@pytest.mark.parametrize(
    ("text", "line", "column", "do"),
    [
        ("base: tiny\n\ttrain: x\n", 2, 1, "indent with spaces, not tabs"),
        ("base: tiny: x\n", 1, 11, "check the indentation, and quote text that holds `: `"),
        ("base: tiny\ndata: [a\n", 3, 1, "close the quote or bracket"),
        ("base: @tiny\n", 1, 7, "put the text in quotes"),
        ("base: tiny\n---\nbase: tiny\n", 2, 1, "remove everything from the second `---` on"),
        ("base: tiny\nname: \x07\n", 2, 7, "remove it"),
    ],
)
def test_broken_yaml_is_located(tmp_path: Path, text: str, line: int, column: int, do: str) -> None:
    problem = find_one(tmp_path, text)
    assert (problem.line, problem.column, problem.do) == (line, column, do)


def test_brackets_without_end_are_an_error_not_a_crash(tmp_path: Path) -> None:
    assert "too deep" in find_one(tmp_path, "base: " + "[" * 1200).got


def test_a_doubled_key_names_both_lines(tmp_path: Path) -> None:
    problem = find_one(tmp_path, GOOD + "seed: 1\nseed: 2\n")
    assert problem.got == "'seed' again (first on line 4)"
    assert (problem.line, problem.key) == (5, "seed")


def test_aliases_tags_and_dates_are_refused(tmp_path: Path) -> None:
    text = "base: &b tiny\ndata:\n  train: rows.jsonl\nname: *b\noutput: 2024-01-01\nseed: !x 3\n"
    problems = find_problems(tmp_path, text)
    assert [(problem.line, problem.key) for problem in problems if "null" not in problem.got] == [
        (4, "name"),
        (5, "output"),
        (6, "seed"),
        (6, "seed"),
    ]
    assert problems[1].do == 'put it in quotes: "2024-01-01"'


def test_escaped_halves_of_a_character_are_joined_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + 'output: "\\ud83d\\ude00"\n')
    assert load(path).recipe.output == "\N{GRINNING FACE}"
    problems = find_problems(tmp_path, GOOD + 'output: "\\ud83d"\n')
    assert (problems[0].key, problems[0].got) == ("output", "half a character")


def test_a_recipe_that_is_no_mapping(tmp_path: Path) -> None:
    assert find_one(tmp_path, "- base\n").do == "write for example `base: tiny`"


def test_an_empty_recipe_misses_both_required_keys(tmp_path: Path) -> None:
    problems = find_problems(tmp_path, "# nothing yet\n")
    assert [(problem.key, problem.got) for problem in problems] == [
        ("base", "nothing"),
        ("data", "nothing"),
    ]


def test_a_missing_recipe_and_one_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="assay init"):
        load(tmp_path / "absent.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"base: tiny\nname: caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (2, 10)
    assert problem.got == "the byte 0xe9, which is not UTF-8"


def test_a_key_of_another_method_names_that_method(tmp_path: Path) -> None:
    problem = find_one(tmp_path, GOOD + "method: {type: full, rank: 8}\n")
    types = "lora, rslora, dora, pissa, lora_plus and qlora"
    assert problem.got == f"'rank', a key of method type {types}"
    assert problem.allowed == "type"
    assert problem.do == "remove it, or set method.type to lora"


@pytest.mark.parametrize(
    ("more", "key", "got"),
    [
        ("method: {start_from: a}", "method.start_from", "without a readable adapter_config"),
        ("method: peft", "method.config", "nothing"),
        ("method: {type: peft, config: {r: 1}}", "method.config", "no peft_type"),
        (
            "method: {type: peft, config: {peft_type: PREFIX_TUNING}}",
            "method.config",
            "no number of virtual tokens",
        ),
        ("method: {type: peft, config: {peft_type: CPT}}", "method.config", "kinds of tokens"),
        ("method: {type: peft, config: {peft_type: ADALORA}}", "method.config", "training loop"),
        (
            "method: {type: peft, config: {peft_type: LORA, init_lora_weights: olora}}",
            "method.config",
            "rewrites the base",
        ),
        ("method: {type: freeze, top_layers: 0}", "method.top_layers", "0"),
        ("train: {optimizer: schedule_free, schedule: wsd}", "train.schedule", "falling"),
        ("train: {techniques: [step_per_layer], max_grad_norm: 1}", "train.max_grad_norm", "norm"),
        (
            "train: {techniques: [step_per_layer]}\nlaunch: {processes: 2}",
            "train.techniques",
            "several processes",
        ),
        ("train: {techniques: [reuse_in_memory, reuse_on_disk]}", "train.techniques", "and"),
        (
            "train: {techniques: [reuse_on_disk]}\nobjective: {neftune_alpha: 5}",
            "train.techniques",
            "noise",
        ),
        ("launch: {processes: 17}", "launch.processes", "more processes than train.batch_size"),
        ("method: {flavours: [dora, dora]}", "method.flavours", "twice"),
        ("method: {type: dora, flavours: [dora]}", "method.flavours", "twice"),
        ("train: {warmup_ratio: 0.1, warmup_steps: 3}", "train.warmup_steps", "both"),
        (f"objective: {{{GRPO}, beta: 0.1, kl_estimator: k1}}", "objective.kl_estimator", "k1"),
        (
            f"objective: {{{GRPO}, max_new_tokens: 8, overlong_margin: 9}}",
            "objective.overlong_margin",
            "longer",
        ),
        (
            f"  max_seq_len: 64\nobjective: {{{GRPO}, max_new_tokens: 64}}",
            "objective.max_new_tokens",
            "no room",
        ),
        (
            "objective: {type: rejection, grader: {type: length}, group_size: 2, keep_best: 3}",
            "objective.keep_best",
            "more completions",
        ),
        (f"objective: {{{GRPO}}}\nevaluate: {{shots: [0, 4]}}", "evaluate.shots", "no answers"),
        (f"objective: {{{GRPO}}}\nsweep: {{seed: [1, 2]}}", "sweep", "writes"),
        (f"objective: {{{GRPO}}}\nevaluate: {{metric: exact}}", "evaluate.metric", "another"),
        ("objective: grpo", "objective.grader", "nothing"),
        (f"objective: {{{GRPO}, engine: {{name: a}}}}", "objective.engine.url", "nothing"),
        (f"objective: {{{GRPO}, engine: {{url: a}}}}", "objective.engine.name", "nothing"),
        (f"objective: {{{GRPO}, engine: vllm}}", "objective.engine", "vllm"),
        (
            "evaluate: {suites: [{path: free_form, judge: {url: 'http://localhost'}}]}",
            "evaluate.suites.0.judge.name",
            "nothing",
        ),
    ],
)
def test_no_setting_of_method_and_training_is_ignored(
    tmp_path: Path, more: str, key: str, got: str
) -> None:
    problem = find_one(tmp_path, f"{GOOD}{more}\n")
    assert problem.key == key
    assert got in problem.got


def test_settings_of_an_optimizer_are_its_own_and_in_range(tmp_path: Path) -> None:
    text = GOOD + "train:\n  optimizer_settings: {beta: 1, betas: [0.9, 1.5], weight_decay: true}\n"
    problems = find_problems(tmp_path, text)
    assert [problem.key for problem in problems] == [
        "train.optimizer_settings.beta",
        "train.optimizer_settings.betas",
        "train.optimizer_settings.weight_decay",
    ]
    assert problems[0].allowed == "settings of adamw: weight_decay, betas, epsilon"
    assert problems[1].allowed == "a list of 2: each from 0 to 1"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("adamw_torch_fused", "adamw"), ("adamw_bnb_8bit", "adamw_8bit"), ("lion_8bit", "lion")],
)
def test_an_optimizer_of_another_trainer_names_ours(tmp_path: Path, theirs: str, ours: str) -> None:
    problem = find_one(tmp_path, f"{GOOD}train: {{optimizer: {theirs}}}\n")
    assert problem.do == f"write {ours}"


def test_half_precision_says_why_it_is_refused(tmp_path: Path) -> None:
    problem = find_one(tmp_path, GOOD + "train: {precision: fp16}\n")
    assert problem.allowed == "auto, fp32, bf16, mixed"
    assert "80 times" in problem.do


def test_a_key_in_the_wrong_block_names_the_right_one(tmp_path: Path) -> None:
    assert find_one(tmp_path, GOOD + "learning_rate: 1\n").do == "write it as train.learning_rate"
    dotted = find_one(tmp_path, GOOD + "train.epochs: 2\n")
    assert dotted.do == "write it nested, `train: {epochs: …}`"


def test_a_misspelt_required_key_is_one_problem(tmp_path: Path) -> None:
    problem = find_one(tmp_path, "base: tiny\ndata: {trian: rows.jsonl}\n")
    assert problem.do == "write train"


@pytest.mark.parametrize(
    ("more", "do"),
    [
        ("lr: 1\n", "write it as train.learning_rate"),
        ("train: {LR: 1}\n", "write learning_rate"),
        ("train.lr: 1\n", "write it nested, `train: {learning_rate: …}`"),
        ("train: {num_train_epochs: 1}\n", "write epochs"),
        ("method: {type: lora, lora_r: 8}\n", "write rank"),
        ("method: {type: lora, r: 8}\n", "write rank"),
        ("lora_alpha: 8\n", "write it as method.alpha"),
        ("  cutoff_len: 512\n", "write max_seq_len"),
        ("output-dir: x\n", "write output"),
        ("random_state: 3\n", "write seed"),
        ("train: {warmup: 3}\n", "write warmup_ratio, a share of all steps"),
        ("train: {wd: 0}\n", "write optimizer_settings, a map of weight_decay, betas, epsilon"),
        (
            "gradient_accumulation_steps: 4\n",
            "write it as train.batch_size, the sequences of a whole step: "
            "per device × accumulation × devices",
        ),
    ],
)
def test_a_key_of_another_trainer_names_ours(tmp_path: Path, more: str, do: str) -> None:
    assert find_one(tmp_path, GOOD + more).do == do


def test_required_keys_by_the_names_of_another_trainer_are_one_problem_each(
    tmp_path: Path,
) -> None:
    problems = find_problems(tmp_path, "base_model: tiny\ndatasets: rows.jsonl\n")
    assert [problem.do for problem in problems] == ["write base", "write it as data.train"]


def test_an_unknown_key_does_not_hide_a_wrong_value_of_the_one_meant(tmp_path: Path) -> None:
    text = GOOD + "train: {epoch: 2, epochs: many}\n"
    keys = [problem.key for problem in find_problems(tmp_path, text)]
    assert keys == ["train.epoch", "train.epochs"]


def test_other_names_lead_to_keys_that_exist_and_are_none_themselves() -> None:
    ours = {key.name for key in walk_keys()}
    last = {name.rsplit(".", 1)[-1] for name in ours}
    assert set(_MEANT.values()) <= ours
    assert not set(_MEANT) & last
    assert set(_DIFFERENCES) <= ours


def test_text_for_a_number_and_a_number_for_text_say_how_to_write_it(tmp_path: Path) -> None:
    problems = find_problems(tmp_path, GOOD + "seed: '3'\nname: 12\noutput: true\n")
    assert [problem.do for problem in problems] == [
        "write 3 without quotes",
        'put it in quotes: "12"',
        'put it in quotes: "true"',
    ]


def test_values_are_not_converted(tmp_path: Path) -> None:
    problems = find_problems(tmp_path, GOOD + "seed: true\ntrain: {max_steps: 2.0}\n")
    assert [problem.key for problem in problems] == ["seed", "train.max_steps"]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("train: {epochs: 1, max_steps: 5}\n", "train.max_steps"),
        ("method: {target_modules: []}\n", "method.target_modules"),
        ("trackers: [wandb, wandb]\n", "trackers"),
        ("evaluate: {shots: [2, 2]}\n", "evaluate.shots"),
        ("evaluate: {metric: metrics.py:score}\n", "evaluate.metric"),
        ("evaluate: {metric: classify}\n", "evaluate.metric"),
        ("evaluate: {suites: none.jsonl}\n", "evaluate.suites"),
        ("gates: own.yaml\n", "gates"),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path: Path, more: str, key: str) -> None:
    problem = find_one(tmp_path, GOOD + more)
    assert (problem.key, problem.line) == (key, 4)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("  validation_ratio: 0.5\n  test_ratio: 0.5\n", "data.validation_ratio"),
        ("  test_ratio: 0\n", "data.test_ratio"),
        ("  validation: rows.jsonl\n", "data.validation"),
        ("  test: [./rows.jsonl]\n", "data.test.0"),
        ("  validation: rows.csv\n", "data.validation"),
        ("  validation_ratio: 0\ntrain: {patience: 3}\n", "train.patience"),
        ("  validation_ratio: 0\ntrain: {eval_every_steps: 3}\n", "train.eval_every_steps"),
    ],
)
def test_splits_that_cannot_be_meant(tmp_path: Path, more: str, key: str) -> None:
    assert find_one(tmp_path, GOOD + more).key == key


def test_a_share_beside_named_rows_is_refused_unless_it_is_zero(tmp_path: Path) -> None:
    (tmp_path / "held.jsonl").write_text("{}\n", encoding="utf-8")
    text = GOOD + "  validation: held.jsonl\n"
    assert load(write(tmp_path, text)).recipe.data.validation_ratio == 0.0
    assert load(write(tmp_path, text + "  validation_ratio: 0.0\n"))
    assert find_one(tmp_path, text + "  validation_ratio: 0.2\n").key == "data.validation_ratio"


def test_one_wrong_key_does_not_hide_a_rule_about_others(tmp_path: Path) -> None:
    text = GOOD + "seed: x\ntrain: {epochs: 1, max_steps: 5, batch_size: 0}\n"
    keys = [problem.key for problem in find_problems(tmp_path, text)]
    assert keys == ["seed", "train.max_steps", "train.batch_size"]


def test_a_rule_is_silent_where_one_of_its_keys_is_wrong_by_itself(tmp_path: Path) -> None:
    assert find_one(tmp_path, GOOD + "train: {epochs: x, max_steps: 5}\n").key == "train.epochs"


@pytest.mark.parametrize("path", ["owner/rows", "my-org/some.data_set"])
def test_what_looks_like_a_hub_dataset_needs_no_file(tmp_path: Path, path: str) -> None:
    text = f"base: tiny\ndata:\n  train: {{path: {path}, split: all, revision: main}}\n"
    assert load(write(tmp_path, text)).recipe.data.train[0].path == path


@pytest.mark.parametrize("path", ["folder/rows", "rows", "./a/b", "owner/rows.jsonl", "a/b/c"])
def test_what_looks_like_a_file_must_be_there(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    problem = find_one(tmp_path, f"base: tiny\ndata:\n  train: {path}\n")
    assert "where no file is" in problem.got


def test_hub_settings_of_a_local_file_are_refused(tmp_path: Path) -> None:
    text = "base: tiny\ndata:\n  train: {path: rows.jsonl, revision: main, split: test, name: x}\n"
    keys = [problem.key for problem in find_problems(tmp_path, text)]
    assert sorted(keys) == ["data.train.name", "data.train.revision", "data.train.split"]


def test_an_unreadable_format_and_a_folder_without_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    problems = find_problems(tmp_path, "base: tiny\ndata:\n  train: [rows.xlsx, empty]\n")
    assert [problem.got for problem in problems] == [
        "'rows.xlsx', a format that cannot be read",
        "'empty', a folder without readable files",
    ]


@pytest.mark.parametrize("name", ["a\\0b", "x" * 5000 + ".jsonl", "~nobody-here/x.jsonl"])
def test_odd_paths_are_missing_files_not_crashes(tmp_path: Path, name: str) -> None:
    problem = find_one(tmp_path, f'base: tiny\ndata:\n  train: "{name}"\n')
    assert "where no file is" in problem.got


def test_a_base_on_disk_must_look_like_a_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    text = "base: {base}\ndata:\n  train: rows.jsonl\n"
    assert "config.json" in find_one(tmp_path, text.format(base="model")).got
    assert find_one(tmp_path, text.format(base="./models/mine")).key == "base"
    (tmp_path / "model" / "config.json").write_text("{}")
    assert load(write(tmp_path, text.format(base="model"))).recipe.base.name == "model"
    assert load(write(tmp_path, text.format(base="org/model-8B"))).recipe.base.name


@pytest.mark.parametrize(
    ("base", "do"),
    [
        ("tinny", "write tiny"),
        ("Tiny", "write tiny"),
        ("models/lama", "write models/llama (or rename that folder, if the Hub is meant)"),
        ("./models/lama/", "write ./models/llama"),
        ("rows.jsonl", "name the folder that holds config.json and *.safetensors"),
    ],
)
def test_a_misspelt_base_is_no_hub_id(tmp_path: Path, base: str, do: str) -> None:
    (tmp_path / "models" / "llama").mkdir(parents=True)
    problem = find_one(tmp_path, f"base: {base}\ndata:\n  train: rows.jsonl\n")
    assert (problem.key, problem.line, problem.do) == ("base", 1, do)


@pytest.mark.parametrize("base", ["gpt2", "titan", "tiny-llama", "org/tinny"])
def test_a_hub_id_may_be_one_word(tmp_path: Path, base: str) -> None:
    text = f"base: {base}\ndata:\n  train: rows.jsonl\n"
    assert load(write(tmp_path, text)).recipe.base.name == base


def test_the_embedded_base_has_no_revision_and_no_code(tmp_path: Path) -> None:
    text = "base: {name: tiny, revision: main, trust_remote_code: true}\n"
    problems = find_problems(tmp_path, text + "data: {train: rows.jsonl}\n")
    assert [problem.key for problem in problems] == ["base.revision", "base.trust_remote_code"]


def test_a_metric_of_ones_own_must_be_defined(tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text("def score(output, reference, item):\n    return 1.0\n")
    text = GOOD + "evaluate: {metric: metrics.py:%s}\n"
    assert load(write(tmp_path, text % "score")).recipe.evaluate.metric == "metrics.py:score"
    assert find_one(tmp_path, text % "scor").do == "write score"


def test_a_metric_that_is_no_python_says_where(tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text("import math\ndef score(output:\n")
    problem = find_one(tmp_path, GOOD + "evaluate: {metric: metrics.py:score}\n")
    assert problem.got.startswith("'metrics.py', which Python cannot read (line 2: ")
    assert (problem.key, problem.do) == ("evaluate.metric", "correct the file")


@pytest.mark.parametrize(
    ("suites", "places"),
    [
        ("[a/general.jsonl, b/general.jsonl]", ["1"]),
        ("[{path: a/general.jsonl, name: General}, {path: b/general.jsonl}]", ["1.path"]),
        ("[{path: a/general.jsonl, name: task}]", ["0.name"]),
        ("[a/refusal.jsonl, a/retention.jsonl]", ["0", "1"]),
        ("[{path: a/general.jsonl, name: a/b}]", ["0.name"]),
        ("[{path: a/refusal.jsonl, name: ours}, a/general.jsonl]", []),
    ],
)
def test_suites_have_names_of_their_own(tmp_path: Path, suites: str, places: list[str]) -> None:
    for name in ("a/general", "b/general", "a/refusal", "a/retention"):
        path = tmp_path / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"prompt": "?", "answer": "!"}\n', encoding="utf-8")
    text = GOOD + f"evaluate: {{suites: {suites}}}\n"
    if not places:
        assert len(load(write(tmp_path, text)).recipe.evaluate.suites) == 2
        return
    found = [problem.key for problem in find_problems(tmp_path, text)]
    assert found == [f"evaluate.suites.{place}" for place in places]


def test_only_the_embedded_base_has_a_suite_of_general_skills(tmp_path: Path) -> None:
    (tmp_path / "retention.jsonl").write_text('{"prompt": "?", "answer": "!"}\n')
    text = GOOD + "evaluate: {suites: retention.jsonl}\n"
    problem = find_one(tmp_path, text)
    assert problem.got == "a second suite named 'retention'"
    assert problem.do == "give the suite a `name`"
    assert load(write(tmp_path, text), ["base=org/model"]).recipe.base.name == "org/model"


def test_overrides_set_keys_blocks_and_list_entries(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("text\na\n", encoding="utf-8")
    overrides = [
        "train.epochs=2",
        "method.rank=8",
        "data.train.0.weight=2",
        "data.train.1=more.csv",
        "evaluate.shots=[0, 8]",
        "train={batch_size: 4}",
        "name=",
        "data.system=You are kind: always.",
    ]
    path = write(tmp_path, GOOD + "method: lora\n")
    with pytest.raises(ConfigError, match=r"override data\.system="):
        load(path, overrides)
    recipe = load(path, [*overrides[:-1], 'data.system="You are kind: always."']).recipe
    assert recipe.method == LoraConfig(rank=8, alpha=16)
    assert recipe.data.train == [
        SourceConfig(path="rows.jsonl", weight=2),
        SourceConfig(path="more.csv"),
    ]
    assert recipe.evaluate.shots == [0, 8]
    assert (recipe.train.batch_size, recipe.train.epochs) == (4, 3.0)
    assert recipe.data.system == "You are kind: always."


def test_an_override_may_change_the_method(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "method: lora\n")
    assert load(path, ["method=full"]).recipe.method == FullConfig()
    assert load(path, ["seed=1"]).recipe.seed == 1


def test_problems_of_overrides_name_the_override(tmp_path: Path) -> None:
    problems = find_problems(
        tmp_path, GOOD, "train.epoch=2", "seed=-1", "data.train.5=x.csv", "epochs", "name=[a", "=3"
    )
    assert [(problem.file, problem.line) for problem in problems] == [
        ("override data.train.5=x.csv", None),
        ("override", None),
        ("override name=[a", None),
        ("override", None),
        ("override train.epoch=2", None),
        ("override seed=-1", None),
    ]
    assert str(problems[4]).endswith("do write epochs")


def test_paths_start_at_the_given_folder(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    inner = tmp_path / "runs"
    inner.mkdir()
    copy = inner / "recipe.yaml"
    copy.write_text(GOOD)
    with pytest.raises(ConfigError):
        load(copy)
    assert load(copy, base_dir=tmp_path).base_dir == tmp_path


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    (tmp_path / "rows.jsonl").chmod(0)
    if os.access(tmp_path / "rows.jsonl", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(ConfigError, match="may not read"):
        load(path)
