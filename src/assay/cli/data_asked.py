"""What the verbs of `assay data` are asked to look at: files or a recipe, and settings of rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.config import DataConfig, SourceConfig
    from assay.data import Record
    from assay.data.curate import Given
    from assay.data.curate.parts import ReadRow
    from assay.data.curate.settings import Settings


@dataclass(frozen=True)
class Asked:
    """Sources by part, where their paths start, and the settings of all rules.

    `base` is the one of a recipe, where it is at hand: a check downloads none unasked. `system` and
    `group_by` are a recipe's.
    """

    parts: dict[str, list[SourceConfig]]
    base_dir: Path
    settings: Settings
    base: str | None = None
    system: str | None = None
    group_by: str | None = None

    def read_rows(self) -> Iterator[ReadRow]:
        """Every row of every part, those too that cannot be read."""
        from assay.data.curate.parts import read_parts

        return read_parts(
            self.parts, base_dir=self.base_dir, system=self.system, group_by=self.group_by
        )

    def read_records(self) -> Iterator[Record]:
        """Every row that can be read."""
        return (row.record for row in self.read_rows() if row.record is not None)

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
    *,
    validation: list[str] | None = None,
    test: list[str] | None = None,
    suite: list[str] | None = None,
    rule: list[str] | None = None,
    accept: list[str] | None = None,
    data_format: str = "auto",
    columns: list[str] | None = None,
) -> Asked:
    """What the arguments ask for; one recipe stands for its data section.

    What the command line names takes the place of the recipe's part of that name, and its rules
    come on top of the recipe's.

    Raises:
        UsageError: a recipe, rule or option that is wrong.
    """
    from assay.data.curate import settle

    is_recipe = len(files) == 1 and files[0].endswith((".yaml", ".yml"))
    named = {"train": [] if is_recipe else files, "validation": validation, "test": test}
    paths = {part: list(own) for part, own in named.items() if own}
    for path in suite or []:
        paths.setdefault(f"suite:{Path(path).stem}", []).append(path)
    parts = {
        part: [_build_source(path, data_format, columns or [], is_recipe) for path in own]
        for part, own in paths.items()
    }
    rules, accepted = _read_rules(rule or []), list(accept or [])
    if not is_recipe:
        return Asked(parts, Path.cwd(), settle(rules, accepted))
    if not parts:
        _refuse_shape(data_format, columns or [])
    return _add_recipe(files[0], parts, rules, accepted)


def _build_source(path: str, data_format: str, columns: list[str], is_apart: bool) -> SourceConfig:
    """A file that the command line names; beside a recipe, whose paths start elsewhere, whole."""
    from assay.cli.eval_verb import build_source

    if is_apart and Path(path).exists():
        path = str(Path(path).resolve())
    return build_source(path, data_format, columns)


def _refuse_shape(data_format: str, columns: list[str]) -> None:
    """Refuse columns and a format where only a recipe is named, whose sources have their own."""
    from assay.errors import Problem, UsageError

    given = {"--format": "" if data_format == "auto" else data_format, "--column": columns}
    problems = [
        Problem(
            "a recipe, whose sources say that themselves",
            "files",
            f"name it in the recipe: data.train: {{path: …, {key}: …}}",
            key=option,
        )
        for (option, value), key in zip(given.items(), ("format", "columns"), strict=True)
        if value
    ]
    if problems:
        raise UsageError(problems)


def _add_recipe(
    path: str, parts: dict[str, list[SourceConfig]], rules: dict[str, Any], accepted: list[str]
) -> Asked:
    """What the command line names on top of a recipe's data section."""
    from assay.config import load
    from assay.data.curate import settle
    from assay.data.curate.settings import merge_rules

    loaded = load(path)
    data, base_dir = loaded.recipe.data, loaded.base_dir
    own = {"train": data.train, "validation": data.validation, "test": data.test}
    sources = {name: list(one) for name, one in own.items() if one} | parts
    order = [*own, *(name for name in parts if name not in own)]
    return Asked(
        {name: sources[name] for name in order if name in sources},
        base_dir,
        settle(merge_rules(_locate(data, base_dir), rules), [*data.accept, *accepted]),
        _find_local(loaded.recipe.base.name, base_dir),
        data.system,
        data.group_by,
    )


def _locate(data: DataConfig, base_dir: Path) -> dict[str, Any]:
    """What a recipe says of rules, with the files that it names found from its folder."""
    from assay.data.curate import list_rules
    from assay.data.curate.settings import locate_paths

    return locate_paths(list_rules().values(), data.rules, base_dir)


def _find_local(name: str, base_dir: Path) -> str | None:
    """A base where it is on this machine."""
    folder = base_dir / name
    return str(folder) if folder.is_dir() else name if name == "tiny" else None


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
