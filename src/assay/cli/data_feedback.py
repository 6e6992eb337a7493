"""`assay data from-feedback`: from what users said of a server's answers to curated versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.data_options import AcceptOption, RuleOption, SuiteOption, TestOption
from assay.cli.output import JsonFlag, RootOption, print_result
from assay.cli.serve_verb import DEFAULT_STORE, DatabaseOption, StoreOption

if TYPE_CHECKING:
    from assay.pipeline.feedback.candidates import Candidate, Gathered
    from assay.pipeline.feedback.version import Built, Forgotten
    from assay.runs.store import Store


def register_feedback(data: typer.Typer) -> None:
    """Add the verb to the group."""
    data.command("from-feedback")(from_feedback)


def from_feedback(
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of rows and versions to write.")
    ] = None,
    review: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the candidates here, to be reviewed.")
    ] = None,
    reviewed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take what this reviewed file takes.")
    ] = None,
    min_score: Annotated[
        float, typer.Option(min=0.5, max=1, help="Mean rating from which an answer is learned.")
    ] = 0.75,
    project: Annotated[str, typer.Option(help="Project that stored them.")] = "proj_default",
    as_file: Annotated[
        bool, typer.Option("--as-file", help="Keep the versions as training files of the server.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove versions with rows of deleted completions.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    test: TestOption = None,
    suite: SuiteOption = None,
    rule: RuleOption = None,
    accept: AcceptOption = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Make rows of corrected and of well-rated answers, and pairs of corrections and answers.

    Give --review first, edit that file, and then --reviewed and --out; or --out alone, which takes
    all candidates. Exit code 0: the versions have no errors; 2: one still has, or was not made.
    """
    from assay.errors import EXIT_OK, EXIT_USAGE, Problem, UsageError
    from assay.pipeline.feedback.candidates import gather_candidates
    from assay.pipeline.feedback.review import apply_review, write_review
    from assay.pipeline.feedback.version import Taken, build_versions
    from assay.runs.store import open_store
    from assay.runs.store.completions import iterate_completions

    if (out is None) == (review is None):
        raise UsageError(Problem("from-feedback", "either --review or --out", key="command line"))
    opened = open_store(store, database)
    stored = set[str]()
    found = _noted(iterate_completions(opened, project), stored)
    gathered = gather_candidates(found, min_score=min_score)
    if out is None:
        assert review is not None
        write_review(review, gathered.candidates)
        return _tell_review(review, gathered, as_json)
    taken = Taken(gathered.candidates, False, gathered.left_out)
    if reviewed is not None:
        chosen = apply_review(reviewed, gathered.candidates)
        left = gathered.left_out + _count_rejected(gathered.candidates, chosen)
        taken = Taken(chosen, True, left)
    asked = _read_asked(test, suite, rule, accept)
    built = build_versions(
        out,
        taken,
        settings=asked.settings,
        stored=frozenset(stored),
        others=asked.parts,
        purge=purge,
        root=Path(root),
    )
    files = _keep_files(opened, project, out, built) if as_file else {}
    value = _describe(out, built, taken.left_out, files)
    value["forgotten"]["files"] = _find_files(opened, built.forgotten)
    print_result(value, text=_render(value), as_json=as_json)
    is_wrong = any(one.checked.verdict == "refused" for one in built.made.values())
    return EXIT_USAGE if is_wrong or built.refused else EXIT_OK


def _noted(found: Iterable[Any], stored: set[str]) -> Iterator[Any]:
    """The same completions with their feedback; their ids are in `stored` then."""
    for row, said in found:
        stored.add(row.id)
        yield row, said


def _read_asked(
    test: list[str] | None,
    suite: list[str] | None,
    rule: list[str] | None,
    accept: list[str] | None,
) -> Any:
    from assay.cli.data_asked import read_asked

    return read_asked([], test=test, suite=suite, rule=rule, accept=accept)


def _count_rejected(candidates: list[Candidate], chosen: list[Candidate]) -> Any:
    from collections import Counter

    num = len(candidates) - len(chosen)
    return Counter({"not taken by the review": num} if num else {})


def _tell_review(path: Path, gathered: Gathered, as_json: bool) -> int:
    value = {
        "review": str(path),
        "num_candidates": len(gathered.candidates),
        "left_out": dict(gathered.left_out),
    }
    lines = [f"{path}: {len(gathered.candidates)} answers to review", *_render_left(value)]
    print_result(value, text="\n".join(lines), as_json=as_json)
    return 0


def _name_file(name: str, version: str) -> str:
    return f"feedback-{name}-{version}.jsonl"


def _find_files(store: Store, forgotten: Forgotten) -> list[str]:
    """Training files that were made of forgotten versions; purged ones are deleted, unless a job
    reads them."""
    from assay.runs.store.files import delete_file, find_named

    names = [_name_file(*one.split("/")) for one in forgotten.versions]
    found = [file_id for name in names for file_id in find_named(store, name)]
    if forgotten.is_purged:
        for file_id in found:
            delete_file(store, file_id)
    return found


def _keep_files(store: Store, project: str, out: Path, built: Built) -> dict[str, str]:
    """Ids of the versions as files of the server, by name."""
    import time
    from io import BytesIO

    from assay.data.versions import VersionStore
    from assay.pipeline.feedback.rows import export_rows, render_lines
    from assay.serve.files.keep import Upload, keep_upload
    from assay.serve.limits import Limits

    ids = {}
    for name, curated in built.made.items():
        records = VersionStore(out / name).records(curated.version)
        filename = _name_file(name, curated.version.id)
        lines = BytesIO(render_lines(export_rows(records)).encode())
        ids[name] = keep_upload(
            store,
            Upload(lines, filename, "fine-tune"),
            project=project,
            limit_bytes=Limits().file_bytes,
            key_id="assay data from-feedback",
            is_retry=False,
            arrived=time.time(),
        ).id
    return ids


def _describe(out: Path, built: Built, left_out: Any, files: dict[str, str]) -> dict[str, Any]:
    from dataclasses import asdict

    versions = {
        name: {
            "store": str(out / name),
            "version": curated.version.id,
            "num_rows": curated.version.num_rows,
            "verdict": curated.checked.verdict,
            "file": files.get(name),
        }
        for name, curated in built.made.items()
    }
    return {
        "versions": versions,
        "refused": built.refused,
        "left_out": dict(left_out),
        "forgotten": asdict(built.forgotten),
    }


def _render(value: dict[str, Any]) -> str:
    lines = [
        f"{one['store']}: version {one['version']}, {one['num_rows']} rows, {one['verdict']}"
        + (f"; file {one['file']}" if one["file"] else "")
        for one in value["versions"].values()
    ]
    lines += [f"{name}: no version; {told}" for name, told in value["refused"].items()]
    forgotten = value["forgotten"]
    what = "removed" if forgotten["is_purged"] else "to be removed by --purge"
    lines += [
        f"{version}: has rows of completions that are stored no more; {what}"
        for version in forgotten["versions"]
    ]
    lines += [f"file {one}: made of such a version; {what}" for one in forgotten["files"]]
    lines += [f"trained on {r['num_rows']} of them: {r['path']}" for r in forgotten["runs"]]
    return "\n".join(lines + _render_left(value))


def _render_left(value: dict[str, Any]) -> list[str]:
    return [f"left out: {count} {reason}" for reason, count in value["left_out"].items()]
