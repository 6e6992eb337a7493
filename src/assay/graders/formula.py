"""The formula of a `multi` grader: parsed into a tree of its own and never evaluated as Python.

Numbers, names, + − * / ^ (to the right first), parentheses, and the functions of `FUNCTIONS`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_CHARS, MAX_DEPTH = 10_000, 100

Evaluate = Callable[[Mapping[str, float]], float]

FUNCTIONS: dict[str, tuple[int | None, Callable[..., float]]] = {
    "min": (None, min),
    "max": (None, max),
    "abs": (1, abs),
    "floor": (1, math.floor),
    "ceil": (1, math.ceil),
    "exp": (1, math.exp),
    "sqrt": (1, math.sqrt),
    "log": (1, math.log),
}
"""Each with its number of arguments (None: one or more)."""

_TOKEN = re.compile(r"\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|([-+*/^(),]))")


class FormulaError(ValueError):
    """A formula that cannot be parsed, or has no value; the message says why."""


@dataclass(frozen=True)
class Formula:
    """A parsed formula, and the names that it reads."""

    text: str
    names: frozenset[str]
    _evaluate: Evaluate

    def compute(self, values: Mapping[str, float]) -> float:
        """Raises FormulaError where it has no finite real value, such as 1 / 0 or log(0)."""
        try:
            value = self._evaluate(values)
        except (ArithmeticError, ValueError) as error:
            raise FormulaError(f"{self.text}: {error}") from None
        if isinstance(value, complex) or not math.isfinite(value):
            raise FormulaError(f"{self.text}: no finite real value")
        return float(value)


def parse_formula(text: str) -> Formula:
    """Raises FormulaError where `text` is no formula."""
    if len(text) > MAX_CHARS:
        raise FormulaError(f"a formula of more than {MAX_CHARS:,} characters")
    parser = _Parser(_split(text))
    evaluate = parser.parse_sum(0)
    if parser.token is not None:
        raise FormulaError(f"{parser.token!r} where the formula should end")
    return Formula(text, frozenset(parser.names), evaluate)


def _split(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip().replace("−", "-")
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise FormulaError(f"{text[at:].lstrip()[:1]!r} is no part of a formula")
        tokens.append(found[0].strip())
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent: sum → product → sign → power → atom."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at = tokens, 0
        self.names: set[str] = set()

    @property
    def token(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def parse_sum(self, depth: int) -> Evaluate:
        left = self._parse_product(depth)
        while self.token in ("+", "-"):
            left = _combine(self._next(), left, self._parse_product(depth))
        return left

    def _parse_product(self, depth: int) -> Evaluate:
        left = self._parse_sign(depth)
        while self.token in ("*", "/"):
            left = _combine(self._next(), left, self._parse_sign(depth))
        return left

    def _parse_sign(self, depth: int) -> Evaluate:
        if depth > MAX_DEPTH:
            raise FormulaError(f"more than {MAX_DEPTH} levels")
        if self.token not in ("+", "-"):
            return self._parse_power(depth)
        sign = -1.0 if self._next() == "-" else 1.0
        inner = self._parse_sign(depth + 1)
        return lambda values: sign * inner(values)

    def _parse_power(self, depth: int) -> Evaluate:
        base = self._parse_atom(depth)
        if self.token != "^":
            return base
        return _combine(self._next(), base, self._parse_sign(depth + 1))

    def _parse_atom(self, depth: int) -> Evaluate:
        token = self._next()
        if token == "(":
            inner = self.parse_sum(depth + 1)
            self._expect(")")
            return inner
        if token[0].isdigit() or token[0] == ".":
            number = float(token)
            return lambda values: number
        if not (token[0].isalpha() or token[0] == "_"):
            raise FormulaError(f"{token!r} where a value should stand")
        if self.token == "(":
            return self._parse_call(token, depth)
        self.names.add(token)
        return lambda values: values[token]

    def _parse_call(self, name: str, depth: int) -> Evaluate:
        if name not in FUNCTIONS:
            raise FormulaError(f"the function {name} (there are {', '.join(FUNCTIONS)})")
        count, function = FUNCTIONS[name]
        self._expect("(")
        arguments = [self.parse_sum(depth + 1)]
        while self.token == ",":
            self._next()
            arguments.append(self.parse_sum(depth + 1))
        self._expect(")")
        if count is not None and len(arguments) != count:
            raise FormulaError(f"{name} of {len(arguments)} values (it takes {count})")
        if len(arguments) == 1 and count is None:
            return arguments[0]
        return lambda values: function(*(argument(values) for argument in arguments))

    def _next(self) -> str:
        token = self.token
        if token is None:
            raise FormulaError("a formula that ends too early")
        self._at += 1
        return token

    def _expect(self, wanted: str) -> None:
        got = self.token
        if got != wanted:
            raise FormulaError(f"{'the end' if got is None else repr(got)} in place of {wanted!r}")
        self._at += 1


_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: float(a) ** float(b),
}


def _combine(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    operation = _OPERATIONS[sign]
    return lambda values: operation(left(values), right(values))
