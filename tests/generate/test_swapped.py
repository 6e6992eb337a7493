"""A model in training that a server completes for: its adapters as they are when it is asked."""

from pathlib import Path
from typing import Any

import pytest
import torch
from byte_models import make_model, make_prompts

from assay.chat import ChatTokenizer
from assay.errors import ConfigError
from assay.generate import Sampling
from assay.generate.local import LocalEngine
from assay.generate.remote import Endpoint, RemoteModel
from assay.generate.swapped import SwappedEngine
from assay.generate.vllm import VllmEngine
from assay.models.adapters import add_lora, load_adapter
from fake_vllm import serving

SAMPLING = Sampling(6, temperature=1.0, seed=3, stop_ids=(256,))


def add(model: Any, **options: Any) -> Any:
    torch.manual_seed(4)
    return add_lora(model, rank=2, alpha=8, **options)


def move(model: Any) -> None:
    """Another adapter, as a few steps would leave it."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, one in model.named_parameters():
            if "lora_B" in name:
                one.add_(torch.randn(one.shape, generator=generator))


@pytest.mark.parametrize("flavours", [(), ("rslora",), ("pissa",)])
def test_the_server_completes_as_the_model_does_now(
    tokenizer: ChatTokenizer, tmp_path: Path, flavours: tuple[str, ...]
) -> None:
    model = add(make_model(sharpness=5.0), flavours=flavours).get_base_model()
    local, prompts = LocalEngine(model, tokenizer), make_prompts()

    def load(folder: Path) -> LocalEngine:
        plain = make_model(sharpness=5.0)
        return LocalEngine(load_adapter(plain, folder).get_base_model(), tokenizer)

    with serving(LocalEngine(make_model(sharpness=5.0), tokenizer), load) as fake:
        remote = VllmEngine(RemoteModel(Endpoint(fake.url, "base")), tokenizer)
        engine = SwappedEngine(remote, model, tmp_path / "served")
        first = engine.generate(prompts, SAMPLING)
        assert [g.token_ids for g in first] == [
            g.token_ids for g in local.generate(prompts, SAMPLING)
        ]
        move(model)
        second = engine.generate(prompts, SAMPLING)
        again = engine.generate(prompts, SAMPLING)
        expected = local.generate(prompts, SAMPLING)
        for one, other, third in zip(second, expected, again, strict=True):
            assert one.token_ids == other.token_ids == third.token_ids
            assert one.sampled_logprobs == pytest.approx(other.sampled_logprobs, abs=1e-4)
        assert [g.token_ids for g in first] != [g.token_ids for g in second]
        loads = [asked["lora_name"] for path, asked in fake.asked if path == "load_lora_adapter"]
        assert loads == ["assay-1", "assay-2"], "nothing is sent that is there already"
        assert [one.name for one in (tmp_path / "served").iterdir()] == ["2"]
        engine.close()
        assert set(fake.engines) == {"base"}
        assert not (tmp_path / "served").exists()


@pytest.mark.parametrize("is_adapted", [True, False])
def test_what_the_server_cannot_load_is_refused(
    tokenizer: ChatTokenizer, tmp_path: Path, is_adapted: bool
) -> None:
    model = make_model(sharpness=5.0)
    if is_adapted:
        model = add(model, flavours=("dora",)).get_base_model()
    base = LocalEngine(make_model(sharpness=5.0), tokenizer)
    with serving(base, lambda folder: base) as fake:
        remote = VllmEngine(RemoteModel(Endpoint(fake.url, "base")), tokenizer)
        engine = SwappedEngine(remote, model, tmp_path)
        with pytest.raises(ConfigError, match="lora_magnitude" if is_adapted else "no LoRA"):
            engine.generate(make_prompts(), SAMPLING)
        assert not fake.asked
