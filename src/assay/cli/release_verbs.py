"""`assay release RUN`, `assay release verify` and `assay release key`; the rules are elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.group import DefaultVerb
from assay.cli.output import JsonFlag, RootOption, print_result
from assay.errors import EXIT_HELD

if TYPE_CHECKING:
    from assay.release import Verification
    from assay.runs import RunFolder


class _RunOrVerb(DefaultVerb):
    default = "sign"


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    release = typer.Typer(
        cls=_RunOrVerb,
        help="Sign a run that passed its gates (assay release RUN), verify one, show the key.",
        no_args_is_help=True,
    )
    release.command()(sign)
    release.command()(verify)
    release.command()(key)
    app.add_typer(release, name="release")


def sign(
    run: Annotated[str, typer.Argument(help="A run: its folder, id, start of id, or name.")],
    override: Annotated[
        str | None, typer.Option(help="Release a held run for this reason, kept for ever.")
    ] = None,
    root: Annotated[str, typer.Option("--root", help="Where the runs lie.")] = "runs",
    as_json: JsonFlag = False,
) -> None:
    """Sign a run; a held run is refused (exit 3) unless --override gives the reason."""
    from assay.release import release_run
    from assay.runs import find_run

    found = find_run(root, run)
    if override is None:
        _refuse_overridden(found)
    signed = release_run(found, override=override)
    files, overrides = signed.manifest["files"], signed.manifest["overrides"]
    lines = [f"released  {signed.run.path}", f"files     {len(files)}, each with its SHA-256"]
    lines += [f"override  {entry['reason']}" for entry in overrides]
    lines += [f"signer    {signed.fingerprint}", f"report    {signed.run.report}"]
    value = {
        "run": signed.run.id,
        "path": str(signed.run.path),
        "signer": signed.key_id,
        "num_files": len(files),
        "overrides": overrides,
    }
    print_result(value, text="\n".join(lines), as_json=as_json)


def _refuse_overridden(run: RunFolder) -> None:
    """Say that a run was released by override before; to sign it anew takes a reason again."""
    from assay.errors import UsageError
    from assay.runs import summarize
    from assay.runs.find import read_or_empty

    if summarize(run).status != "overridden" or not run.signature.is_file():
        return
    last = read_or_empty(run.release)["overrides"][-1]
    raise UsageError(
        f"{run.path.name}: already released, by override on {last.get('created')}"
        f" ({last.get('reason')}); to sign it anew, give a reason again: --override"
    )


def verify(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A released run: folder, id, start of id, or name."),
    ],
    key_file: Annotated[
        Path | None,
        typer.Option("--key", help="PEM file of the only signer to accept."),
    ] = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> None:
    """Check signature, signer and every byte of a release; exit 3 when anything is wrong."""
    from assay.errors import Problem, UsageError
    from assay.release import verify_release

    if key_file is not None and not key_file.is_file():
        got, do = f"{str(key_file)!r}, where no file is", "correct the path"
        raise UsageError(Problem(got, "a PEM file with the signer's key", do, key="--key"))
    found = verify_release(_find_release(run, root), key_file=key_file)
    print_result(_describe(found), text=_render(found), as_json=as_json)
    if not found.ok:
        raise typer.Exit(EXIT_HELD)


def _find_release(wanted: str, root: str) -> Path:
    """The folder of a release, which need not be a run's own, or else that of the run so named.

    Raises:
        CheckpointError: there is neither.
    """
    from assay.errors import CheckpointError
    from assay.runs import find_run

    folder = Path(wanted)
    if (folder / "release.json").exists():
        return folder
    try:
        return find_run(root, wanted).path
    except CheckpointError:
        if folder.is_dir():
            return folder
        raise


def key(
    export: Annotated[
        Path | None, typer.Option(help="Write the public key to this file, for --key.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the public key that signs your releases; made on first use."""
    from assay.errors import UsageError
    from assay.release import load_or_make_key

    found = load_or_make_key()
    public = found.public
    if export is not None:
        try:
            with open(export, "x", encoding="ascii") as file:
                file.write(public.pem)
        except FileExistsError as error:
            raise UsageError(f"{export}: there is such a file already") from error
        except OSError as error:
            raise UsageError(f"{export}: cannot be written ({error.strerror})") from error
    value = {"key_id": public.key_id, "public_key": public.pem, "private_key_file": str(found.path)}
    lines = [f"fingerprint  {public.fingerprint}", f"private key  {found.path}", "", public.pem]
    lines += [f"written to {export}"] if export else []
    print_result(value, text="\n".join(lines), as_json=as_json)


def _describe(found: Verification) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "folder": str(found.folder),
        "run": found.run_id,
        "status": found.status,
        "created": found.created,
        "signer": found.signer.key_id if found.signer else None,
        "signer_checked": found.signer_checked,
        "num_files": found.num_files,
        "num_bytes": found.num_bytes,
        "overrides": found.overrides,
        "outside": found.outside,
        "problems": [vars(problem) for problem in found.problems],
    }


def _render(found: Verification) -> str:
    from assay.release.wording import size

    lines = [f"{'verified' if found.ok else 'NOT VERIFIED'}  {found.folder}"]
    lines += [f"  {one.kind:<9} {one.path}: {one.detail}" for one in found.problems]
    if found.num_files:
        lines.append(f"files     {found.num_files} ({size(found.num_bytes)}), {found.created}")
    lines += [f"override  {entry.get('reason')}" for entry in found.overrides]
    for name, count in found.outside.items():
        files = "1 file" if count == 1 else f"{count} files"
        lines.append(f"WARNING   {name} ({files}): not covered by the signature, do not rely on it")
    if found.signer is not None:
        lines.append(f"signer    {found.signer.fingerprint}")
        if not found.signer_checked:
            lines.append("          compare it with the one you know, or give --key FILE")
    return "\n".join(lines)
