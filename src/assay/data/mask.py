"""The mask report: what of the data is trained, shown before step 0; it judges nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from assay.data.mask_text import render_marked, split_marked
from assay.data.pathologies import ALL, Pathology, add_twins, find_pathologies, find_untrained_rows
from assay.data.tokens import Tokenized
from assay.errors import DataError, Problem

# Characters of the example that a terminal shows: the last ones, where the answer usually is.
_EXAMPLE_CHARS = 1200
_PERCENTILES = {"min": 0.0, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class MaskReport:
    """Numbers of the loss mask. Shares are ratios from 0 to 1; lengths are in tokens.

    Attributes:
        stop_token_share: share of trained answers that hold a stop token.
        rows_without_trained: rows that train nothing.
        num_untemplated: prompt/completion rows, rendered without the chat template that the base
            has.
        num_anchored: sequences whose answers are not learned: the model is held to its base there.
        num_prompts: sequences that are prompts alone: the model writes what is learned.
        num_truncated: sequences whose beginning was cut off.
        num_dropped: sequences left out, by reason (``too_long``, ``template``).
        length_tokens: min, p50, p90, p95, p99 and max of the sequences.
        example: a rendered row: `record_id`, `plain` with ⟦…⟧ around trained text, and `parts`,
            `{"text", "trained"}` in order, unescaped, for whoever writes HTML.
    """

    num_rows: int
    num_sequences: int
    num_tokens: int
    num_trained_tokens: int
    trained_share: float
    num_turns: int
    num_stopped_turns: int
    stop_token_share: float
    rows_without_trained: int
    num_untemplated: int
    num_anchored: int
    num_prompts: int
    num_truncated: int
    num_dropped: dict[str, int]
    num_straddling_tokens: int
    num_unknown_tokens: int
    max_seq_len: int
    length_tokens: dict[str, int]
    example: dict[str, Any] | None
    findings: list[Pathology]

    @property
    def pathologies(self) -> list[str]:
        """Names of the pathologies found, in the order of `PATHOLOGIES`."""
        return [finding.name for finding in self.findings]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {**asdict(self), "pathologies": self.pathologies}

    def check(self, accept: Sequence[str] = ()) -> None:
        """Refuse pathologies that are not accepted: by name, or by ``all``.

        Raises:
            DataError: each pathology with its numbers and the key that accepts it.
        """
        accepted = add_twins(accept)
        stopping = [one for one in self.findings if not accepted & {one.name, ALL}]
        if stopping:
            raise DataError([_refusal(finding) for finding in stopping])

    def render(self, *, told: Collection[str] = ()) -> str:
        """The report as lines for a terminal, without the pathologies that were `told` before."""
        return "\n".join(_render_lines(self, told))


def mask_report(tokenized: Tokenized) -> MaskReport:
    """Measure the loss mask of tokenised records; of a pair that of both answers."""
    sequences = tokenized.sides
    num_tokens = sum(len(sequence.input_ids) for sequence in sequences)
    num_trained = sum(sequence.num_trained_tokens for sequence in sequences)
    num_turns = sum(sequence.num_turns for sequence in sequences)
    num_stopped = sum(sequence.num_stopped_turns for sequence in sequences)
    reasons = [dropped.reason for dropped in tokenized.dropped]
    example = tokenized.example
    return MaskReport(
        num_rows=tokenized.num_records,
        num_sequences=len(sequences),
        num_tokens=num_tokens,
        num_trained_tokens=num_trained,
        trained_share=num_trained / num_tokens if num_tokens else 0.0,
        num_turns=num_turns,
        num_stopped_turns=num_stopped,
        stop_token_share=num_stopped / num_turns if num_turns else 0.0,
        rows_without_trained=len(find_untrained_rows(sequences)),
        num_untemplated=tokenized.num_untemplated,
        num_anchored=sum(sequence.is_anchored for sequence in sequences),
        num_prompts=sum(sequence.asked is not None for sequence in sequences),
        num_truncated=sum(sequence.is_truncated for sequence in sequences),
        num_dropped={reason: reasons.count(reason) for reason in ("too_long", "template")},
        num_straddling_tokens=sum(sequence.num_straddling_tokens for sequence in sequences),
        num_unknown_tokens=sum(tokenized.num_unknown_tokens.values()),
        max_seq_len=tokenized.max_seq_len,
        length_tokens=compute_percentiles([len(sequence.input_ids) for sequence in sequences]),
        example=None
        if example is None
        else {
            "record_id": example.record_id,
            "plain": render_marked(example.text, example.trained_spans),
            "parts": split_marked(example.text, example.trained_spans),
        },
        findings=find_pathologies(tokenized),
    )


def compute_percentiles(lengths: Sequence[int]) -> dict[str, int]:
    """min, p50, p90, p95, p99 and max by nearest rank; empty for no lengths."""
    if not lengths:
        return {}
    ordered = sorted(lengths)
    ranks = {name: max(1, ceil(share * len(ordered))) for name, share in _PERCENTILES.items()}
    return {name: ordered[rank - 1] for name, rank in ranks.items()}


def _refusal(finding: Pathology) -> Problem:
    where = f" (first: {', '.join(finding.places[:3])})" if finding.places else ""
    return Problem(
        f"{finding.name}: {finding.detail}{where}",
        "a loss mask without pathologies",
        f"correct the data, or add {finding.name} to data.accept",
        key="data.accept",
    )


def _render_lines(report: MaskReport, told: Collection[str]) -> list[str]:
    lengths = ", ".join(f"{name} {value:,}" for name, value in report.length_tokens.items())
    dropped = report.num_dropped
    lines = [
        f"rows                {report.num_rows:,} in {report.num_sequences:,} sequences",
        f"tokens              {report.num_tokens:,}",
        f"trained tokens      {report.num_trained_tokens:,} ({report.trained_share:.1%})",
        f"stop token trained  {report.num_stopped_turns:,} of {report.num_turns:,} answers "
        f"({report.stop_token_share:.1%})",
        f"rows without one    {report.rows_without_trained:,}",
        f"truncated, dropped  {report.num_truncated:,} truncated, {dropped['too_long']:,} too "
        f"long, {dropped['template']:,} refused by the template",
        f"length in tokens    {lengths or 'none'} (at most {report.max_seq_len:,})",
    ]
    if report.num_untemplated:
        lines.append(
            f"without template    {report.num_untemplated:,} prompt/completion rows: the base's "
            "chat template is not used (format: alpaca uses it)"
        )
    if report.num_anchored:
        lines.append(
            f"anchored            {report.num_anchored:,} sequences: not learned, but held to what "
            "the base says (role: anchor)"
        )
    if report.num_prompts:
        lines.append(
            f"prompts             {report.num_prompts:,} sequences: the model writes what is "
            "learned"
        )
    lines += [
        f"pathology           {one.name}: {one.detail}"
        for one in report.findings
        if one.name not in told
    ]
    if report.example is not None:
        plain = report.example["plain"]
        shown = plain if len(plain) <= _EXAMPLE_CHARS else "…" + plain[-_EXAMPLE_CHARS:]
        lines += ["example (trained text in ⟦…⟧)", shown]
    return lines
