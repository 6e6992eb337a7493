"""The local engine on a byte-level tokenizer: text in pieces, room, windows, distributions."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.generate import Sampling
from assay.generate.local import LocalEngine

SHAPE: dict[str, Any] = {
    "vocab_size": 258,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": 256,
    "pad_token_id": 257,
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    """One token a byte, so that most characters are several tokens; 256 ends, 257 pads."""
    folder = tmp_path_factory.mktemp("bytes")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens([AddedToken(t, special=True) for t in ("<end>", "<pad>")])
    backend.save(str(folder / "tokenizer.json"))
    config = {"eos_token": "<end>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return load_chat_tokenizer(folder)


def make_model(kind: str = "llama", *, sharpness: float = 30.0) -> Any:
    torch.manual_seed(0)
    if kind == "llama":
        model: Any = LlamaForCausalLM(LlamaConfig(**SHAPE))
    else:
        model = MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=7))
    with torch.no_grad():
        model.lm_head.weight.mul_(sharpness)
        for name, parameter in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                parameter.mul_(8)  # attention that is not even, so that a wrong mask shows
    return model.eval()


def make_prompts(num: int = 7) -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(1, 25, (num,), generator=generator).tolist()
    return [torch.randint(256, (n,), generator=generator).tolist() for n in lengths]


class Recital(torch.nn.Module):
    """A model that recites: after `n` tokens in its cache it is sure of ``text[n]``."""

    def __init__(self, text: list[int]) -> None:
        super().__init__()
        self.text = text
        self.config = LlamaConfig(**SHAPE)
        self.table = torch.nn.Embedding(258, 1)

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.table

    def forward(self, position_ids: torch.Tensor, **kwargs: Any) -> Any:
        logits = torch.zeros(len(position_ids), 1, 258)
        for row, last in enumerate(position_ids[:, -1].tolist()):
            logits[row, 0, self.text[last]] = 50.0
        return type("Output", (), {"logits": logits})


@pytest.mark.parametrize(
    "text",
    ["plain", "Grüße, 東京 and 🙂🙂!", "ends in 🙂", "ends inside \N{REPLACEMENT CHARACTER}", ""],
)
def test_streamed_characters_come_whole_and_join_to_the_text(
    tokenizer: ChatTokenizer, text: str
) -> None:
    ids = tokenizer.encode(text)
    engine = LocalEngine(Recital([*ids, 256]), tokenizer)
    sampling = Sampling(max_new_tokens=200)
    pieces = list(engine.stream([65], sampling))
    generation = engine.generate([[65]], sampling)[0]
    assert generation.token_ids == ids
    assert generation.finish_reason == "stop"
    assert "".join(pieces) == generation.text == text
    assert all(character in text for piece in pieces for character in piece)


def test_a_stream_cut_inside_a_character_still_joins(tokenizer: ChatTokenizer) -> None:
    ids = tokenizer.encode("ab🙂")
    engine = LocalEngine(Recital([*ids, 256]), tokenizer)
    sampling = Sampling(max_new_tokens=4)
    generation = engine.generate([[65]], sampling)[0]
    assert generation.finish_reason == "length"
    assert "".join(engine.stream([65], sampling)) == generation.text
    assert generation.text.startswith("ab")


def test_random_bytes_stream_to_the_same_text(tokenizer: ChatTokenizer) -> None:
    """A random model writes broken UTF-8 all the time."""
    engine = LocalEngine(make_model(), tokenizer)
    for seed in range(6):
        sampling = Sampling(max_new_tokens=30, temperature=1.5, seed=seed)
        text = engine.generate([[65, 66]], sampling)[0].text
        assert "".join(engine.stream([65, 66], sampling)) == text


@pytest.mark.parametrize("kind", ["llama", "mistral with a window"])
def test_greedy_equals_transformers_and_batches_change_nothing(
    tokenizer: ChatTokenizer, kind: str
) -> None:
    """Completions outgrow the window, and rows leave the batch at different times."""
    model, prompts = make_model(kind), make_prompts()
    free = LocalEngine(model, tokenizer, batch_size=1).generate(
        prompts, Sampling(max_new_tokens=14)
    )
    stop = Counter(t for g in free for t in g.token_ids).most_common(1)[0][0]
    sampling = Sampling(max_new_tokens=14, stop_ids=(stop, 256))
    many = LocalEngine(model, tokenizer, batch_size=7).generate(prompts, sampling)
    for prompt, generation in zip(prompts, many, strict=True):
        ids = torch.tensor([prompt])
        full = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=14,
            do_sample=False,
            eos_token_id=[stop, 256],
            pad_token_id=257,
        )[0, len(prompt) :].tolist()
        stopped = full[-1] in (stop, 256)
        assert generation.token_ids == (full[:-1] if stopped else full)
        assert generation.finish_reason == ("stop" if stopped else "length")
    assert len({g.finish_reason for g in many}) == 2, "the example shows both ends"


def test_logprobs_are_those_of_the_plain_forward_pass(tokenizer: ChatTokenizer) -> None:
    model = make_model(sharpness=5.0)
    prompts = make_prompts()
    sampling = Sampling(max_new_tokens=6, temperature=0.7, top_p=0.9, seed=4, stop_ids=(256,))
    for prompt, generation in zip(
        prompts, LocalEngine(model, tokenizer).generate(prompts, sampling), strict=True
    ):
        ids = prompt + generation.token_ids
        with torch.no_grad():
            logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = [float(logprobs[i - 1, ids[i]]) for i in range(len(prompt), len(ids))]
        assert generation.logprobs == pytest.approx(expected, abs=1e-4)


def test_a_long_neighbour_does_not_cut_a_short_row(tokenizer: ChatTokenizer) -> None:
    """Each row has its own room in a context of 40: 10 tokens after 30, 12 after 4."""
    model = make_model()
    prompts = [[7] * 30, [9] * 4]
    sampling = Sampling(max_new_tokens=12, stop_ids=(256,))
    apart = LocalEngine(model, tokenizer, batch_size=1, context_len=40)
    together = LocalEngine(model, tokenizer, batch_size=2, context_len=40)
    expected = [g.token_ids for g in apart.generate(prompts, sampling)]
    assert [len(ids) for ids in expected] == [10, 12]
    assert [g.token_ids for g in together.generate(prompts, sampling)] == expected


def test_samples_follow_the_model_distribution(tokenizer: ChatTokenizer) -> None:
    """3,000 first tokens against softmax(logits / T) cut to its nucleus, by chi-square."""
    model, num = make_model(sharpness=12.0), 3000
    sampling = Sampling(max_new_tokens=1, temperature=0.8, top_p=0.6, seed=1, stop_ids=(256,))
    engine = LocalEngine(model, tokenizer, batch_size=500)
    drawn = Counter(tuple(g.token_ids) for g in engine.generate([[5, 6, 7]] * num, sampling))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1].double()
    p, order = (logits / 0.8).softmax(-1).sort(descending=True)
    size = int((p.cumsum(0) < 0.6).sum()) + 1
    nucleus = p[:size] / p[:size].sum()
    assert size > 5, "otherwise the example shows nothing"
    tokens = [(t,) if t != 256 else () for t in order[:size].tolist()]
    allowed = dict(zip(tokens, nucleus.tolist(), strict=True))
    assert drawn.keys() <= allowed.keys()
    chi_square = sum((drawn[t] - num * q) ** 2 / (num * q) for t, q in allowed.items())
    # Mean size - 1 and variance 2 (size - 1): five standard deviations.
    assert chi_square < size - 1 + 5 * math.sqrt(2 * (size - 1))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_sample_depends_on_seed_and_place_alone(
    tokenizer: ChatTokenizer, batch_size: int
) -> None:
    model, prompts = make_model(sharpness=5.0), make_prompts() + [[65, 66]] * 2
    sampling = Sampling(max_new_tokens=9, temperature=1.0, top_p=0.95, seed=11)
    reference = LocalEngine(model, tokenizer, batch_size=9).generate(prompts, sampling)
    torch.manual_seed(batch_size)  # the global generator has no say
    found = LocalEngine(model, tokenizer, batch_size=batch_size).generate(prompts, sampling)
    assert [g.token_ids for g in found] == [g.token_ids for g in reference]
    assert reference[-1].token_ids != reference[-2].token_ids, "equal prompts, different places"
    places = [8, 2, 5]
    part = LocalEngine(model, tokenizer, batch_size=batch_size).generate(
        [prompts[place] for place in places], sampling, places=places
    )
    assert [g.token_ids for g in part] == [reference[place].token_ids for place in places]


def test_no_token_asked_for_gives_none_and_progress_is_told(tokenizer: ChatTokenizer) -> None:
    told: list[tuple[int, int]] = []
    engine = LocalEngine(make_model(), tokenizer, batch_size=3)
    found = engine.generate(
        make_prompts(), Sampling(max_new_tokens=0), lambda done, total: told.append((done, total))
    )
    assert [(g.token_ids, g.text, g.finish_reason) for g in found] == [([], "", "length")] * 7
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_the_training_mode_comes_back_even_when_a_stream_is_left(tokenizer: ChatTokenizer) -> None:
    model = make_model().train()
    engine = LocalEngine(model, tokenizer)
    stream: Iterator[str] = engine.stream([65], Sampling(max_new_tokens=9, stop_ids=(256,)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert model.training
    engine.generate([[65]], Sampling(max_new_tokens=2))
    assert model.training
    engine.score([([1, 2, 3], [1.0, 1.0, 1.0])])
    assert model.training


@pytest.mark.parametrize("kind", ["llama", "mistral with a window"])
def test_scores_of_many_sequences_are_those_of_each(tokenizer: ChatTokenizer, kind: str) -> None:
    """Over several packed batches, with weights, and with rows that have nothing to score."""
    model = make_model(kind, sharpness=5.0)
    generator = torch.Generator().manual_seed(1)
    rows: list[tuple[list[int], list[float]]] = [([5], [1.0]), ([5, 6, 7], [1.0, 0.0, 0.0])]
    for length in torch.randint(2, 250, (60,), generator=generator).tolist():
        ids = torch.randint(256, (length,), generator=generator).tolist()
        mask = (torch.randint(0, 5, (length,), generator=generator) / 2).tolist()
        rows.append((ids, mask))
    assert sum(len(ids) for ids, _ in rows) > 4096, "more than one packed batch"
    for (ids, mask), score in zip(rows, LocalEngine(model, tokenizer).score(rows), strict=True):
        with torch.no_grad():
            logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = sum(mask[i] * float(logprobs[i - 1, ids[i]]) for i in range(1, len(ids)))
        assert score.sum_logprob == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert score.weight == sum(mask[1:])
    assert LocalEngine(model, tokenizer).score([]) == []


def test_score_leaves_the_models_own_attention(tokenizer: ChatTokenizer) -> None:
    model = make_model()
    before = model.config._attn_implementation
    LocalEngine(model, tokenizer).score([([1, 2], [0.0, 1.0])])
    assert model.config._attn_implementation == before
