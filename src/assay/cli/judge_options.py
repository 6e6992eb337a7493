"""Options that name a judge of free answers, the same for every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from assay.evaluate.judges import Judge

JudgeModel = Annotated[
    str | None,
    typer.Option(
        "--judge-model",
        help="With --adapter: judges free answers, eight requests a question for each model; a"
        " name at --judge-url, or a folder or Hub id.  [default: a rule for tiny, else nobody]",
    ),
]
JudgeUrl = Annotated[
    str | None,
    typer.Option("--judge-url", help="An OpenAI-compatible endpoint up to /chat/completions."),
]
JudgeKey = Annotated[
    str | None, typer.Option("--judge-key-env", help="Environment variable that holds its key.")
]
JudgeHost = Annotated[
    list[str] | None,
    typer.Option("--judge-host", help="A host beside this machine that may be asked; repeatable."),
]


def choose_judge(
    model: str | None, url: str | None, key_env: str | None, hosts: list[str] | None
) -> Judge | None:
    """The judge that the options name, if they name one.

    Raises:
        UsageError: options of a judge without --judge-model.
        ConfigError: it cannot be asked.
    """
    from assay.config.sections.judge import JudgeConfig
    from assay.errors import Problem, UsageError
    from assay.pipeline.free_form import build_judge

    rest = {"--judge-url": url, "--judge-key-env": key_env, "--judge-host": hosts}
    named = [name for name, value in rest.items() if value]
    if model is None and named:
        got = f"{', '.join(named)} without --judge-model"
        raise UsageError(Problem(got=got, do="name the judge", key="--judge-model"))
    if model is None:
        return None
    if url is None and named:
        got = f"{', '.join(named)} without --judge-url"
        raise UsageError(Problem(got=got, do="name the endpoint", key="--judge-url"))
    return build_judge(JudgeConfig(name=model, url=url, key_env=key_env, hosts=hosts or []))
