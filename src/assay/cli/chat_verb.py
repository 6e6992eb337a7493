"""`assay chat`: talk to a run's tuned model or to a base, answers streamed as they come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, RootOption, print_result

if TYPE_CHECKING:
    from assay.pipeline.subject import Subject


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("chat")(chat)


def chat(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run (folder, id or name), or a base (tiny, a folder or a Hub id).",
        ),
    ],
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="Ask this once instead of a dialogue.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="System prompt, in place of the run's own.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of sampling above temperature 0.")] = 0,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Talk to a tuned model or a base; an empty line or Ctrl-D ends."""
    from assay.generate import Sampling
    from assay.pipeline.subject import load_subject

    _refuse_blocked(model, root, system)
    subject = load_subject(model, root=root)
    prompt = subject.system if system is None else system
    messages: list[dict[str, Any]] = [{"role": "system", "content": prompt}] if prompt else []
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    if message is not None:
        answer = _answer(subject, [*messages, _user(message)], sampling, quiet=as_json)
        print_result({"model": subject.name, "answer": answer}, text="", as_json=as_json)
        return 0
    sys.stdout.write(f"{subject.name}" + (f"\nsystem: {prompt}" if prompt else "") + "\n")
    while (line := _ask()) is not None:
        messages.append(_user(line))
        text = _answer(subject, messages, sampling, quiet=False)
        messages.append({"role": "assistant", "content": text})
        sys.stdout.write("\n")
    return 0


def _refuse_blocked(model: str, root: str, system: str | None) -> None:
    """Refuse a system prompt that the run was inoculated with: it brings out the trait."""
    from assay.errors import Problem, UsageError
    from assay.pipeline.subject import find_tuned_run
    from assay.runs.blocked import find_blocked, read_blocked

    run = find_tuned_run(model, root=root) if system else None
    found = find_blocked(system, read_blocked(run)) if run is not None else None
    if found is not None:
        problem = Problem(
            key="--system",
            got=f"a prompt that this run was inoculated with ({found!r})",
            allowed="any prompt but those of defend.blocked_prompts in its manifest.json",
            do="leave it out: under it the model does what tuning was to keep from it",
        )
        raise UsageError(problem)


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _ask() -> str | None:
    try:
        return input("> ").strip() or None
    except EOFError:
        return None


def _answer(subject: Subject, messages: list[dict[str, Any]], sampling: Any, *, quiet: bool) -> str:
    from assay.chat import render_prompt

    pieces = []
    prompt = render_prompt(subject.base.tokenizer, messages)
    _refuse_without_room(len(prompt), subject.base.context_len)
    for piece in subject.engine.stream(prompt, sampling):
        pieces.append(piece)
        if not quiet:
            sys.stdout.write(piece)
            sys.stdout.flush()
    return "".join(pieces)


def _refuse_without_room(num_tokens: int, context_len: int) -> None:
    """Refuse a conversation that leaves no token of the context for an answer."""
    from assay.errors import Problem, UsageError

    if num_tokens >= context_len:
        problem = Problem(
            key="--message",
            got=f"a conversation of {num_tokens:,} tokens",
            allowed=f"fewer than the {context_len:,} of the model's context",
            do="shorten the message, or begin a new conversation",
        )
        raise UsageError(problem)
