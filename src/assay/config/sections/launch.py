"""On how many processes a run trains; it starts none."""

from __future__ import annotations

from assay.config.setting import Section, setting


class LaunchConfig(Section):
    """The processes that share the training of one run."""

    processes: int = setting(
        1,
        "Processes that train together; each takes its share of every step's sequences.",
        unit="processes",
        reason="one device, one process",
        ge=1,
        le=65536,
    )
