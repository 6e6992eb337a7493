"""AOT: margins in order of size beside the reference's, for a whole step, as TRL for a batch."""

from functools import partial
from typing import Any

import pytest
import torch
from methods import gradients
from pair_rows import build_plainly, make_pairs
from small_models import make_model

from assay.data.pack import pack_lengths
from assay.data.portions import build_answer_batch
from assay.losses.dpo import compute_sigmoid
from assay.losses.single_rewards import compute_halves
from assay.models.forward import packed_mode
from assay.train.preference import PreferenceLoss
from assay.train.ranks import Ranks
from assay.train.sorted_pairs import SortedPairsLoss, _gather

SMOOTHING = 0.1


def compute_by_hand(model: Any, rows: list[Any]) -> torch.Tensor:
    """As TRL has it: both sorted, and the differences through the sigmoid."""
    pairs = build_plainly(model, rows)
    margins, _ = torch.sort(pairs.chosen_logprobs_P - pairs.rejected_logprobs_P)
    refs, _ = torch.sort(pairs.ref_chosen_logprobs_P - pairs.ref_rejected_logprobs_P)
    gaps = 0.3 * (margins - refs)
    plain = torch.nn.functional.logsigmoid
    return (-(1 - SMOOTHING) * plain(gaps) - SMOOTHING * plain(-gaps)).sum()


def compare_unpaired(model: Any, rows: list[Any]) -> torch.Tensor:
    """As TRL has it: log-ratios of both kinds sorted, and their differences."""
    pairs = build_plainly(model, rows)
    chosen, _ = torch.sort(pairs.chosen_logratios_P)
    rejected, _ = torch.sort(pairs.rejected_logratios_P)
    gaps = 0.3 * (chosen - rejected)
    plain = torch.nn.functional.logsigmoid
    return (-(1 - SMOOTHING) * plain(gaps) - SMOOTHING * plain(-gaps)).sum()


@pytest.mark.parametrize("budget", [1, 10_000])
def test_answers_are_compared_whatever_pair_they_are_of(budget: int) -> None:
    rows, packed, plain = make_pairs(9), make_model(), make_model()
    expected = compare_unpaired(plain, rows)
    expected.backward()  # type: ignore[no-untyped-call]
    compute = partial(compute_halves, beta=0.3, label_smoothing=SMOOTHING)
    loss = SortedPairsLoss(PreferenceLoss(compute, beta=0.3), is_paired=False)
    bins = pack_lengths([row.num_tokens for row in rows], token_budget=budget)
    batches = [build_answer_batch([rows[i] for i in own]) for own in bins]
    with packed_mode(packed):
        loss.begin_step(packed, batches)
        total = sum(loss(packed, batch) for batch in batches)
        assert isinstance(total, torch.Tensor)
        total.backward()  # type: ignore[no-untyped-call]
    assert float(total.detach()) == pytest.approx(float(expected.detach()), abs=1e-4)
    ours, theirs = gradients(packed), gradients(plain)
    assert max(float((ours[n] - theirs[n]).abs().max()) for n in theirs) < 1e-4


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_a_step_is_that_of_the_equation_however_it_is_split(budget: int) -> None:
    rows, packed, plain = make_pairs(9), make_model(), make_model()
    expected = compute_by_hand(plain, rows)
    expected.backward()  # type: ignore[no-untyped-call]
    compute = partial(compute_sigmoid, beta=0.3, label_smoothing=SMOOTHING)
    loss = SortedPairsLoss(PreferenceLoss(compute, beta=0.3))
    bins = pack_lengths([row.num_tokens for row in rows], token_budget=budget)
    batches = [build_answer_batch([rows[i] for i in own]) for own in bins]
    with packed_mode(packed):
        loss.begin_step(packed, batches)
        total = sum(loss(packed, batch) for batch in batches)
        assert isinstance(total, torch.Tensor)
        total.backward()  # type: ignore[no-untyped-call]
    assert float(total.detach()) == pytest.approx(float(expected.detach()), abs=1e-4)
    ours, theirs = gradients(packed), gradients(plain)
    assert max(float((ours[n] - theirs[n]).abs().max()) for n in theirs) < 1e-4
    own = PreferenceLoss(compute, beta=0.3)
    with packed_mode(packed), torch.no_grad():
        unsorted = sum(float(own(packed, batch)) for batch in batches)
    assert abs(unsorted - float(expected.detach())) > 1e-2, "the order matters here"


def test_numbers_of_all_ranks_stand_in_order() -> None:
    parts = {0: [3.0, 1.0], 1: [], 2: [2.0]}

    class Told(Ranks):
        """The sums that the ranks would come to, each of which is asked in turn."""

        asked = 0

        def sum(self, *values: float) -> tuple[float, ...]:
            self.asked += 1
            return (2.0, 0.0, 1.0) if self.asked == 1 else (3.0, 1.0, 2.0)

    for rank, own in parts.items():
        every, start = _gather(own, Told(rank, 3))
        assert every == [3.0, 1.0, 2.0]
        assert every[start : start + len(own)] == own
