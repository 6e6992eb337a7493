"""What losses of preference pairs are given: how likely both answers of each pair are.

Shape legend: P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Log-probabilities of the chosen and the rejected answer of P pairs, float32, in nats.

    Attributes:
        chosen_logprobs_P, rejected_logprobs_P: sums over the answer's tokens under the model.
        ref_chosen_logprobs_P, ref_rejected_logprobs_P: the same under the reference, without
            gradient; zeros where a loss has none.
        num_chosen_P, num_rejected_P: tokens of each answer, float32, at least 1.
    """

    chosen_logprobs_P: Tensor
    rejected_logprobs_P: Tensor
    ref_chosen_logprobs_P: Tensor
    ref_rejected_logprobs_P: Tensor
    num_chosen_P: Tensor
    num_rejected_P: Tensor

    @property
    def chosen_logratios_P(self) -> Tensor:
        """``log π(y_w|x) / π_ref(y_w|x)``."""
        return self.chosen_logprobs_P - self.ref_chosen_logprobs_P

    @property
    def rejected_logratios_P(self) -> Tensor:
        """``log π(y_l|x) / π_ref(y_l|x)``."""
        return self.rejected_logprobs_P - self.ref_rejected_logprobs_P

    @property
    def margins_P(self) -> Tensor:
        """``log π(y_w|x) / π_ref(y_w|x) - log π(y_l|x) / π_ref(y_l|x)``."""
        return self.chosen_logratios_P - self.rejected_logratios_P

    def per_token(self) -> Pairs:
        """The same with means over tokens in the places of sums."""
        return replace(
            self,
            chosen_logprobs_P=self.chosen_logprobs_P / self.num_chosen_P,
            rejected_logprobs_P=self.rejected_logprobs_P / self.num_rejected_P,
            ref_chosen_logprobs_P=self.ref_chosen_logprobs_P / self.num_chosen_P,
            ref_rejected_logprobs_P=self.ref_rejected_logprobs_P / self.num_rejected_P,
        )
