"""Small drawings: wordmark, verdict stamp, outcome badges, the mark of each arm; no numbers."""

from __future__ import annotations

from assay.release.measured import ARM_LABELS, ARMS
from assay.release.report.html import Html, join, tag

# A hallmark's punch: a square with its corners cut.
_OCTAGON = "30,4 90,4 116,30 116,90 90,116 30,116 4,90 4,30"
_STAMPS = {
    "released": ("M40 61 L54 75 L81 46", "RELEASED"),
    "held": ("M48 42 V78 M72 42 V78", "HELD"),
    "overridden": ("M60 38 V66 M60 77 V79", "OVERRIDE"),
    "": ("M42 60 H78", "NO VERDICT"),
}
_OUTCOMES = {
    "pass": ("M3.5 8.5 L6.8 11.5 L12.5 4.5", "pass"),
    "fail": ("M4 4 L12 12 M12 4 L4 12", "fail"),
    "not_measured": ("M4 8 H12", "not measured"),
}


def wordmark() -> Html:
    """The product's name behind its punch."""
    punch = tag(
        "svg",
        tag("polygon", points=_OCTAGON, class_="punch"),
        tag("path", d="M38 84 L60 34 L82 84 M47 66 H73", class_="punch-mark"),
        viewbox="0 0 120 120",
        aria_hidden="true",
    )
    return tag("div", punch, tag("span", "Assay"), class_="wordmark")


def stamp(status: str) -> Html:
    """The large stamp of a verdict."""
    mark, label = _STAMPS.get(status, _STAMPS[""])
    return tag(
        "svg",
        tag("polygon", points=_OCTAGON, class_="rim"),
        tag("polygon", points=_OCTAGON, class_="inner", transform="translate(6 6) scale(.9)"),
        tag("path", d=mark, class_="sign", transform="translate(0 -6)"),
        tag("text", label, x="60", y="98", text_anchor="middle"),
        viewbox="0 0 120 120",
        class_="stamp",
        aria_hidden="true",
    )


def outcome_badge(outcome: str, told: str = "") -> Html:
    """A gate's outcome: icon and word (`told`, or its name), so that colour alone never tells."""
    mark, label = _OUTCOMES.get(outcome, _OUTCOMES["not_measured"])
    icon = tag("svg", tag("path", d=mark), viewbox="0 0 16 16", aria_hidden="true")
    return tag("span", icon, told or label, class_=f"badge {outcome}")


def arm_mark(arm: str, *, x: float, y: float) -> Html:
    """The point of an arm in a plot: a ring, a diamond or a disc, told apart without colour."""
    if arm == "prompted":
        corners = ((x, y - 5.5), (x + 5.5, y), (x, y + 5.5), (x - 5.5, y))
        around = " ".join(f"{across:.1f},{down:.1f}" for across, down in corners)
        return tag("polygon", points=around, class_="mark prompted")
    return tag("circle", cx=x, cy=y, r=4.5, class_=f"mark {arm}")


def arm_key(arm: str) -> Html:
    """An arm's mark and name, as in a legend."""
    mark = tag("svg", arm_mark(arm, x=8, y=8), viewbox="0 0 16 16", aria_hidden="true")
    return tag("span", mark, ARM_LABELS[arm], class_="arm-key")


def legend() -> Html:
    """All arms with their marks."""
    return tag("p", join(arm_key(arm) for arm in ARMS), class_="legend")
