"""What a check is, how it tells that something is wrong, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai

if TYPE_CHECKING:
    from assay.serve.conformance.session import Session


class Failed(Exception):
    """The server does not do what the contract says; the message is one sentence."""


class Skipped(Exception):
    """It cannot be told from here; the message is one sentence that says why."""


@dataclass(frozen=True)
class Check:
    """One numbered check.

    Attributes:
        is_strict: whether a client that validates shapes is asked too; where not, the contract
            itself says that its types lack what servers answer.
        trains: whether jobs have to run to their ends, which takes minutes.
        is_last: whether it takes away what others need.
    """

    number: int
    title: str
    run: Callable[[Session], None]
    is_strict: bool = True
    trains: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a check in one mode: PASS, FAIL or SKIP, and why."""

    number: int
    title: str
    mode: str
    status: str
    reason: str
    duration_s: float


def check(number: int, title: str, **options: Any) -> Callable[[Callable[[Session], None]], Check]:
    """Make a function a check; `options` are attributes of `Check`."""
    return lambda run: Check(number, title, run, **options)


def expect(condition: object, reason: str) -> None:
    """Fail with `reason` unless the condition holds."""
    if not condition:
        raise Failed(reason)


def expect_equal(found: object, wanted: object, what: str) -> None:
    """Fail unless both are equal."""
    if found != wanted:
        raise Failed(f"{what} is {_shorten(found)}, not {_shorten(wanted)}.")


def expect_refused(
    call: Callable[[], object],
    kind: type[openai.APIStatusError],
    what: str,
    *,
    param: str | None = None,
    code: str | None = None,
) -> Any:
    """The refusal of `call`, which must be of `kind`; `param` and `code` are compared if given."""
    try:
        call()
    except kind as error:
        expect(error.code, f"{what}: the error has no code.")
        if param is not None:
            expect_equal(error.param, param, f"{what}: param")
        if code is not None:
            expect_equal(error.code, code, f"{what}: code")
        return error
    except openai.APIStatusError as error:
        told = f"{what} is answered by {error.status_code}, not by what becomes {kind.__name__}."
        raise Failed(told) from error
    raise Failed(f"{what} is not refused.")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
