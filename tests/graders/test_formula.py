"""Formulas of `multi`: the usual precedence, no Python, and no value but a finite real one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graders.formula import FormulaError, parse_formula


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("2 ^ -1", 0.5),
        ("8 / 4 / 2", 1),
        ("7 − 2 − 1", 4),
        ("min(a, b, 0.1) + max(a, b)", 0.85),
        ("abs(a - b) + floor(1.7) + ceil(1.2)", 3.5),
        ("exp(0) + sqrt(16) + log(1)", 5),
        ("1e2 * .5", 50),
        ("max(a)", 0.25),
    ],
)
def test_formulas_have_their_value(text: str, value: float) -> None:
    assert parse_formula(text).compute({"a": 0.25, "b": 0.75}) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["", "a +", "(a", "a b", "a ** 2", "a.real", "__import__('os')", "sqrt(1, 2)", "pow(a, 2)",
     "min()", "a[0]", "lambda: 1", "(" * 5000 + "1" + ")" * 5000, "1 if a else 2", "a, b"],
)  # fmt: skip
def test_nothing_else_is_a_formula(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


@pytest.mark.parametrize("text", ["1 / a", "log(a)", "sqrt(0 - 1)", "exp(1000)", "(0-1) ^ 0.5"])
def test_a_formula_without_a_finite_real_value_says_so(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text).compute({"a": 0.0})


numbers = st.floats(0.1, 9, allow_nan=False)
trees = st.recursive(
    numbers.map(lambda x: (f"{x!r}", x)) | st.just(("a", 0.5)),
    lambda inner: st.tuples(st.sampled_from("+-*/"), inner, inner).map(
        lambda t: (
            f"({t[1][0]} {t[0]} {t[2][0]})",
            {
                "+": t[1][1] + t[2][1],
                "-": t[1][1] - t[2][1],
                "*": t[1][1] * t[2][1],
                "/": t[1][1] / t[2][1] if t[2][1] else math.nan,
            }[t[0]],
        )
    ),
    max_leaves=8,
)


@given(trees)
def test_any_tree_has_the_value_that_arithmetic_gives_it(tree: tuple[str, float]) -> None:
    text, value = tree
    formula = parse_formula(text)
    if math.isfinite(value):
        assert formula.compute({"a": 0.5}) == pytest.approx(value, rel=1e-12)
    else:
        with pytest.raises(FormulaError):
            formula.compute({"a": 0.5})
