"""Where this run comes from and how to check it: hashes, environment, recipe, signer."""

from __future__ import annotations

import re
from typing import Any

from assay.release.keys import format_fingerprint
from assay.release.report.html import Html, escape, join, tag
from assay.release.report.source import ReportSource
from assay.release.wording import size
from assay.runs.values import flatten, mapping, number, text

_YAML_KEY = re.compile(r"^(\s*(?:- )?)([\w./-]+)(:)(?=\s|$)(.*)$")
_HASHED = ("base", "data", "template", "recipe", "adapter", "model")


def render_origin(source: ReportSource) -> Html:
    """Hashes, machine and versions, the resolved recipe, and the command that checks all of it."""
    return join(
        [
            _signature(source),
            tag(
                "div",
                _panel("Hashes", _hashes(source)),
                _panel("Environment", _environment(source.manifest)),
                class_="columns",
            ),
            tag("h3", "Recipe"),
            _recipe(source.recipe_text),
        ]
    )


def _signature(source: ReportSource) -> Html:
    if source.signer is None:
        told = "This run is not signed. A release has a signature of every file in its folder."
        return tag("p", told, class_="intro")
    return join(
        [
            tag("p", "Signed with the key whose fingerprint is", class_="intro"),
            tag("pre", format_fingerprint(source.signer), class_="fingerprint"),
            tag(
                "p",
                "Check every byte of this folder: ",
                tag("code", f"assay release verify {source.run.path.name} --key SIGNER.pem"),
            ),
        ]
    )


def _hashes(source: ReportSource) -> list[tuple[str, str]]:
    known = {name: source.manifest[name] for name in _HASHED if source.manifest.get(name)}
    splits = mapping(source.data.get("splits"))
    known["split"] = {name: mapping(split).get("sha256") for name, split in splits.items()}
    rows = []
    for key, value in flatten(known):
        if value not in (None, {}, []):
            rows.append((key.replace(".", " · ").replace("_", " "), text(value)))
    return rows


def _environment(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    found = mapping(manifest.get("environment"))
    rows = []
    for key, value in flatten({"code": manifest.get("code"), **found}):
        if value is None:
            continue
        shown = size(number(value)) if key.endswith("_bytes") else text(value)
        name = key.removeprefix("packages.").removeprefix("num_").removesuffix("_bytes")
        rows.append((name.replace(".", " · ").replace("_", " "), shown))
    seeds = mapping(manifest.get("seeds"))
    return rows + [(f"seed · {key}", text(value)) for key, value in flatten(seeds) if seeds]


def _panel(title: str, rows: list[tuple[str, str]]) -> Html:
    body = (
        tag("dl", join(tag("div", tag("dt", key), tag("dd", value)) for key, value in rows))
        if rows
        else tag("p", "not measured", class_="missing")
    )
    return tag("div", tag("h3", title), body, class_="panel")


def _recipe(recipe: str) -> Html:
    if not recipe:
        return tag("p", "The recipe was not kept.", class_="missing")
    return tag(
        "pre",
        join((_yaml_line(line) for line in recipe.splitlines()), between="\n"),
        class_="recipe",
    )


def _yaml_line(line: str) -> Html:
    if line.lstrip().startswith("#"):
        return tag("i", line)
    match = _YAML_KEY.match(line)
    if match is None:
        return escape(line)
    return join([match[1], tag("b", match[2]), match[3], match[4]])
