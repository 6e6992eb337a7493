"""Rows that come and go, each with its own adapter: the answers of the local engine alone."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from byte_models import make_model, make_prompts
from peft import LoraConfig, PeftModel, get_peft_model
from small_models import make_model as make_small

from assay.chat import ChatTokenizer
from assay.errors import CheckpointError, GenerationError
from assay.generate import Sampling
from assay.generate.live import Extended, LiveBatch, LiveRow
from assay.generate.local import LocalEngine
from assay.generate.schema import Schema
from assay.models.low_rank import LowRank, load_low_rank

SETTINGS = [
    Sampling(max_new_tokens=14),
    Sampling(max_new_tokens=9, temperature=0.8, seed=5),
    Sampling(max_new_tokens=14, temperature=1.3, top_p=0.7, seed=6),
]
KINDS_OF_ADAPTER: list[dict[str, Any]] = [
    {"r": 3, "lora_alpha": 9, "target_modules": ["q_proj", "v_proj", "down_proj"]},
    {"r": 5, "lora_alpha": 5, "target_modules": "all-linear", "use_rslora": True},
    {
        "r": 2,
        "lora_alpha": 6,
        "target_modules": ["o_proj", "gate_proj"],
        "alpha_pattern": {"layers.0.self_attn.o_proj": 14},
        "rank_pattern": {"gate_proj": 4},
    },
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Adapters of three kinds, in PEFT's layout, each far from nothing."""
    made = []
    for number, options in enumerate(KINDS_OF_ADAPTER):
        torch.manual_seed(number)
        adapted = get_peft_model(make_model(), LoraConfig(task_type="CAUSAL_LM", **options))
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.3)
        made.append(tmp_path_factory.mktemp(f"adapter{number}"))
        adapted.save_pretrained(made[-1])
    return made


def drive(
    batch: LiveBatch, waiting: list[LiveRow], *, rng: random.Random, most: int = 4
) -> dict[int, list[Extended]]:
    """Run all rows, at most `most` at a time, new ones at any time; what came of each."""
    told: dict[int, list[Extended]] = {id(live): [] for live in waiting}
    waiting = list(waiting)
    while waiting or batch.rows:
        free = min(most - len(batch.rows), rng.randint(0, 2), len(waiting))
        fresh, waiting = waiting[:free], waiting[free:]
        for one in [*batch.admit(fresh), *batch.step()]:
            told[id(one.live)].append(one)
    return told


def test_rows_with_adapters_of_their_own_answer_as_each_does_alone(
    tokenizer: ChatTokenizer, folders: list[Path]
) -> None:
    prompts = make_prompts(6)
    batch = LiveBatch(make_model(), tokenizer, context_len=256)
    adapters: list[LowRank | None] = [None]
    adapters += [load_low_rank(folder, folder.name) for folder in folders]
    asked = [(i, p, s) for i in range(len(adapters)) for p in prompts for s in SETTINGS]
    random.Random(2).shuffle(asked)
    rows = [batch.begin(prompt, s, adapter=adapters[i]) for i, prompt, s in asked]
    drive(batch, rows, rng=random.Random(1), most=7)
    for number, adapter in enumerate(adapters):
        model = make_model()
        if adapter is not None:
            model = PeftModel.from_pretrained(model, folders[number - 1]).get_base_model()
        engine = LocalEngine(model, tokenizer, context_len=256)
        for live, (i, prompt, sampling) in zip(rows, asked, strict=True):
            if i == number:
                (alone,) = engine.generate([prompt], sampling)
                assert live.row.token_ids == alone.token_ids
                told = [one.logprob for one in live.row.drawn]
                assert told == pytest.approx(alone.logprobs, abs=2e-3)


