"""The settings of a suite that its source has no use for, each refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.config.check import Checked
from assay.config.sections.evaluate import SuiteConfig
from assay.config.tree import Node, Path
from assay.config.wording import build_problem
from assay.errors import Problem

TAKES = {
    "rows": ("name", "metric", "kind", "format", "subset", "split", "revision"),
    "harness": ("kind",),
    "free_form": ("format", "judge"),
}
"""The settings beside `path` that mean something, by what a suite is (see `SuiteConfig.source`)."""
CALLED = {
    "rows": "rows of questions",
    "harness": "a task of lm-evaluation-harness",
    "free_form": "free answers that are judged",
}


def find_suite_conflicts(checked: Checked, root: Node) -> Iterator[Problem]:
    """Every setting of a suite that would be ignored, and judges that cannot be meant."""
    seen = False
    for index, suite in enumerate(checked.recipe.evaluate.suites):
        place: Path = ("evaluate", "suites", index)
        for key, got, allowed, do in _find_faults(checked, suite, seen):
            if not checked.is_wrong((*place, key)):
                yield build_problem(root, (*place, key), got=got, allowed=allowed, do=do)
        seen = seen or suite.source == "free_form"


def _find_faults(
    checked: Checked, suite: SuiteConfig, seen: bool
) -> Iterator[tuple[str, str, str, str]]:
    called = CALLED[suite.source]
    for name in SuiteConfig.model_fields:
        value: Any = getattr(suite, name)
        given = value != SuiteConfig.model_fields[name].default
        if name != "path" and given and name not in TAKES[suite.source]:
            shown = "a judge" if name == "judge" else f"{name} {value!r}"
            allowed = ", ".join(TAKES[suite.source])
            yield name, f"{shown} for {called}", allowed, "remove it"
    if suite.source != "free_form":
        return
    if seen:
        got = "a second suite of free answers"
        yield "path", got, "one", "put its questions into the first one's file"
    judge = suite.judge
    if judge is None and checked.recipe.base.name != "tiny":
        got = "free answers without a judge"
        do = "name one: judge: {name: …, url: …}"
        yield "path", got, "a judge for any base but `tiny`, which a rule judges", do
    if judge is not None and judge.url is None and (judge.key_env or judge.hosts):
        got = "key_env or hosts without url"
        yield "judge", got, "a url, or neither", "name the endpoint, or remove them"
