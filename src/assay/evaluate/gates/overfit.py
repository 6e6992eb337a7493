"""The overfitting gate: training loss against validation loss, and where the best step lay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.evaluate.gates.policy import Thresholds
from assay.evaluate.gates.result import Gap, GateResult, is_finite, not_measured

NAME = "overfit"
_SMALLEST_LOSS = 1e-3
"""In the ratio's denominator: below a milli-nat per token the training loss is rounding."""
_PAST_BEST = 0.02
"""The released weights may be this share worse than the best seen: noise of one evaluation."""


def judge_overfit(
    train: Mapping[str, Any] | None, *, required: bool, thresholds: Thresholds
) -> GateResult:
    """Fails when the released weights learned rows by heart, are past their best, or never gained.

    `train` holds mean losses in nats per trained token of the released weights: `loss_train` and
    `loss_validation`, over `num_validation` rows; and, where known, `loss_validation_best` (lowest
    of all evaluations), `loss_validation_base` (before step 0), `best_step`, `best_epoch`. Fewer
    rows than the policy's `min_items` are no measurement, whatever their loss.

    1. loss_validation > overfit_ratio · loss_train and the gap is above overfit_gap. Both, since a
       ratio of tiny losses and a gap of large ones each happen without harm; validation loss may
       also rise while answers improve (confidence grows on the wrong ones), so the threshold is
       wide and the held-out task gate remains the judge of the answers.
    2. loss_validation more than 2 % above loss_validation_best: a later, worse checkpoint was kept.
    3. loss_validation not below loss_validation_base: on unseen rows, training taught nothing.
    """
    values = dict(train or {})
    gap = _find_gap(values, thresholds)
    if gap is not None:
        return not_measured(NAME, gap, required=required)
    ratio = values["loss_validation"] / max(values["loss_train"], _SMALLEST_LOSS)
    complaint = _find_complaint(values, ratio, thresholds)
    return GateResult(
        name=NAME,
        outcome="fail" if complaint else "pass",
        required=required,
        reason=f"{complaint or 'No overfitting'}: {_describe(values)}"
        f"{'' if complaint else _excuse(values, ratio, thresholds)}.",
        statistic=ratio,
        threshold=thresholds.overfit_ratio,
        n=values["num_validation"],
    )


def _find_gap(values: Mapping[str, Any], thresholds: Thresholds) -> Gap | None:
    """Why the losses are no measurement; None when they are one."""
    count = values.get("num_validation")
    if not is_finite(values.get("loss_train")) or not is_finite(values.get("loss_validation")):
        reason = "The training and validation loss of the released weights are not both known."
        return Gap("missing", reason, count)
    if not isinstance(count, int):
        return Gap("missing", "The number of validation rows is not known.")
    if count < thresholds.min_items:
        asked = thresholds.min_items
        reason = (
            f"Only {count} validation rows; the policy asks for {asked}: add rows, or raise"
            " data.validation_ratio."
        )
        return Gap("too_few_items", reason, count)
    return None


def _find_complaint(values: Mapping[str, Any], ratio: float, thresholds: Thresholds) -> str:
    validation_loss = values["loss_validation"]
    best, base = values.get("loss_validation_best"), values.get("loss_validation_base")
    wide = validation_loss - values["loss_train"] > thresholds.overfit_gap
    if ratio > thresholds.overfit_ratio and wide:
        return "Training rows were learned by heart"
    if is_finite(best) and validation_loss > best + _PAST_BEST * abs(best):
        return f"The released weights are past their best (validation loss {best:.3f})"
    if is_finite(base) and validation_loss >= base:
        return f"Training did not lower the validation loss of the base ({base:.3f})"
    return ""


def _excuse(values: Mapping[str, Any], ratio: float, thresholds: Thresholds) -> str:
    """Why a ratio above its threshold is no failure, where it is none."""
    if ratio <= thresholds.overfit_ratio:
        return ""
    gap = values["loss_validation"] - values["loss_train"]
    return (
        f"; the ratio is above {thresholds.overfit_ratio:g}, but the gap of {gap:.3f} is not above"
        f" {thresholds.overfit_gap:g}"
    )


def _describe(values: Mapping[str, Any]) -> str:
    train_loss, validation_loss = values["loss_train"], values["loss_validation"]
    text = f"loss {train_loss:.3f} on training and {validation_loss:.3f} on validation rows"
    if is_finite(values.get("best_epoch")):
        text += f", best at epoch {values['best_epoch']:g}"
    elif is_finite(values.get("best_step")):
        text += f", best at step {values['best_step']:g}"
    return text
