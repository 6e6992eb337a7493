"""`assay data undo`, `versions`, `diff`, `show`, `erase`: looking at versions, and going back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.data_asked import read_asked
from assay.cli.data_curating import KeyOption
from assay.cli.data_options import ColumnOption, FormatOption
from assay.cli.output import JsonFlag, RootOption, print_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assay.data import Record
    from assay.data.curate import Finding
    from assay.data.curate.diff import VersionDiff
    from assay.data.versions import Version, VersionStore

StoreArgument = Annotated[
    str, typer.Argument(metavar="STORE", help="The folder that `assay data curate --out` wrote.")
]
_SHOWN = 20


def register_versions(data: typer.Typer) -> None:
    """Add the verbs to the group."""
    data.command("undo")(undo)
    data.command("versions")(versions)
    data.command("diff")(diff)
    data.command("show")(show)
    data.command("erase")(erase)


def undo(store: StoreArgument, as_json: JsonFlag = False) -> None:
    """Go back to the version before the current one; nothing is lost."""
    version = _open(store).undo()
    text = f"{store}: version {version.id} is the current one"
    print_result(_describe(version), text=text, as_json=as_json)


def versions(store: StoreArgument, as_json: JsonFlag = False) -> None:
    """List the versions of a store, the first one first."""
    opened = _open(store)
    current = opened.current.id
    listed = opened.list()
    lines = [
        f"{'*' if one.id == current else ' '} {one.id}  {one.made['how']:8} "
        f"{f'{one.num_rows:,} rows' if one.parent else ', '.join(one.files)}"
        for one in listed
    ]
    value = [_describe(one) | {"current": one.id == current} for one in listed]
    print_result(value, text="\n".join(lines), as_json=as_json)


def diff(
    store: StoreArgument,
    a: Annotated[str | None, typer.Argument(metavar="A", help="By default the parent.")] = None,
    b: Annotated[str | None, typer.Argument(metavar="B", help="By default the current.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say which rows differ between two versions, and how."""
    from dataclasses import asdict

    from assay.data.curate.diff import diff_records, show_changes
    from assay.pipeline.data_page import read_version

    opened = _open(store)
    second = opened.load(b) if b else opened.current
    first = opened.load(a or second.parent or second.id)

    def read(version: Version) -> Iterator[Record]:
        return read_version(opened, version)

    found = show_changes(diff_records(read(first), read(second)), read(first), read(second))
    text = f"{first.id} → {second.id}\n{_render_diff(found)}"
    if a is None and second.parent is None:
        text = f"{second.id} is the first version; name two (assay data versions {store})"
    print_result(asdict(found), text=text, as_json=as_json)


def show(
    files: Annotated[str, typer.Argument(metavar="FILE", help="A data file or a store.")],
    row: Annotated[str, typer.Argument(metavar="ROW", help="Its id (or a start), or its line.")],
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show one row as it is read, and what rules find in it."""
    from dataclasses import asdict

    from assay.cli.data_text import render_finding
    from assay.data.curate import check_parts
    from assay.data.records import iterate_named
    from assay.errors import DataError, Problem

    asked = read_asked([files], data_format=data_format, columns=columns)
    named = iterate_named(asked.read_records())
    record = next((one for one in named if row == str(one.line) or one.id.startswith(row)), None)
    if record is None:
        raise DataError(Problem(f"no row {row!r}", "the id or line of a row", file=files))
    checked = check_parts(
        asked.parts,
        base_dir=asked.base_dir,
        settings=asked.settings,
        system=asked.system,
        group_by=asked.group_by,
    )
    findings = [one for one in checked.findings if one.row == record.id]
    lines = [f"{record.place}  row {record.id}  ({record.kind})", *_render_row(record, findings)]
    lines += [render_finding(one) for one in findings]
    value = {"row": asdict(record), "findings": [one.to_json() for one in findings]}
    print_result(value, text="\n".join(lines), as_json=as_json)


def _render_row(record: Record, findings: Sequence[Finding]) -> Iterator[str]:
    """The messages; what rules hide (a key, a card) only as they show it."""
    from assay.cli.data_passage import show_lines
    from assay.data.curate.look import hide

    def show(path: str, text: str) -> str:
        own = [one for one in findings if one.span is not None and one.span.path == path]
        return show_lines(hide(text, own))

    for index, message in enumerate(record.messages):
        path = f"messages[{index}]"
        yield f"{message['role']}: {show(f'{path}.content', message.get('content') or '')}"
        for place, call in enumerate(message.get("tool_calls", ())):
            arguments = call["function"]["arguments"]
            shown = show(f"{path}.tool_calls[{place}].function.arguments", arguments)
            yield f"  → {call['function']['name']}({shown})"


def erase(
    store: StoreArgument,
    row: Annotated[list[str] | None, typer.Option(help="Id of a row; repeatable.")] = None,
    person: Annotated[
        list[str] | None, typer.Option(help="A name, address or other text; repeatable.")
    ] = None,
    key: KeyOption = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove older versions that hold the rows, too.")
    ] = False,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> None:
    """Remove rows from the current version into a new one, and list what was trained on them."""
    from dataclasses import asdict
    from pathlib import Path

    from assay.data.curate.erase import erase_rows, find_trained
    from assay.data.curate.mask_key import load_mask_key, open_book
    from assay.data.versions import MASKS
    from assay.errors import Problem, UsageError

    if not row and not person:
        raise UsageError(Problem("nothing to erase", "--row ID or --person TEXT"))
    opened = _open(store)
    masks = opened.folder(opened.current.id) / MASKS
    book = open_book(masks.read_bytes(), load_mask_key(Path(key))) if key else None
    found = erase_rows(opened, rows=row or [], persons=person or [], book=book, purge=purge)
    runs = find_trained(Path(root), found)
    value = {**asdict(found), "version": _describe(found.version), "runs": [*map(asdict, runs)]}
    lines = [
        f"{store}: version {found.version.id}, rows removed: {len(found.rows)}",
        *(f"  {place}" for place in found.places[:_SHOWN]),
        *(f"still in version {one} (--purge removes it)" for one in found.older),
        *(f"version {one} removed" for one in found.purged),
        *(f"still in {file}: remove them there yourself" for file in found.files),
        *(f"trained on {one.num_rows} of them: {one.path} ({one.status})" for one in runs),
    ]
    if masks.is_file() and not key:
        lines.append("masked texts were not looked into: --key opens them")
    print_result(value, text="\n".join(lines), as_json=as_json)


def _open(store: str) -> VersionStore:
    from pathlib import Path

    from assay.data.versions import VersionStore

    return VersionStore.open(Path(store))


def _describe(version: Version) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(version)


def _render_diff(found: VersionDiff) -> str:
    lines = [
        f"{len(found.removed):,} removed, {len(found.added):,} added, {len(found.changed):,} "
        f"changed, {found.num_same:,} the same"
    ]
    lines += [f"- {place}" for place in found.removed[:_SHOWN]]
    lines += [f"+ {place}" for place in found.added[:_SHOWN]]
    for one in found.changed[:_SHOWN]:
        lines.append(f"~ {one.place}")
        for path, before, after in one.texts:
            lines += [f"    {path}", f"    - {_cut(before)}", f"    + {_cut(after)}"]
    return "\n".join(lines)


def _cut(text: str, *, limit: int = 400) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[:limit]} …"
