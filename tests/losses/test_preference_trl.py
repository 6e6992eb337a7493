"""Preference losses equal TRL's own code on the same log-probabilities, value and gradient."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from assay.losses import dpo, ipo, kto, reference_free, single_rewards
from assay.losses.pairs import Pairs

NUM_CHOSEN, NUM_REJECTED = (3, 5, 2, 7), (4, 2, 6, 7)
WIDTH = 8
PROMPT = 2


def draw_logprobs(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Per-token log-probabilities, chosen answers first, and the tokens that count; padded."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([*NUM_CHOSEN, *NUM_REJECTED])
    mask = torch.arange(WIDTH)[None, :] < lengths[:, None]
    logprobs = -torch.rand(len(lengths), WIDTH, generator=generator) * 2
    return logprobs * mask, mask


def build_pairs(logprobs: torch.Tensor, refs: torch.Tensor, tail: float = 1.0) -> Pairs:
    """Our view of the same; with `tail`, tokens beyond the shorter answer weigh that."""
    shared = torch.minimum(torch.tensor(NUM_CHOSEN), torch.tensor(NUM_REJECTED)).repeat(2)
    weights = torch.where(torch.arange(WIDTH)[None, :] < shared[:, None], 1.0, tail)
    sums, ref_sums = (logprobs * weights).sum(1), (refs * weights).sum(1)
    return Pairs(
        *sums.chunk(2),
        *ref_sums.chunk(2),
        torch.tensor(NUM_CHOSEN, dtype=torch.float32),
        torch.tensor(NUM_REJECTED, dtype=torch.float32),
    )


def run_trl(
    logprobs: torch.Tensor, refs: torch.Tensor, mask: torch.Tensor, **settings: Any
) -> torch.Tensor:
    """The loss of TRL's DPOTrainer, whose model gives these log-probabilities."""
    pytest.importorskip("trl")
    from trl import DPOTrainer

    # TRL's sequences begin with a prompt of which the first token is never predicted.
    before = torch.zeros(len(logprobs), PROMPT - 1)

    def answer(values: torch.Tensor) -> Any:
        padded = torch.cat([before.to(values.dtype), values], 1)
        zeros = torch.zeros_like(padded)
        return SimpleNamespace(
            log_probs=padded, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool()
        )

    accelerator = SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x)
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=accelerator,
        aux_loss_enabled=False,
        precompute_ref_logps=True,
        ld_alpha=settings.get("ld_alpha"),
        f_divergence_type="reverse_kl",
        loss_types=[settings["loss"]],
        loss_weights=[1.0],
        beta=settings["beta"],
        label_smoothing=settings.get("label_smoothing", 0.0),
        args=SimpleNamespace(discopop_tau=0.05),
        use_weighting=False,
        _metrics={"train": defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
    )
    whole = torch.cat([torch.zeros(len(mask), PROMPT, dtype=torch.long), mask.long()], 1)
    ref_pairs = build_pairs(refs, refs, settings.get("ld_alpha") or 1.0)
    inputs = {
        "input_ids": torch.ones_like(whole),
        "attention_mask": torch.ones_like(whole),
        "completion_mask": whole,
        "ref_chosen_logps": ref_pairs.chosen_logprobs_P,
        "ref_rejected_logps": ref_pairs.rejected_logprobs_P,
    }
    loss: torch.Tensor = DPOTrainer._compute_loss(
        trainer, lambda **kwargs: answer(logprobs), inputs, return_outputs=False
    )
    return loss


