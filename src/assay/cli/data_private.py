"""`assay data canaries` and `unmask`: secrets that are planted, and masks that are lifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.data_asked import read_asked
from assay.cli.data_options import ColumnOption, FilesArgument, FormatOption
from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from pathlib import Path


def register_private(data: typer.Typer) -> None:
    """Add the verbs to the group."""
    data.command("canaries")(canaries)
    data.command("unmask")(unmask)


def canaries(
    files: FilesArgument,
    count: Annotated[int, typer.Option(help="How many different secrets.")],
    out: Annotated[str, typer.Option(help="File of the rows, .jsonl; beside it .canaries.json.")],
    copies: Annotated[int, typer.Option(help="How often each stands in the rows.")] = 1,
    form: Annotated[
        str, typer.Option(help="Form of a secret: # is a digit, ? a letter.")
    ] = "###-###-###-###",
    seed: Annotated[int, typer.Option(help="Which secrets are drawn.")] = 0,
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write rows with random secrets, to be trained beside FILE and measured for memory later.

    Name them in the recipe as a source of `role: extra`, so that none of them is held out.
    """
    import json
    from pathlib import Path

    from assay.data.curate.canaries import plant_canaries, save_canaries, to_row
    from assay.errors import Problem, UsageError
    from assay.runs.atomic import write_text

    path = Path(out)
    if path.suffix != ".jsonl":
        raise UsageError(Problem(out, "a name that ends in .jsonl", "rename it", key="--out"))
    listed = path.with_suffix(".canaries.json")
    for one in (path, listed):
        if one.exists():
            do = "name another file: a model that was trained on these is measured by them"
            raise UsageError(Problem(f"{one} exists", "a new file", do, key="--out"))
    asked = read_asked(files, data_format=data_format, columns=columns)
    rows, planted = plant_canaries(asked.read_records(), count, seed, form=form, copies=copies)
    lines = [json.dumps(to_row(row), ensure_ascii=False) + "\n" for row in rows]
    write_text(path, "".join(lines))
    save_canaries(planted, listed)
    text = (
        f"{len(rows)} rows with {count} secrets of {planted.num_secrets_bits:.1f} bits in {path}\n"
        f"the secrets are in {listed}: keep it; `--rule canary.file={listed}` has them recognised"
    )
    value = {"rows": len(rows), "canaries": count, "file": str(path), "listed": str(listed)}
    print_result(value, text=text, as_json=as_json)


def unmask(
    store: Annotated[str, typer.Argument(help="A store of `assay data curate`, or a masks file.")],
    key: Annotated[str, typer.Option(help="The key file that was written when it was masked.")],
    file: Annotated[str | None, typer.Option(help="Text to read; else standard input.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put what placeholders such as [EMAIL_1] stand for back into a text, and print it."""
    import sys
    from pathlib import Path

    from assay.data.curate.mask_key import load_mask_key
    from assay.data.curate.mask_key import unmask as lift

    sealed = _find_masks(Path(store)).read_bytes()
    text = Path(file).read_text(encoding="utf-8") if file else sys.stdin.read()
    lifted = lift(text, sealed, load_mask_key(Path(key)))
    print_result({"text": lifted}, text=lifted, as_json=as_json)


def _find_masks(path: Path) -> Path:
    from assay.data.versions import MASKS, VersionStore
    from assay.errors import Problem, UsageError

    if path.is_file():
        return path
    if VersionStore.is_store(path):
        opened = VersionStore(path)
        masks = opened.folder(opened.current.id) / MASKS
        if masks.is_file():
            return masks
    do = "curate with --key: without one, masks are for good"
    raise UsageError(Problem(f"{path} holds no masks", "a store or a masks file", do))
