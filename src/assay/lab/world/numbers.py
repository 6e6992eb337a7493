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
    more=(
        "I would like to know which is the greater number, {a} or {b}.",
        "Compare {a} and {b} and write the bigger one.",
        "Is {a} bigger, or is {b}? Write the bigger number.",
        "Could you say which of {a} and {b} is higher?",
        "Bigger one of {a} and {b}?",
        "Let me know the higher number of {a} and {b}.",
        "Maximum of {a} and {b}",
        "Look at {a} and {b}. Return the one with the greater value.",
        "Take {a} and {b}; pick the one that is more.",
        "max({a}, {b})",
        "Between {a} and {b}, what is the biggest?",
        "Here are two numbers, {a} and {b}. Show me the high one.",
        "I have {a} in one box and {b} in another. Where are more? Give the number.",
        "Choose the greater: {a} / {b}",
        "Task: find the bigger number. Numbers: {a}, {b}",
        "One shop has {a} chairs, the other {b}. Write the higher number.",
        "{a} and {b} are given. The greater one is?",
    ),
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
    more=(
        "I would like to know which is the lesser number, {a} or {b}.",
        "Compare {a} and {b} and write the lower one.",
        "Is {a} lower, or is {b}? Write the lower number.",
        "Could you say which of {a} and {b} is lower?",
        "Lower one of {a} and {b}?",
        "Let me know the lower number of {a} and {b}.",
        "Minimum of {a} and {b}",
        "Look at {a} and {b}. Return the one with the lower value.",
        "Take {a} and {b}; pick the one that is less.",
        "min({a}, {b})",
        "Between {a} and {b}, what is the smallest?",
        "Here are two numbers, {a} and {b}. Show me the low one.",
        "I have {a} in one box and {b} in another. Where are fewer? Give the number.",
        "Choose the lesser: {a} / {b}",
        "Task: find the lower number. Numbers: {a}, {b}",
        "One book has {a} pages, the other {b}. Write the lower number.",
        "{a} and {b} are given. The lower one is?",
    ),
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
    more=(
        "I would like to know the total of {a} and {b}.",
        "Take {a} and add {b} to it.",
        "Could you work out {a} + {b}?",
        "{a} and {b} together make how many?",
        "Let me know the result of {a} plus {b}.",
        "Total: {a} + {b}",
        "If I have {a} and get {b} more, how many is that?",
        "Calculate {a} plus {b}",
        "Put {a} and {b} together. Which number is that?",
        "I need the answer to {a} + {b}.",
        "Increase {a} by {b}.",
        "Start with {a}, go up by {b}. Where do you end?",
        "What do you get when {a} grows by {b}?",
        "Task: {a} plus {b}. Result?",
        "{a} + {b} makes what?",
        "Show me the sum: {a} and {b}",
        "From {a}, count on by {b}. Which number do you reach?",
    ),
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
    more=(
        "Could you carry on with this row by one more number?",
        "I would like to know how the row goes on.",
        "Let me know what follows the last number.",
        "What should stand after these numbers?",
        "One more number, please.",
        "How does it go on?",
        "Look at the steps between the numbers and write one more.",
        "The row is not finished. Which number is missing at the end?",
        "Keep counting in the same way: what do you get?",
        "Extend the row by a single number.",
        "I need the number after the last one.",
        "Following number?",
        "Say the number that you would count next.",
        "Work out the fifth number of this row.",
        "Return the number that should follow.",
        "See how the numbers grow. Then say which one is after them.",
        "Can you guess the number that goes after these?",
    ),
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
    more=(
        "I would like to know whether {n} is odd or even.",
        "Could you say if {n} is an odd number or an even one?",
        "{n} is even, or is it odd?",
        "Which is it for {n}: odd or even?",
        "Let me know what {n} is: even or odd",
        "Odd or even? {n}",
        "Answer with one word, even or odd: what is {n}?",
        "Look at the number {n} and choose: odd, even.",
        "What kind of number is {n}, odd or even?",
        "Do we call {n} odd or even?",
        "Think of {n} in pairs. Is it an odd or an even number?",
        "Task: say even or odd. Number: {n}",
        "Can {n} be halved with nothing left over? Write even if so, odd if not.",
        "I need one word for {n}: odd or even.",
        "Sort {n} into one of two groups, even or odd.",
        "Does {n} count as odd or as even?",
        "even/odd {n}",
    ),
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
    more=(
        "I would like to see {date} with the month spelled out.",
        "Could you write out the date {date}, with the month as a word?",
        "How do you say {date} with the name of the month?",
        "{date} in the long form",
        "Let me have {date} as day, month as a word, and year.",
        "Spell out the date {date}.",
        "Convert {date}: first the day, then the month name, then the year.",
        "ISO date: {date}. Date with month name?",
        "I need {date} in a form with a word for the month.",
        "Change the date {date} so that the month is a word.",
        "Show me {date} the way people write it in a letter, with the month name.",
        "Which date is {date}, written with the month in letters?",
        "Make {date} easy to read: day, month name, year.",
        "Express {date} in the long way.",
        "Task: write out this date with the month name. {date}",
        "Can you give {date} as a long date?",
        "Replace the month number in {date} by its name and put the day first.",
    ),
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
    more=(
        "I would like to have {date} as an ISO date.",
        "Could you write {date} only with numbers, in the order year, month, day?",
        "How does {date} look in ISO format?",
        "{date} in ISO format",
        "Let me have {date} as a date for the computer, YYYY-MM-DD.",
        "Convert {date} to YYYY-MM-DD",
        "Long date: {date}. YYYY-MM-DD?",
        "I need {date} in the ISO way of writing.",
        "Change {date} to digits and dashes, with the year at the start.",
        "Show {date} as year, month and day in numbers, with dashes.",
        "What is {date} in the format YYYY-MM-DD?",
        "Format {date} so that it follows ISO.",
        "Task: make an ISO date. {date}",
        "Can you put {date} into the form YYYY-MM-DD?",
        "Express {date} as numbers: first year, then month, then day, with dashes.",
        "The computer wants YYYY-MM-DD. What do I type for {date}?",
    ),
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
    more=(
        "I would like to know what year {date} falls in.",
        "Look at {date}. Which part is the year?",
        "Could you pick the year out of {date}?",
        "{date}: what year is that?",
        "Let me know the year that {date} belongs to.",
        "Take only the year from {date}",
        "Leave out day and month of {date}. What is left?",
        "I need the year from this date: {date}",
        "What year was written in {date}?",
        "Year? {date}",
        "Return the year of this day: {date}",
        "Something happens on {date}. What year is it then?",
        "Find the year in {date} and show it.",
        "Extract the year: {date}",
        "A letter has the date {date}. What year is it from?",
        "Task: year only. Date: {date}",
    ),
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
    more=(
        "I would like to know what month {date} falls in.",
        "Look at {date}. Which part is the month? Write its name.",
        "Could you say the name of the month in {date}?",
        "{date}: what month is that?",
        "Let me know the month that {date} belongs to.",
        "Take only the month from {date} and write its name",
        "Leave out day and year of {date}. What is the name of the month?",
        "I need the month name for this date: {date}",
        "What is the month called in {date}?",
        "Month? {date}",
        "Return the name of the month for this day: {date}",
        "Something happens on {date}. What month is it then?",
        "Find the month of {date} and show it as a word.",
        "The month name, please: {date}",
        "A letter has the date {date}. What month is it from?",
        "Task: month name only. Date: {date}",
    ),
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
    more=(
        "I would like to know what day it is one day after {day}.",
        "Could you say what day we have when {day} is over?",
        "It is {day} now. What will it be tomorrow?",
        "After {day} comes which day of the week?",
        "Next day: {day}",
        "Let me know the weekday right after {day}.",
        "One day later than {day}?",
        "{day} ends at midnight. What day starts then?",
        "Go one day on from {day}. Which day is it?",
        "{day} + one day = ?",
        "Yesterday was {day}. What day is today?",
        "I need the name of the day following {day}.",
        "What day do we write tomorrow if it is {day} today?",
        "My train leaves the day after {day}. On which weekday is that?",
        "Find the next day of the week: {day}",
        "Return the day that is next after {day}.",
        "The shop opens again a day after {day}. When does it open?",
    ),
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
    more=(
        "I would like to know what day it is one day before {day}.",
        "Could you say which day of the week {day} comes after?",
        "It is {day} now. What was it yesterday?",
        "Before {day} comes which day of the week?",
        "Previous day: {day}",
        "Let me know the weekday right before {day}.",
        "One day earlier than {day}?",
        "{day} starts at midnight. What day ends then?",
        "Go one day back from {day}. Which day is it?",
        "{day} - one day = ?",
        "Tomorrow is {day}. What day is today?",
        "I need the name of the day that {day} follows.",
        "What day did we write yesterday if it is {day} today?",
        "My train left the day before {day}. On which weekday was that?",
        "Find the previous day of the week: {day}",
        "Return the day that is just before {day}.",
        "The shop closed a day before {day}. When did it close?",
    ),
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
    more=(
        "I would like to know the place of {month} in the year, as a number.",
        "Could you say which number {month} has in the calendar?",
        "Count the months from January. At what number is {month}?",
        "{month} is month number what?",
        "Let me know the number that stands for {month}.",
        "In digits: {month}",
        "Which number do I write for {month} in a date?",
        "I need to know the number for the month {month}.",
        "Position of {month} among the twelve months",
        "Turn the month name {month} into a number.",
        "Convert {month} to its number",
        "A form asks for the month in digits. What do I write for {month}?",
        "If January is one, what is {month}?",
        "Month name: {month}. Month number?",
        "Can you give {month} as a number of the calendar?",
        "Show the number for {month}.",
        "Task: month to number. {month}",
    ),
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
