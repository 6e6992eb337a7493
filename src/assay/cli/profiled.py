"""What `assay tune --profile` prints: each phase with its time and memory."""

from __future__ import annotations

from typing import Any


def render_profile(profile: dict[str, Any]) -> str:
    """profile.json as a small table; what was not measured is a dash."""
    wall_s = profile["wall_s"] or 1.0
    lines = [f"{'phase':<12}{'time':>10}{'share':>8}{'processor':>12}{'calls':>8}{'peak':>10}"]
    for name, total in profile["phases"].items():
        lines.append(
            f"{name:<12}{total['wall_s']:>8.2f} s{total['wall_s'] / wall_s:>8.0%}"
            f"{total['cpu_s']:>10.2f} s{total['num_calls']:>8}{_size(total['peak_bytes']):>10}"
        )
    other = profile["other_s"]
    lines.append(f"{'other':<12}{other:>8.2f} s{other / wall_s:>8.0%}")
    rate = profile["tokens_per_s"]
    if rate:
        lines.append(
            f"{rate:,.0f} tokens/s over {profile['num_steps']} steps on {profile['device']}"
            " (real tokens, evaluations and checkpoints apart)"
        )
    if profile["trace"]:
        lines.append(f"trace of a few steps: {profile['trace']} (opens in ui.perfetto.dev)")
    return "\n".join(lines)


def _size(num_bytes: int | None) -> str:
    return "–" if num_bytes is None else f"{num_bytes / 1e9:.2f} GB"
