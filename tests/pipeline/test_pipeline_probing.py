"""Probes in a run: the base behind the tuned model, what is kept, and what is redone."""

import torch

from assay.evaluate import probes
from assay.evaluate.compare import Resampling
from assay.evaluate.probes import Asked, Probed, Reading
from assay.generate.local import LocalEngine
from assay.models.adapters import add_lora, save_adapter
from assay.models.base import find_base, load_model
from assay.pipeline import probing
from assay.runs.base_results import BaseResults

PROMPT = [1, 5, 9, 12]


class Loss:
    """Reads a loss of both models."""

    name = "loss"

    def __init__(self):
        self.calls = 0

    def measure(self, asked: Asked) -> Probed:
        self.calls += 1

        def compute():
            return asked.engine.score([(PROMPT, [0.0, 1.0, 1.0, 1.0])])[0].sum_logprob

        base, tuned = asked.both("loss", PROMPT, compute)
        return Probed([Reading("only", base, tuned, detail={"prompt": PROMPT})], statistic=tuned)


def tune(base):
    """The base with an adapter that changes what it says, and the PEFT model around it."""
    wrapped = add_lora(load_model(base), rank=2, alpha=4)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.2, generator=torch.Generator().manual_seed(1))
    return wrapped


def test_a_probe_sees_both_models_and_is_kept_until_the_weights_change(
    small_base, tmp_path, monkeypatch
):
    base = find_base(str(small_base))
    wrapped = tune(base)
    engine = LocalEngine(wrapped.get_base_model(), base.tokenizer)
    save_adapter(wrapped, tmp_path / "adapter", tokenizer_folder=base.tokenizer_files)
    probe = Loss()
    monkeypatch.setitem(probes.PROBES, "loss", probe)
    asked = Asked(
        engine=engine,
        as_base=lambda: probing.as_base(engine, base, whole=False),
        remember=BaseResults(tmp_path / "cache", ("base",)).remember,
        tokenizer=base.tokenizer,
        context_len=base.context_len,
    )

    def run():
        return probing.run_probes(asked, ["loss"], tmp_path / "probes", tuned=tmp_path / "adapter")[
            "loss"
        ]

    first = run()
    plain = LocalEngine(load_model(base), base.tokenizer)
    alone = plain.score([(PROMPT, [0.0, 1.0, 1.0, 1.0])])[0].sum_logprob
    assert abs(first.readings[0].base - alone) < 1e-5
    assert abs(first.readings[0].tuned - alone) > 1e-3
    assert run().to_dict() == first.to_dict() and run().readings == first.readings
    assert probe.calls == 1
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    run()
    assert probe.calls == 2
    summary = probing.summarise_probes({"loss": first}, Resampling())["loss"]
    assert summary["n"] == 1 and summary["statistic"] == first.statistic


def test_a_wholly_tuned_model_gives_way_to_its_base_for_a_while(small_base):
    base = find_base(str(small_base))
    tuned = load_model(base)
    with torch.no_grad():
        tuned.model.embed_tokens.weight.mul_(1.5)
    engine = LocalEngine(tuned, base.tokenizer)
    masks = [(PROMPT, [0.0, 1.0, 1.0, 1.0])]
    plain = LocalEngine(load_model(base), base.tokenizer).score(masks)
    with probing.as_base(engine, base, whole=True):
        assert engine.score(masks) == plain
    assert engine.model is tuned and engine.score(masks) != plain
