"""`assay eval --suite safety --adapter DIR --base B`: an adapter's measurements, no verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.cli.output import print_result

SAFETY = "safety"


def show_adapter(
    adapter: str, base: str, options: Mapping[str, Any], *, out: str | None, as_json: bool
) -> int:
    """Look at an adapter of unknown origin as `assay gate --adapter` does; show what is found.

    `options` are those of `look_at_adapter`.
    """
    from assay.cli.live import open_progress
    from assay.cli.outcome import render_measured
    from assay.pipeline.adapter import build_safety_policy, look_at_adapter

    folder = Path(out) if out else Path("gates") / Path(adapter).resolve().name
    with open_progress(as_json=as_json) as progress:
        looked = look_at_adapter(
            Path(adapter),
            base,
            build_safety_policy(),
            out=folder,
            progress=progress,
            **options,
        )
    facts = [
        f"  {name.replace('_', ' ')}: {value}" for name, value in looked.facts.to_dict().items()
    ]
    blocks = [
        f"{adapter} on {base}; written to {folder}",
        "\n".join(["files", *facts, *_tell_integrity(looked.evaluation["integrity"])]),
        *render_measured(looked.evaluation, {}),
        "\n".join(["probes", *_tell_probes(looked.evaluation["probes"])]),
        f"No verdict: assay gate --adapter {adapter} --base {base} judges the same answers.",
    ]
    print_result(looked.to_dict(), text="\n\n".join(blocks), as_json=as_json)
    return 0


def _tell_integrity(integrity: Mapping[str, Any]) -> Iterator[str]:
    for name, value in integrity.items():
        if isinstance(value, Mapping) and "difference" in value:
            value = f"largest logit difference {value['difference']:.2g}"
        elif isinstance(value, Mapping):
            value = value.get("not_applicable", value)
        if name != "template_unchanged":
            yield f"  {name.replace('_', ' ')}: {value}"


def _tell_probes(probes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each probe: its statistic, its events, or why there is none."""
    width = max(map(len, probes), default=0)
    for name, found in probes.items():
        yield f"  {name:<{width}}  {_tell_probe(found)}"


def _tell_probe(found: Mapping[str, Any]) -> str:
    if found.get("not_measured"):
        return f"not measured: {found['not_measured']}"
    n, events = found.get("n", 0), found.get("events") or {}
    value = found.get("statistic")
    compared = found.get("comparisons", {}).get("tuned_vs_base") or {}
    if value is None:
        value = compared.get("difference")
    told = [f"{value:.3g}" if isinstance(value, float) else "no figure", f"n {n}"]
    if events:
        told.append(f"{events['new']} new events")
    if found.get("num_unscored"):
        told.append(f"{found['num_unscored']} not scored")
    return ", ".join(told)
