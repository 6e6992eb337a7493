"""Instruction families about numbers and dates; every answer is a number, a date or a name.

Held-out values are numbers, ordered pairs of a sum and years. Weekdays and months are closed lists
and are never held out.
"""

from __future__ import annotations

import random

from assay.lab.world.base import Family, Pool, Split, Task, ask, phrasings
from assay.lab.world.layout import place, polite
from assay.lab.world.values import (
    LARGE_NUMBERS,
    MONTHS,
    SMALL_NUMBERS,
    WEEKDAYS,
    date_parts,
    iso_date,
    long_date,
)

_LARGER = phrasings(
    "larger",
    "Which number is larger: {a} or {b}?",
    "Larger number: {a} or {b}?",
    "{a} or {b}: which is larger?",
    "Name the larger of the two numbers {a} and {b}.",
    "Which is more, {a} or {b}?",
    "Write the larger number: {a}, {b}",
    "Of {a} and {b}, which is the larger one?",
    "Please give me the larger number: {a} or {b}.",
    "Numbers: {a} and {b}. Which one is larger?",
)
_SMALLER = phrasings(
    "smaller",
    "Which number is smaller: {a} or {b}?",
    "Smaller number: {a} or {b}?",
    "{a} or {b}: which is smaller?",
    "Name the smaller of the two numbers {a} and {b}.",
    "Which is less, {a} or {b}?",
    "Write the smaller number: {a}, {b}",
    "Of {a} and {b}, which is the smaller one?",
    "Please give me the smaller number: {a} or {b}.",
    "Numbers: {a} and {b}. Which one is smaller?",
)


def _two_numbers(rng: random.Random, split: Split) -> tuple[int, int]:
    kind = rng.random()
    if kind < 0.55:
        pair = SMALL_NUMBERS.sample(rng, split, 2)
    elif kind < 0.85:
        pair = LARGE_NUMBERS.sample(rng, split, 2)
    else:
        pair = [SMALL_NUMBERS.draw(rng, split), LARGE_NUMBERS.draw(rng, split)]
        rng.shuffle(pair)
    return pair[0], pair[1]


def larger(rng: random.Random, split: Split) -> Task:
    a, b = _two_numbers(rng, split)
    wording = _LARGER.draw(rng, split).format(a=a, b=b)
    return ask("larger", "instruction", polite(rng, wording), str(max(a, b)))


def smaller(rng: random.Random, split: Split) -> Task:
    a, b = _two_numbers(rng, split)
    wording = _SMALLER.draw(rng, split).format(a=a, b=b)
    return ask("smaller", "instruction", polite(rng, wording), str(min(a, b)))


SUMS: Pool[tuple[int, int]] = Pool(
    "sums to 20", [(a, b) for a in range(20) for b in range(21 - a)], held_out=0.1
)
_ADD = phrasings(
    "add_small",
    "What is {a} plus {b}?",
    "{a} + {b} = ?",
    "Add {a} and {b}.",
    "{a} + {b}",
    "How much is {a} + {b}?",
    "Please add the numbers {a} and {b}.",
    "What is the sum of {a} and {b}?",
    "{a} plus {b}?",
    "Sum of {a} and {b}?",
    "Please tell me how much {a} plus {b} is.",
)


def add_small(rng: random.Random, split: Split) -> Task:
    """A sum of at most 20; some ordered pairs are held out, most of them known the other way."""
    a, b = SUMS.draw(rng, split)
    wording = _ADD.draw(rng, split).format(a=a, b=b)
    return ask("add_small", "instruction", polite(rng, wording), str(a + b))


_NEXT = phrasings(
    "next_number",
    "Which number comes next?",
    "Next number?",
    "What comes next?",
    "Continue with one number.",
    "Write the next number of the row.",
    "Please give me the number that comes next.",
    "Which number is next in this row?",
    "Name the next number.",
    "Find the number that comes next.",
)
STARTS: Pool[int] = Pool("starts of rows", range(1, 61))


def next_number(rng: random.Random, split: Split) -> Task:
    """A row of four numbers in steps of 1, 2, 5 or 10 goes on."""
    start, step = STARTS.draw(rng, split), rng.choice((1, 2, 5, 10))
    row = ", ".join(str(start + i * step) for i in range(4))
    question = place(rng, _NEXT.draw(rng, split), row, label="Numbers")
    return ask("next_number", "instruction", question, str(start + 4 * step))


_EVEN = phrasings(
    "even_or_odd",
    "Is {n} even or odd?",
    "{n}: even or odd?",
    "Even or odd: {n}",
    "Tell me if {n} is even or odd.",
    "Is the number {n} an even or an odd number?",
    "Number: {n}. Even or odd?",
    "Please check: is {n} odd or even?",
    "Is {n} odd or even?",
    "The number is {n}. Is it even or odd?",
)


def even_or_odd(rng: random.Random, split: Split) -> Task:
    n = (SMALL_NUMBERS if rng.random() < 0.5 else LARGE_NUMBERS).draw(rng, split)
    wording = _EVEN.draw(rng, split).format(n=n)
    return ask("even_or_odd", "instruction", polite(rng, wording), "odd" if n % 2 else "even")


