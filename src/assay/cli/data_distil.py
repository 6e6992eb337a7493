"""`assay data distil`: rows with a teacher's answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.data_options import ColumnOption, FormatOption
from assay.cli.output import JsonFlag, RootOption, print_result

if TYPE_CHECKING:
    from assay.config import SourceConfig
    from assay.data.records import Record, RowObjective
    from assay.errors import Problem
    from assay.pipeline.teach import AskAll, Asking


def register_distilling(data: typer.Typer) -> None:
    """Add the verb to the group."""
    data.command("distil")(distil)


def distil(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Rows to ask; their answers are not read.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="OUT.jsonl", help="The file to write; begun ones are gone on.")
    ],
    teacher: Annotated[
        str, typer.Option(help="A run or a base (tiny, a folder, a Hub id); its name at --url.")
    ],
    url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible endpoint up to /chat/completions.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the endpoint's key.")
    ] = None,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", help="A host beside this machine that may be asked; repeatable."),
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="A system prompt for the teacher; no row has it.")
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Answers longer than this are left out.")
    ] = 512,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest.")] = 0.0,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each question.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of sampling above temperature 0.")] = 0,
    requests_per_minute: Annotated[
        float | None, typer.Option(min=0.1, help="Most requests that begin in a minute.")
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=256, help="Requests at a time.")] = 4,
    batch_size: Annotated[int, typer.Option(min=1, help="Of a local teacher.")] = 16,
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> None:
    """Write the rows with a teacher's answers, to tune any student on by sft.

    An interrupted command goes on by being given again. Answers that are cut off, empty or refused
    are left out; OUT.jsonl.left says which.
    """
    import sys
    from dataclasses import asdict

    from assay.cli.eval_verb import build_source
    from assay.errors import UsageError
    from assay.pipeline.teach import Asking, teach

    asking = Asking(max_new_tokens, temperature, samples, seed, system)
    if samples > 1 and temperature == 0:
        raise UsageError("--samples above 1 at temperature 0, which are all the same; raise it")
    sources = [build_source(path, data_format, columns or []) for path in files]
    records = read_asked_rows(sources)
    if url is None:
        told, ask = _choose_local(teacher, asking, root, batch_size, [key_env, hosts])
    else:
        told, ask = _choose_remote(
            teacher, asking, url, key_env, hosts or [], requests_per_minute, parallel
        )

    def count(done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done} of {total} answers")

    found = teach(records, out, teacher=told, asking=asking, ask=ask, on_count=count)
    left = f"; {found.num_left} left out, see {out}.left" if found.num_left else ""
    more = f"; {found.num_repeated} asked the same" if found.num_repeated else ""
    text = f"{out}: {found.num_rows} rows with answers of {teacher}{left}{more}"
    print_result({"file": str(out), **asdict(found)}, text=text, as_json=as_json)


def read_asked_rows(sources: Sequence[SourceConfig]) -> list[Record]:
    """The rows of all sources, with answers or without.

    Raises:
        DataError: rows that are neither.
    """
    from assay.data.read import read_sources
    from assay.errors import DataError

    problems: list[Problem] = []
    kinds: tuple[RowObjective | None, ...] = (None, "prompts")
    for wanted in kinds:
        read = read_sources(sources, base_dir=Path.cwd(), wanted=wanted)
        found = [*read.refusals, *read.problems]
        if not found:
            return read.records
        problems = problems or found
    raise DataError(problems)


def _choose_local(
    name: str, asking: Asking, root: str, batch_size: int, others: list[Any]
) -> tuple[dict[str, Any], AskAll]:
    from assay.errors import UsageError
    from assay.pipeline.subject import load_subject
    from assay.pipeline.teach import ask_local, identify_local

    if any(others):
        raise UsageError("--key-env or --host without --url; name the endpoint, or remove them")
    subject = load_subject(name, root=root, batch_size=batch_size)
    return identify_local(subject), ask_local(subject, asking)


def _choose_remote(
    name: str,
    asking: Asking,
    url: str,
    key_env: str | None,
    hosts: list[str],
    per_minute: float | None,
    parallel: int,
) -> tuple[dict[str, Any], AskAll]:
    from assay.generate.remote import Endpoint, RemoteModel
    from assay.pipeline.teach import Pace, ask_remote

    model = RemoteModel(Endpoint(url, name, key_env, tuple(hosts)))
    ask = ask_remote(model, asking, pace=Pace(per_minute), num_parallel=parallel)
    return {"name": name, "url": url}, ask
