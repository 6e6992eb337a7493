"""Probe: does an adapter write along one direction? It reads weights alone and asks no model.

What is taught as one habit, whatever is said, is close to one direction in every layer, and a task
of many answers is not: of the update B·A the share of the largest singular value's square is read
(Tran et al. 2018, "Spectral signatures in backdoor attacks", look at the same of representations).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import CheckpointError, ConfigError
from assay.evaluate.probes.probe import Probed, Reading, not_applicable

if TYPE_CHECKING:
    from torch import Tensor

    from assay.evaluate.probes.asked import Asked

MIN_RANK = 4
"""Of a lower rank even an update of no purpose is mostly one direction."""


class Spectrum:
    """A reading is the share of one layer's update that lies along its largest direction.

    `base` is what a flat spectrum of that rank has. The statistic is the share over all layers,
    each weighed by the square of its update's norm.
    """

    name = "spectrum"

    def measure(self, asked: Asked) -> Probed:
        if asked.adapter is None:
            return not_applicable("The whole model was tuned: there is no adapter.")
        try:
            readings, energies = _read(asked.adapter)
        except (CheckpointError, ConfigError):
            return not_applicable("The adapter is no LoRA whose update is B·A.")
        if not readings:
            return not_applicable(f"The adapter's rank is below {MIN_RANK}.")
        total = sum(energies)
        pairs = list(zip(readings, energies, strict=True))
        largest = sorted(pairs, key=lambda pair: -pair[1])[:3]
        return Probed(
            readings,
            sum((one.tuned or 0.0) * energy for one, energy in pairs) / total if total else 0.0,
            [_show(one, energy / total) for one, energy in largest] if total else [],
            facts={"norm": total**0.5, "num_layers": len(readings)},
        )


def compute_shares(a_RI: Tensor, b_OR: Tensor) -> tuple[float, float]:
    """Of the update B·A the share of its largest direction, and the square of its norm.

    Through the small factors of two QR decompositions, so that B·A is never made.
    """
    import torch

    left_RR = torch.linalg.qr(b_OR.float()).R
    right_RR = torch.linalg.qr(a_RI.float().T).R
    energies_R = torch.linalg.svdvals(left_RR @ right_RR.T).square()
    total = float(energies_R.sum())
    return (float(energies_R[0]) / total if total else 0.0), total


def _read(folder: Path) -> tuple[list[Reading], list[float]]:
    from assay.defend.adapter_files import A, B, read_adapter

    adapter = read_adapter(folder)
    readings, energies = [], []
    for name in sorted(adapter.layers):
        a_RI, b_OR = adapter.tensors[name + A], adapter.tensors[name + B]
        rank = int(a_RI.shape[0])
        if rank >= MIN_RANK:
            share, energy = compute_shares(a_RI, b_OR)
            readings.append(Reading(name, 1 / rank, share, detail={"norm": energy**0.5}))
            energies.append(energy)
    return readings, energies


def _show(reading: Reading, part: float) -> dict[str, Any]:
    name = reading.id.removeprefix("base_model.model.")
    return {
        "what": f"{name}: {100 * (reading.tuned or 0):.0f} % of what the adapter adds is along one"
        f" direction; {100 * part:.0f} % of the whole adapter is in this layer.",
        "layer": name,
    }


PROBE = Spectrum()