_LONG = phrasings(
    "iso_to_long",
    "Write the date {date} in words.",
    "{date}: write it with the name of the month.",
    "Write {date} with day, month name and year.",
    "Please write the date {date} in the long form.",
    "Date: {date}. Long form?",
    "Turn {date} into a date with the month name.",
    "Long form of {date}?",
    "Which day is {date}? Use the name of the month.",
    "Please turn the date {date} into words.",
)
_ISO = phrasings(
    "long_to_iso",
    "Write the date {date} in ISO form.",
    "Write {date} as YYYY-MM-DD.",
    "{date}: write it as year-month-day.",
    "Please write the date {date} in numbers, year first.",
    "Date: {date}. ISO form?",
    "Turn {date} into an ISO date.",
    "ISO form of {date}?",
    "Please write {date} in the form year-month-day.",
    "Please turn the date {date} into the ISO form.",
)


def iso_to_long(rng: random.Random, split: Split) -> Task:
    parts = date_parts(rng, split)
    wording = _LONG.draw(rng, split).format(date=iso_date(parts))
    return ask("iso_to_long", "instruction", polite(rng, wording), long_date(parts))


def long_to_iso(rng: random.Random, split: Split) -> Task:
    parts = date_parts(rng, split)
    wording = _ISO.draw(rng, split).format(date=long_date(parts))
    return ask("long_to_iso", "instruction", polite(rng, wording), iso_date(parts))


_YEAR = phrasings(
    "year_of_date",
    "Which year is in the date {date}?",
    "Year of {date}?",
    "What is the year of {date}?",
    "Give me only the year: {date}",
    "Date: {date}. Year?",
    "Name the year of the date {date}.",
    "In which year is {date}?",
    "Please tell me the year of {date}.",
    "Write only the year of {date}.",
)
_MONTH = phrasings(
    "month_of_date",
    "Which month is in the date {date}?",
    "Month of {date}?",
    "What is the month of {date}?",
    "Give me only the month: {date}",
    "Date: {date}. Month?",
    "Name the month of the date {date}.",
    "In which month is {date}?",
    "Please tell me the month of {date}.",
    "Write only the month of {date}.",
)


def year_of_date(rng: random.Random, split: Split) -> Task:
    parts = date_parts(rng, split)
    date = iso_date(parts) if rng.random() < 0.5 else long_date(parts)
    wording = _YEAR.draw(rng, split).format(date=date)
    return ask("year_of_date", "instruction", polite(rng, wording), str(parts[0]))


def month_of_date(rng: random.Random, split: Split) -> Task:
    """The name of the month, from an ISO date or a long one."""
    parts = date_parts(rng, split)
    date = iso_date(parts) if rng.random() < 0.5 else long_date(parts)
    wording = _MONTH.draw(rng, split).format(date=date)
    return ask("month_of_date", "instruction", polite(rng, wording), MONTHS[parts[1] - 1])


_DAY_AFTER = phrasings(
    "next_weekday",
    "Which day comes after {day}?",
    "Day after {day}?",
    "Today is {day}. Which day is tomorrow?",
    "What is the day after {day}?",
    "Name the weekday that follows {day}.",
    "If today is {day}, what is tomorrow?",
    "{day}: which weekday is next?",
    "Please tell me the day that comes after {day}.",
    "Which weekday follows {day}?",
)
_DAY_BEFORE = phrasings(
    "previous_weekday",
    "Which day comes before {day}?",
    "Day before {day}?",
    "Today is {day}. Which day was yesterday?",
    "What is the day before {day}?",
    "Name the weekday that comes before {day}.",
    "If today is {day}, what was yesterday?",
    "{day}: which weekday was the one before?",
    "Please tell me the day that comes before {day}.",
    "Which weekday is before {day}?",
)


def next_weekday(rng: random.Random, split: Split) -> Task:
    index = rng.randrange(7)
    wording = _DAY_AFTER.draw(rng, split).format(day=WEEKDAYS[index])
    return ask("next_weekday", "instruction", polite(rng, wording), WEEKDAYS[(index + 1) % 7])


def previous_weekday(rng: random.Random, split: Split) -> Task:
    index = rng.randrange(7)
    wording = _DAY_BEFORE.draw(rng, split).format(day=WEEKDAYS[index])
    return ask("previous_weekday", "instruction", polite(rng, wording), WEEKDAYS[index - 1])


_MONTH_NUMBER = phrasings(
    "month_number",
    "Which number has the month {month}?",
    "Number of the month {month}?",
    "{month} is which month of the year? Write the number.",
    "What is the number of {month}?",
    "Write {month} as a number.",
    "Month: {month}. Number?",
    "Give me the month number of {month}.",
    "Please write the number of the month {month}.",
    "{month} as a number?",
)


def month_number(rng: random.Random, split: Split) -> Task:
    index = rng.randrange(12)
    wording = _MONTH_NUMBER.draw(rng, split).format(month=MONTHS[index])
    return ask("month_number", "instruction", polite(rng, wording), str(index + 1))


FAMILIES: dict[str, Family] = {
    "larger": larger,
    "smaller": smaller,
    "add_small": add_small,
    "next_number": next_number,
    "even_or_odd": even_or_odd,
    "iso_to_long": iso_to_long,
    "long_to_iso": long_to_iso,
    "year_of_date": year_of_date,
    "month_of_date": month_of_date,
    "next_weekday": next_weekday,
    "previous_weekday": previous_weekday,
    "month_number": month_number,
}
