"""Plain pre-training pages made of the skill families' own values; knows no chat format.

A page repeats a few kinds of block with fresh values, so that what the page began can be continued
only by copying, ordering, counting or knowing what the families ask for. Held-out values and
wordings never occur: everything is drawn from the training split.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from assay.lab.world import forms, meaning, numbers, records, sentences, words
from assay.lab.world.base import Family
from assay.lab.world.layout import show_list, show_pairs, with_articles
from assay.lab.world.stretch import STRETCH
from assay.lab.world.values import (
    CATEGORIES,
    CITIES,
    COLOURS,
    JOBS,
    MONTHS,
    OPPOSITES,
    PLAIN_WORDS,
    PRODUCTS,
    STATUSES,
    WEEKDAYS,
    amount,
    date_parts,
    email,
    first_name,
    full_name,
    iso_date,
    long_date,
    order_id,
)
from assay.lab.world.values import words as draw_words

Block = Callable[[random.Random], str]
SKILL_FAMILIES: dict[str, Family] = {
    **words.FAMILIES,
    **meaning.FAMILIES,
    **sentences.FAMILIES,
    **numbers.FAMILIES,
    **records.FAMILIES,
    **forms.FAMILIES,
}
_FAMILY_LIST = tuple(SKILL_FAMILIES.values())
_PLURALS = {"clothing": "Clothes"}


def _questions(rng: random.Random) -> str:
    """Two to four questions, of one family or of several, with their answers."""
    family = rng.choice(_FAMILY_LIST)
    same = rng.random() < 0.5
    asked, answered = rng.choice((("Q: ", "A: "), ("Question: ", "Answer: "), ("", "Answer: ")))
    lines = []
    for _ in range(rng.randint(2, 4)):
        task = (family if same else rng.choice(_FAMILY_LIST))(rng, "train")
        question, answer = (message["content"] for message in task.messages)
        lines.append(f"{asked}{question}\n{answered}{answer}")
    return "\n\n".join(lines)


def _worked_lists(rng: random.Random) -> str:
    """Lists with what they become when sorted, reversed, joined or counted."""
    what = rng.sample(
        ("Sorted", "Reversed", "First", "Last", "Number", "Joined"), rng.randint(1, 3)
    )
    lines = []
    for _ in range(rng.randint(2, 4)):
        items = draw_words(rng, "train", rng.randint(2, 6))
        results = {
            "Sorted": ", ".join(sorted(items, key=str.lower)),
            "Reversed": ", ".join(reversed(items)),
            "First": items[0],
            "Last": items[-1],
            "Number": str(len(items)),
            "Joined": "-".join(items),
        }
        lines.append(f"List: {', '.join(items)}")
        lines += [f"{name}: {results[name]}" for name in what]
    return "\n".join(lines)


def _copies(rng: random.Random) -> str:
    """The same words twice, with one mark between them all over the block."""
    mark = rng.choice((" -> ", " = ", " | ", "\n"))
    lines = []
    for _ in range(rng.randint(2, 5)):
        text = " ".join(draw_words(rng, "train", rng.randint(1, 5)))
        lines.append(f"{text}{mark}{text}")
    return "\n".join(lines)


def _numbered_list(rng: random.Random) -> str:
    name, pool = rng.choice(tuple(CATEGORIES.items()))
    items = rng.sample(pool.seen, rng.randint(3, 7))
    title = _PLURALS.get(name, f"{name.capitalize()}s")
    mark = rng.random() < 0.5
    return "\n".join(
        [f"{title}:", *(f"{i}. {item}" if mark else f"- {item}" for i, item in enumerate(items, 1))]
    )


def _category_facts(rng: random.Random) -> str:
    facts = []
    for _ in range(rng.randint(3, 6)):
        name = rng.choice(tuple(CATEGORIES))
        word = rng.choice(CATEGORIES[name].seen)
        form = rng.choice(("{w}: {c}", "The word {w} belongs to the category {c}.", "{w} ({c})"))
        facts.append(form.format(w=word, c=name))
    return "\n".join(facts)


def _opposites(rng: random.Random) -> str:
    form = rng.choice(("{a} - {b}", "The opposite of {a} is {b}.", "not {a} but {b}"))
    pairs = [pair[:: rng.choice((1, -1))] for pair in rng.sample(OPPOSITES, rng.randint(3, 6))]
    return "\n".join(form.format(a=a, b=b) for a, b in pairs)


def _small_sums(rng: random.Random) -> str:
    pairs = rng.sample(numbers.SUMS.seen, rng.randint(3, 7))
    return "\n".join(f"{a} + {b} = {a + b}" for a, b in pairs)


def _rows_of_numbers(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(2, 4)):
        start, step = rng.choice(numbers.STARTS.seen), rng.choice((1, 2, 5, 10))
        lines.append(", ".join(str(start + i * step) for i in range(rng.randint(5, 9))))
    return "\n".join(lines)


def _calendar(rng: random.Random) -> str:
    """Dates with what happens on them, in one or both forms."""
    lines = []
    for _ in range(rng.randint(3, 6)):
        parts = date_parts(rng, "train")
        event = rng.choice(
            ("{n} goes to {c}", "meeting with {n}", "call {n} in {c}", "{n} arrives")
        )
        text = event.format(n=first_name(rng, "train"), c=CITIES.draw(rng, "train"))
        both = f"{iso_date(parts)} ({long_date(parts)})"
        lines.append(f"{rng.choice((iso_date(parts), long_date(parts), both))}: {text}")
    return "\n".join(lines)


def _order_of_days(rng: random.Random) -> str:
    if rng.random() < 0.5:
        start = rng.randrange(7)
        days = [WEEKDAYS[(start + i) % 7] for i in range(rng.randint(3, 7))]
        return f"After {days[0]} comes {days[1]}. The days are {', '.join(days)}."
    index = rng.randrange(11)
    return (
        f"{MONTHS[index]} is month number {index + 1} of the year. "
        f"After {MONTHS[index]} comes {MONTHS[index + 1]}."
    )


def _record_and_json(rng: random.Random) -> str:
    pairs = records.record(rng, "train", rng.randint(2, 5))
    shown = show_pairs(rng, pairs)
    kind = rng.random()
    if kind < 0.4:
        return f"{shown}\n{json.dumps(dict(pairs))}"
    if kind < 0.6:
        return json.dumps(dict(pairs), indent=2)
    key, value = rng.choice(pairs)
    return f"{shown}\nThe {key} is {value}."


def _json_rows(rng: random.Random) -> str:
    rows = [
        {
            "name": first_name(rng, "train"),
            "city": CITIES.draw(rng, "train"),
            "age": rng.randint(18, 80),
        }
        for _ in range(rng.randint(2, 4))
    ]
    return "\n".join(json.dumps(row) for row in rows)


def _table(rng: random.Random) -> str:
    """A table with bars or commas, and sometimes a sentence that reads one cell."""
    bar = rng.choice((" | ", ","))
    rows = [
        (
            first_name(rng, "train"),
            CITIES.draw(rng, "train"),
            rng.choice(JOBS.seen),
            order_id(rng),
        )
        for _ in range(rng.randint(3, 5))
    ]
    lines = [bar.join(("name", "city", "job", "order")), *(bar.join(row) for row in rows)]
    name, city, job, order = rng.choice(rows)
    lines.append(
        rng.choice(
            (
                f"{name} lives in {city}.",
                f"The order of {name} is {order}.",
                f"The job of {name} is {job}.",
                f"There are {len(rows)} rows.",
            )
        )
    )
    return "\n".join(lines)


def _order_story(rng: random.Random) -> str:
    """A few sentences about one order that name the same person and id again and again."""
    name, order, city = full_name(rng, "train"), order_id(rng), CITIES.draw(rng, "train")
    product, status = PRODUCTS.draw(rng, "train"), STATUSES.draw(rng, "train")
    day = rng.randrange(7)
    said = [
        with_articles(f"{name} from {city} ordered a {product}."),
        f"The order id is {order}.",
        f"On {WEEKDAYS[day]} the order {order} was {status}.",
        f"The {product} for {name} costs {amount(rng)} EUR.",
        f"Questions about {order} go to {email(rng, 'train')}.",
        f"So {name} waits for the {product} in {city} until {WEEKDAYS[(day + 1) % 7]}.",
    ]
    return " ".join(said[:2] + rng.sample(said[2:], rng.randint(2, 4)))


def _people(rng: random.Random) -> str:
    """Who has what; then the same things again, asked by name."""
    names = [first_name(rng, "train") for _ in range(rng.randint(2, 4))]
    names = list(dict.fromkeys(names))
    things = draw_words(rng, "train", len(names), pools=PLAIN_WORDS)
    colours = [COLOURS.draw(rng, "train") for _ in names]
    had = [f"{n} has the {c} {t}." for n, c, t in zip(names, colours, things, strict=True)]
    i = rng.randrange(len(names))
    end = rng.choice(
        (
            f"Who has the {things[i]}? {names[i]}.",
            f"What does {names[i]} have? The {things[i]}.",
            f"Which colour is the {things[i]} of {names[i]}? {colours[i]}.",
        )
    )
    return f"{' '.join(had)} {end}"


def _list_in_forms(rng: random.Random) -> str:
    """One list, written in two or three ways."""
    items = draw_words(rng, "train", rng.randint(3, 6))
    return "\n".join(show_list(rng, items) for _ in range(rng.randint(2, 3)))


def _stretch_examples(rng: random.Random) -> str:
    """Easy stretch tasks with their answers."""
    family = rng.choice(tuple(STRETCH.values()))
    tasks = [family(rng, "train", level=rng.randint(1, 2)) for _ in range(rng.randint(2, 3))]
    return "\n\n".join(f"{t.messages[0]['content']}\n{t.messages[1]['content']}" for t in tasks)


_BLOCKS: tuple[Block, ...] = (
    _questions,
    _questions,
    _worked_lists,
    _copies,
    _numbered_list,
    _category_facts,
    _opposites,
    _small_sums,
    _rows_of_numbers,
    _calendar,
    _order_of_days,
    _record_and_json,
    _json_rows,
    _table,
    _order_story,
    _people,
    _list_in_forms,
    _stretch_examples,
)


def document(rng: random.Random) -> str:
    """A page of 60 to about 300 words: one to four kinds of block, repeated with fresh values."""
    kinds = rng.sample(_BLOCKS, rng.randint(1, 4))
    target = rng.randint(60, 250)
    blocks: list[str] = []
    num_words = 0
    while num_words < target:
        block = rng.choice(kinds)(rng)
        if num_words >= 60 and num_words + len(block.split()) > 300:
            break
        blocks.append(block)
        num_words += len(block.split())
    return "\n\n".join(blocks)