def test_adapters_beyond_those_kept_side_by_side_change_nothing(
    tokenizer: ChatTokenizer, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.generate.row_adapters.KEPT", 1)
    prompt = make_prompts(1)[0]
    batch = LiveBatch(make_model(), tokenizer, context_len=256)
    adapters = [load_low_rank(folder, folder.name) for folder in folders]
    together = [batch.begin(prompt, SETTINGS[0], adapter=one) for one in adapters]
    drive(batch, together, rng=random.Random(0))
    for live, adapter in zip(together, adapters, strict=True):
        alone = LiveBatch(make_model(), tokenizer, context_len=256)
        row = alone.begin(prompt, SETTINGS[0], adapter=adapter)
        drive(alone, [row], rng=random.Random(0))
        assert live.row.token_ids == row.row.token_ids
    assert len({tuple(live.row.token_ids) for live in together}) > 1


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_a_known_beginning_is_not_computed_again_and_changes_nothing(
    tokenizer: ChatTokenizer, kind: str
) -> None:
    rng = random.Random(4)
    begun = [rng.randrange(256) for _ in range(53)]
    prompts = [begun + [rng.randrange(256) for _ in range(n)] for n in (1, 9, 30)] + [begun]
    engine = LocalEngine(make_model(kind), tokenizer, context_len=256)
    batch = LiveBatch(make_model(kind), tokenizer, context_len=256, prefix_bytes=1 << 20)
    for prompt in prompts:
        live = batch.begin(prompt, SETTINGS[0])
        drive(batch, [live], rng=rng)
        assert live.row.token_ids == engine.generate([prompt], SETTINGS[0])[0].token_ids
        assert live.num_known == (0 if prompt is prompts[0] else 48)


def test_what_one_owner_or_adapter_computed_serves_no_other(
    tokenizer: ChatTokenizer, folders: list[Path]
) -> None:
    batch = LiveBatch(make_model(), tokenizer, context_len=256, prefix_bytes=1 << 20)
    adapter = load_low_rank(folders[0], "one")
    prompt = list(range(40))
    known = []
    for owner, own in [("a", None), ("b", None), ("a", adapter), ("a", None), ("a", adapter)]:
        live = batch.begin(prompt, SETTINGS[0], owner=owner, adapter=own)
        drive(batch, [live], rng=random.Random(0))
        known.append(live.num_known)
    assert known == [0, 0, 0, 32, 32]


def test_equal_prompts_of_one_step_are_computed_once_and_drawn_apart(
    tokenizer: ChatTokenizer,
) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=1.0, seed=9)
    prompt = make_prompts(1)[0]
    batch = LiveBatch(make_model(), tokenizer, context_len=256)
    rows = [batch.begin(prompt, sampling, place=place) for place in range(3)]
    batch.admit(rows)
    while batch.rows:
        batch.step()
    engine = LocalEngine(make_model(), tokenizer, context_len=256)
    alone = engine.generate([prompt] * 3, sampling)
    assert [live.row.token_ids for live in rows] == [one.token_ids for one in alone]


def test_stop_strings_and_schemas_hold_beside_rows_without(tokenizer: ChatTokenizer) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    engine = LocalEngine(make_model(), tokenizer, context_len=256)
    prompt = make_prompts(2)[1]
    (free,) = engine.generate([prompt], SETTINGS[0])
    stop = free.text[4:6]
    settings = [
        Sampling(max_new_tokens=40, json_schema=schema),
        Sampling(max_new_tokens=14, stop=(stop,)),
        SETTINGS[0],
    ]
    batch = LiveBatch(make_model(), tokenizer, context_len=256)
    guide = Schema(schema, tokenizer, tokenizer.eos_ids).begin()
    guides = [guide, None, None]
    rows = [batch.begin(prompt, s, guide=g) for s, g in zip(settings, guides, strict=True)]
    drive(batch, rows, rng=random.Random(3))
    for live, sampling in zip(rows, settings, strict=True):
        (alone,) = engine.generate([prompt], sampling)
        assert live.row.token_ids == alone.token_ids
    assert rows[1].row.text == free.text[:4]


def test_the_likeliest_tokens_are_those_of_the_distribution(tokenizer: ChatTokenizer) -> None:
    batch = LiveBatch(make_model(), tokenizer, context_len=256)
    prompt = make_prompts(1)[0]
    live = batch.begin(prompt, SETTINGS[0], num_top=5)
    (told,) = batch.admit([live])
    engine = LocalEngine(make_model(), tokenizer, context_len=256)
    expected = engine.next_logprobs([prompt])[0].topk(5)
    assert [one for one, _ in told.top] == expected.indices.tolist()
    assert [one for _, one in told.top] == pytest.approx(expected.values.tolist(), abs=1e-3)
    assert told.drawn is not None and told.drawn.token_id == told.top[0][0]


def test_rows_that_are_removed_leave_the_others_as_they_are(tokenizer: ChatTokenizer) -> None:
    prompts = make_prompts(5)
    batch = LiveBatch(make_model(), tokenizer, context_len=256)
    rows = [batch.begin(prompt, SETTINGS[0]) for prompt in prompts]
    batch.admit(rows)
    batch.step()
    batch.remove([rows[0], rows[3]])
    while batch.rows:
        batch.step()
    engine = LocalEngine(make_model(), tokenizer, context_len=256)
    for place in (1, 2, 4):
        (alone,) = engine.generate([prompts[place]], SETTINGS[0])
        assert rows[place].row.token_ids == alone.token_ids
    assert len(rows[0].row.drawn) == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"use_dora": True}, "use_dora"), ({"bias": "all"}, "bias all")],
)
def test_adapters_that_are_more_than_low_rank_are_refused_by_reason(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    config = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"], **options)
    get_peft_model(make_model(), config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=reason):
        load_low_rank(tmp_path, "odd")


def test_an_adapter_of_another_base_and_a_model_that_is_no_decoder_are_refused(
    tokenizer: ChatTokenizer, tmp_path: Path
) -> None:
    config = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"])
    get_peft_model(make_small("llama"), config).save_pretrained(tmp_path)
    adapter = load_low_rank(tmp_path, "other")
    wide = LowRank(
        "wide",
        {name.replace("layers.1", "layers.7"): u for name, u in adapter.updates.items()},
    )
    batch = LiveBatch(make_model(), tokenizer)
    with pytest.raises(GenerationError, match=r"layers\.7"):
        batch.begin([1], SETTINGS[0], adapter=wide)
    with pytest.raises(GenerationError, match="token by token"):
        LiveBatch(make_small("gpt2"), tokenizer)
