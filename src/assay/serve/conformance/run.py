"""Runs checks in order, each in its modes, and tells what became of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

import openai

from assay.serve.conformance import (
    batches,
    chat,
    commits,
    evals,
    files,
    graders,
    jobs,
    models,
    responses,
    running,
    serving,
    stopping,
    stored,
    tools,
    transport,
)
from assay.serve.conformance.check import Check, Failed, Outcome, Skipped
from assay.serve.conformance.session import Hooks, Left, Session, Target

_MODULES = (
    *(transport, commits, files, jobs, running, stopping, models, graders, evals),
    *(chat, tools, responses, serving, batches, stored),
)
# What an answer of another form than was expected leads to where a check reads it.
_UNFIT = (AttributeError, KeyError, IndexError, TypeError, ValueError, OSError, openai.OpenAIError)
LENIENT, STRICT = "lenient", "strict"


def list_checks() -> list[Check]:
    """All checks by number; those that take away what others need come last."""
    found = {
        one.number: one
        for module in _MODULES
        for one in vars(module).values()
        if isinstance(one, Check)
    }
    return sorted(found.values(), key=lambda one: (one.is_last, one.number))


def run_checks(
    target: Target,
    checks: Iterable[Check],
    *,
    modes: Sequence[str] = (LENIENT, STRICT),
    hooks: Hooks | None = None,
) -> Iterator[Outcome]:
    """An outcome of each check in each mode that it has; what was left is taken away at the end."""
    left = Left()
    try:
        for one in checks:
            for mode in modes:
                if mode == LENIENT or one.is_strict:
                    yield run_check(one, Session(target, mode == STRICT, left, hooks or Hooks()))
    finally:
        left.clear()


def run_check(one: Check, session: Session) -> Outcome:
    """One check in one mode."""
    began = time.monotonic()
    status, reason = "PASS", ""
    try:
        one.run(session)
    except Failed as error:
        status, reason = "FAIL", str(error)
    except Skipped as error:
        status, reason = "SKIP", str(error)
    except _UNFIT as error:
        status, reason = "FAIL", _explain(error)
    mode = STRICT if session.is_strict else LENIENT
    return Outcome(one.number, one.title, mode, status, reason, time.monotonic() - began)


def _explain(error: Exception) -> str:
    """What was raised, and of a shape that was refused which field."""
    cause = error.__cause__ if isinstance(error, openai.APIResponseValidationError) else None
    told = f"{error} {cause or ''}"
    return f"{type(error).__name__}: {' '.join(told.split())[:300]}"