def compare(
    ours: Callable[[torch.Tensor], torch.Tensor], theirs: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Equal value and gradient for every token that counts, to 1e-5."""
    values, gradients = [], []
    _, mask = draw_logprobs()
    for compute in (ours, theirs):
        logprobs = draw_logprobs()[0].requires_grad_()
        loss = compute(logprobs)
        loss.backward()  # type: ignore[no-untyped-call]
        assert logprobs.grad is not None
        values.append(loss.detach())
        gradients.append(logprobs.grad * mask)
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)
    assert float(gradients[0].abs().max()) > 1e-3


CASES: dict[str, tuple[Callable[[Pairs], torch.Tensor], dict[str, Any]]] = {
    "sigmoid": (lambda p: dpo.compute_sigmoid(p, beta=0.3), {"beta": 0.3}),
    "sigmoid_norm": (lambda p: dpo.compute_sigmoid_norm(p, beta=2.0), {"beta": 2.0}),
    "robust": (
        lambda p: dpo.compute_robust(p, beta=0.3, label_smoothing=0.1),
        {"beta": 0.3, "label_smoothing": 0.1},
    ),
    "hinge": (lambda p: dpo.compute_hinge(p, beta=0.3), {"beta": 0.3}),
    "exo_pair": (
        lambda p: dpo.compute_exo(p, beta=0.3, label_smoothing=0.05),
        {"beta": 0.3, "label_smoothing": 0.05},
    ),
    "discopop": (lambda p: dpo.compute_discopop(p, beta=0.1), {"beta": 0.1}),
    "ipo": (lambda p: ipo.compute_ipo(p, beta=0.5), {"beta": 0.5}),
    "nca_pair": (lambda p: single_rewards.compute_nca(p, beta=0.3), {"beta": 0.3}),
    "bco_pair": (lambda p: single_rewards.compute_bco(p, beta=0.3), {"beta": 0.3}),
    "sppo_hard": (lambda p: single_rewards.compute_sppo(p, beta=0.5), {"beta": 0.5}),
    "apo_zero": (lambda p: single_rewards.compute_apo_zero(p, beta=0.3), {"beta": 0.3}),
    "apo_down": (lambda p: single_rewards.compute_apo_down(p, beta=0.3), {"beta": 0.3}),
}


@pytest.mark.parametrize("loss", CASES)
def test_losses_of_a_margin_equal_trl(loss: str) -> None:
    compute, settings = CASES[loss]
    refs, mask = draw_logprobs(1)
    compare(
        lambda logprobs: compute(build_pairs(logprobs, refs)).mean(),
        lambda logprobs: run_trl(logprobs, refs, mask, loss=loss, **settings),
    )


def test_margins_in_order_of_size_equal_trl() -> None:
    """AOT: each pair beside the reference's margin of its own margin's rank."""
    refs, mask = draw_logprobs(1)

    def ours(logprobs: torch.Tensor) -> torch.Tensor:
        pairs = build_pairs(logprobs, refs)
        margins = (pairs.chosen_logprobs_P - pairs.rejected_logprobs_P).detach()
        gaps = pairs.ref_chosen_logprobs_P - pairs.ref_rejected_logprobs_P
        partners = gaps.sort().values[margins.argsort().argsort()]
        other = replace(
            pairs, ref_chosen_logprobs_P=partners, ref_rejected_logprobs_P=torch.zeros(4)
        )
        return dpo.compute_sigmoid(other, beta=0.3, label_smoothing=0.1).mean()

    compare(
        ours,
        lambda logprobs: run_trl(logprobs, refs, mask, loss="aot", beta=0.3, label_smoothing=0.1),
    )


def test_answers_in_order_of_size_equal_trl() -> None:
    """Unpaired AOT: each answer beside the log-ratio of the other kind of its own rank."""
    refs, mask = draw_logprobs(1)

    def ours(logprobs: torch.Tensor) -> torch.Tensor:
        pairs = build_pairs(logprobs, refs)
        chosen, rejected = pairs.chosen_logratios_P.detach(), pairs.rejected_logratios_P.detach()
        below = rejected.sort().values[chosen.argsort().argsort()]
        above = chosen.sort().values[rejected.argsort().argsort()]
        other = replace(
            pairs,
            ref_chosen_logprobs_P=pairs.ref_chosen_logprobs_P + below,
            ref_rejected_logprobs_P=pairs.ref_rejected_logprobs_P + above,
        )
        return single_rewards.compute_halves(other, beta=0.3, label_smoothing=0.1).mean()

    settings = {"loss": "aot_unpaired", "beta": 0.3, "label_smoothing": 0.1}
    compare(ours, lambda logprobs: run_trl(logprobs, refs, mask, **settings))


def test_length_desensitised_dpo_equals_trl() -> None:
    refs, mask = draw_logprobs(1)
    compare(
        lambda logprobs: dpo.compute_sigmoid(build_pairs(logprobs, refs, 0.4), beta=0.3).mean(),
        lambda logprobs: run_trl(logprobs, refs, mask, loss="sigmoid", beta=0.3, ld_alpha=0.4),
    )


def test_reference_free_losses_equal_trl() -> None:
    pytest.importorskip("trl")
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    def run_cpo(logprobs: torch.Tensor, **settings: Any) -> torch.Tensor:
        trainer = SimpleNamespace(
            alpha=0.0, accelerator=SimpleNamespace(device="cpu"), label_smoothing=0.1, **settings
        )
        pairs = build_pairs(logprobs, torch.zeros_like(logprobs))
        pairs = pairs.per_token() if settings["loss_type"] == "simpo" else pairs
        found = CPOTrainer.cpo_loss(trainer, pairs.chosen_logprobs_P, pairs.rejected_logprobs_P)
        return found[0].mean()

    def run_orpo(logprobs: torch.Tensor) -> torch.Tensor:
        trainer = SimpleNamespace(beta=1.0, accelerator=SimpleNamespace(device="cpu"))
        pairs = build_pairs(logprobs, torch.zeros_like(logprobs)).per_token()
        found = ORPOTrainer.odds_ratio_loss(
            trainer, pairs.chosen_logprobs_P, pairs.rejected_logprobs_P
        )
        return -found[0].mean()

    def ours(compute: Callable[[Pairs], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda logprobs: compute(build_pairs(logprobs, torch.zeros_like(logprobs))).mean()

    compare(
        ours(lambda p: reference_free.compute_cpo(p, beta=0.3, label_smoothing=0.1)),
        lambda logprobs: run_cpo(logprobs, loss_type="sigmoid", beta=0.3),
    )
    compare(
        ours(lambda p: reference_free.compute_simpo(p, beta=2.0, gamma=0.5, label_smoothing=0.1)),
        lambda logprobs: run_cpo(logprobs, loss_type="simpo", beta=2.0, simpo_gamma=0.5),
    )
    compare(ours(reference_free.compute_odds_ratio), run_orpo)


@pytest.mark.parametrize("loss", ["kto", "apo_zero_unpaired"])
def test_losses_of_rated_answers_equal_trl(loss: str) -> None:
    pytest.importorskip("trl")
    from trl import KTOTrainer

    refs, mask = draw_logprobs(1)
    wanted = torch.tensor([True, False, True, True, False, False, True, False])
    other_kl, ref_other_kl = torch.rand(8) - 5.0, torch.rand(8) - 6.0

    def run(logprobs: torch.Tensor) -> torch.Tensor:
        padded = torch.cat([torch.zeros(len(mask), PROMPT - 1), logprobs], 1)
        zeros = torch.zeros_like(padded)
        output = SimpleNamespace(log_probs=padded, entropy=zeros, mean_logits=zeros)
        trainer = SimpleNamespace(
            model=SimpleNamespace(training=True),
            accelerator=SimpleNamespace(
                device="cpu", gather_for_metrics=lambda x: x, gather=lambda x: x
            ),
            _compute_kl_logps=lambda model, batch: other_kl,
            aux_loss_enabled=False,
            precompute_ref_logps=True,
            calculate_KL=loss == "kto",
            loss_type=loss,
            beta=0.3,
            desirable_weight=1.5,
            undesirable_weight=0.5,
            _metrics={"train": defaultdict(list)},
            _total_train_tokens=0,
            _tp_size=1,
        )
        whole = torch.cat([torch.zeros(len(mask), PROMPT, dtype=torch.long), mask.long()], 1)
        inputs = {
            "input_ids": torch.ones_like(whole),
            "attention_mask": torch.ones_like(whole),
            "completion_mask": whole,
            "label": wanted,
            "ref_logps": refs.sum(1),
            "ref_KL_logps": ref_other_kl,
        }
        found: torch.Tensor = KTOTrainer._compute_loss(
            trainer, lambda **kwargs: output, inputs, return_outputs=False
        )
        return found

    def ours(logprobs: torch.Tensor) -> torch.Tensor:
        ratios = logprobs.sum(1) - refs.sum(1)
        weights = torch.where(wanted, 1.5, 0.5)
        if loss == "kto":
            kl = kto.estimate_kl(other_kl - ref_other_kl)
            return (weights * kto.compute_kto(ratios, wanted, beta=0.3, kl=kl)).mean()
        return (weights * kto.compute_apo_zero_unpaired(ratios, wanted, beta=0.3)).mean()

    compare(ours, run)
