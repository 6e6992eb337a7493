"""What the verbs of `assay data` are asked to look at: files or a recipe, and settings of rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from assay.config import DataConfig, SourceConfig
    from assay.data.curate import Given
    from assay.data.curate.settings import Settings

FilesArgument = Annotated[
    list[str],
    typer.Argument(metavar="FILE…", help="Files, folders, URLs, Hub ids, a store; or one recipe."),
]
ValidationOption = Annotated[
    list[str] | None, typer.Option(help="Rows that choose the checkpoint; repeatable.")
]
TestOption = Annotated[list[str] | None, typer.Option(help="Rows that confirm; repeatable.")]
SuiteOption = Annotated[
    list[str] | None,
    typer.Option("--suite", metavar="FILE", help="Rows that gates will ask, or their fingerprint."),
]
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rule", metavar="RULE=VALUE", help="A severity, an action or off; or RULE.OPTION=VALUE."
    ),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="RULE", help="Errors of this rule may stand; or all."),
]
WorkOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="Folder for what is found on the way: a check cut off goes on there."
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        help="A base (tiny, a folder or a Hub id) whose tokens and template are asked; by default "
        "a recipe's own, where it is on this machine."
    ),
]

DeepOption = Annotated[
    bool,
    typer.Option("--deep", help="Ask the base's weights too, about a sample of the rows."),
]
ReportOption = Annotated[
    str | None,
    typer.Option(metavar="FILE.html", help="Write a page with findings, rows, lengths, clusters."),
]


@dataclass(frozen=True)
class Asked:
    """Sources by part, where their paths start, and the settings of all rules.

    `base` is the one of a recipe, where it is at hand: a check downloads none unasked.
    """

    parts: dict[str, list[SourceConfig]]
    base_dir: Path
    settings: Settings
    base: str | None = None

    @property
    def default_store(self) -> Path:
        """Beside the first file, or the store itself where one is asked about."""
        from assay.data.versions import VersionStore

        first = self.base_dir / self.parts["train"][0].path
        if VersionStore.is_store(first):
            return first
        return first.with_name(first.name.split(".")[0] + ".data")


def read_asked(
    files: list[str],
    validation: list[str] | None,
    test: list[str] | None,
    suite: list[str] | None,
    rule: list[str] | None,
    accept: list[str] | None,
) -> Asked:
    """What the arguments ask for; one recipe stands for its data section.

    Raises:
        UsageError: a recipe, rule or option that is wrong.
    """
    from assay.config import SourceConfig
    from assay.data.curate import settle

    given = {"train": files, "validation": validation, "test": test}
    parts = {
        name: [SourceConfig(path=path) for path in paths] for name, paths in given.items() if paths
    }
    base_dir, rules, accepted = Path.cwd(), _read_rules(rule or []), list(accept or [])
    base = None
    if len(files) == 1 and files[0].endswith((".yaml", ".yml")):
        config, base_dir, base = _load_data(files[0])
        named = {"train": config.train, "validation": config.validation, "test": config.test}
        parts = {**parts, **{name: list(own) for name, own in named.items() if own}}
        rules, accepted = {**config.rules, **rules}, [*config.accept, *accepted]
    for path in suite or []:
        source = SourceConfig(path=str(Path(path).resolve()) if Path(path).exists() else path)
        parts.setdefault(f"suite:{Path(path).stem}", []).append(source)
    return Asked(parts, base_dir, settle(rules, accepted), base)


def read_given(base: str | None, *, deep: bool = False) -> Given | None:
    """What the rules may ask of the base that is named, if one is; its weights where `deep`.

    Raises:
        ConfigError: no such base.
        UsageError: weights of no base.
    """
    if base is None:
        if deep:
            from assay.errors import Problem, UsageError

            problem = Problem("no base", "the base whose weights are asked", "add --base tiny")
            raise UsageError(replace(problem, key="--deep"))
        return None
    if deep:
        from assay.models.base import find_base
        from assay.pipeline.base_given import load_given

        return load_given(find_base(base))
    from assay.pipeline.given import read_tokenizer

    return read_tokenizer(base)


def _load_data(path: str) -> tuple[DataConfig, Path, str | None]:
    """The data section of a recipe, its folder, and its base where that is on this machine."""
    from assay.config import load

    loaded = load(path)
    name, folder = loaded.recipe.base.name, loaded.base_dir / loaded.recipe.base.name
    local = str(folder) if folder.is_dir() else name if name == "tiny" else None
    return loaded.recipe.data, loaded.base_dir, local


def _read_rules(given: list[str]) -> dict[str, Any]:
    """`RULE=VALUE` and `RULE.OPTION=VALUE` as the mapping that a recipe holds."""
    from assay.config.tree import parse_yaml, to_plain
    from assay.errors import Problem, UsageError

    read: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark:
            allowed = "RULE=VALUE or RULE.OPTION=VALUE"
            raise UsageError(Problem(text, allowed, "write near_duplicate=off", key="--rule"))
        rule, dot, option = name.partition(".")
        node, problems = parse_yaml(f"value: {value}", file="--rule")
        if problems:
            raise UsageError(problems)
        parsed = to_plain(node)["value"]
        if dot:
            before = read.get(rule, {})
            members = before if isinstance(before, dict) else {"severity": before}
            read[rule] = {**members, option: parsed}
        else:
            read[rule] = parsed
    return read
