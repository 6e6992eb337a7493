"""The map of clusters: each case of several rows as a circle of dots, one dot a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.data.curate.clusters import Cluster
from assay.release.data_report.view import spell_unseen
from assay.release.report.html import Html, clip, join, tag
from assay.release.wording import plain

if TYPE_CHECKING:
    from assay.release.data_report.page import DataPage

_WIDTH = 1000.0
_GAP = 18.0
_MAX_DOTS = 150
_MAX_LISTED = 20
_GOLDEN = math.pi * (3 - math.sqrt(5))
_SPACING = 5.2
_NUM_KINDS = 8


def render_clusters(page: DataPage) -> Html | None:
    """The map, and a table of the largest clusters; nothing where no rows belong together."""
    clusters, shown = page.clusters, page.drawn
    if not clusters:
        return None
    rules = list(dict.fromkeys(one.rule for one in shown))
    told = (
        "Rows that one rule puts together: copies, leaks, or rows of one trigger. A dot is a row; "
        "choose a circle to see its findings."
    )
    if len(clusters) > len(shown):
        told += f" Of {plain(len(clusters))} these {plain(len(shown))} are drawn, rules in turn."
    return join(
        [
            tag("p", told, class_="intro"),
            _legend(rules),
            _map(shown, rules),
            _table(shown),
        ]
    )


def place_circles(
    radii: Sequence[float], *, width: float
) -> tuple[list[tuple[float, float]], float]:
    """Centres of circles in rows from the top left, in order; and the height that they need."""
    centres: list[tuple[float, float]] = []
    x, top, tall = 0.0, 0.0, 0.0
    for radius in radii:
        if x and x + 2 * radius > width:
            x, top, tall = 0.0, top + tall + _GAP, 0.0
        tall = max(tall, 2 * radius)
        centres.append((x + radius, top + radius))
        x += 2 * radius + _GAP
    return centres, top + tall


def _radius(cluster: Cluster) -> float:
    dots = min(len(cluster.places), _MAX_DOTS)
    return _SPACING * math.sqrt(dots + 0.5) + 7


def _map(clusters: Sequence[Cluster], rules: Sequence[str]) -> Html:
    radii = [_radius(one) for one in clusters]
    centres, height = place_circles(radii, width=_WIDTH - 4)
    groups = [
        _circle(cluster, number, centres[number], radii[number], rules.index(cluster.rule))
        for number, cluster in enumerate(clusters)
    ]
    return tag(
        "svg",
        join(groups),
        viewbox=f"-2 -2 {_WIDTH:.0f} {height + 4:.0f}",
        class_="clusters",
        role="group",
        aria_label="Map of clusters",
    )


def _circle(
    cluster: Cluster, number: int, centre: tuple[float, float], radius: float, kind: int
) -> Html:
    x, y = centre
    count = len(cluster.places)
    told = f"{cluster.rule}: {plain(count)} rows, {_name(cluster)}"
    dots = []
    for place in range(min(count, _MAX_DOTS)):
        away, turn = _SPACING * math.sqrt(place + 0.3), place * _GOLDEN
        dots.append(
            tag("circle", cx=x + away * math.cos(turn), cy=y + away * math.sin(turn), r=2.3)
        )
    return tag(
        "a",
        tag("title", told),
        tag("circle", cx=x, cy=y, r=radius, class_="ring"),
        tag("g", join(dots), class_=f"dots-of c{kind % _NUM_KINDS}"),
        href="#findings",
        aria_label=told,
        data_rule=cluster.rule,
        data_cluster=number,
    )


def _name(cluster: Cluster) -> str:
    return clip(spell_unseen(cluster.marked or cluster.evidence, is_marked=True), max_chars=80)


def _legend(rules: Sequence[str]) -> Html:
    keys = (
        tag(
            "span",
            tag(
                "svg",
                tag("circle", cx=6, cy=6, r=4.5),
                viewbox="0 0 12 12",
                class_=f"dots-of c{place % _NUM_KINDS}",
                aria_hidden="true",
            ),
            rule,
            class_="cluster-key",
        )
        for place, rule in enumerate(rules)
    )
    return tag("p", join(keys), class_="cluster-keys")


def _table(clusters: Sequence[Cluster]) -> Html:
    rows = (
        tag(
            "tr",
            tag("th", one.rule, scope="row"),
            tag("td", plain(len(one.places)), class_="number"),
            tag("td", clip(spell_unseen(one.evidence, is_marked=True), max_chars=160)),
            tag("td", _places(one)),
        )
        for one in clusters[:_MAX_LISTED]
    )
    head = (("Rule", None), ("Rows", "number"), ("What", None), ("Where", None))
    cells = join(tag("th", name, scope="col", class_=kind) for name, kind in head)
    table = tag("table", tag("thead", tag("tr", cells)), tag("tbody", join(rows)))
    return tag("div", table, class_="scroll")


def _places(cluster: Cluster) -> Html:
    shown = ", ".join(cluster.places[:4])
    more = len(cluster.places) - 4
    return tag("small", f"{shown} and {plain(more)} more" if more > 0 else shown)
