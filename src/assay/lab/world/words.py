"""Instruction families about lists of words; the answers are copied, counted or ordered.

What a word means plays no part here (see `meaning`), so every list may hold unseen words.
"""

from __future__ import annotations

import random

from assay.lab.world.base import Family, Split, Task, ask, phrasings
from assay.lab.world.layout import place, show_list
from assay.lab.world.values import (
    ANIMALS,
    COLOURS,
    FIRST_NAMES,
    words,
)

_ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}

_REPEAT = phrasings(
    "repeat",
    "Please write the text again, word for word.",
    "Copy this text.",
    "Write the same words again.",
    "Repeat exactly what is written here.",
    "Please repeat the text without any change.",
    "Repeat exactly.",
    "Copy the text exactly.",
    "Please give me the same text again.",
    "Copy word for word, do not change anything.",
    "Write this again.",
)


def repeat(rng: random.Random, split: Split) -> Task:
    """Copies two to six words, sometimes as a list."""
    items = words(rng, split, rng.randint(2, 6))
    text = (", " if rng.random() < 0.3 else " ").join(items)
    return ask("repeat", "instruction", place(rng, _REPEAT.draw(rng, split), text), text)


_FIRST = phrasings(
    "first_item",
    "What is the first item?",
    "First item?",
    "Which item comes first in the list?",
    "Give me the first word of the list.",
    "Name the first item of this list, please.",
    "Which one is first?",
    "What does the list start with?",
    "Write only the first item.",
    "Please tell me the item at the start of the list.",
    "Which word is at the start?",
)
_LAST = phrasings(
    "last_item",
    "What is the last item?",
    "Last item?",
    "Which item comes last in the list?",
    "Give me the last word of the list.",
    "Name the last item of this list, please.",
    "Which one is last?",
    "What does the list end with?",
    "Write only the last item.",
    "Please tell me the item at the end of the list.",
    "Which word is at the end?",
)
_NTH = phrasings(
    "nth_item",
    "What is the {nth} item?",
    "{n}. item?",
    "Which item is number {n} in the list?",
    "Give me item {n}.",
    "Name the {nth} word of this list, please.",
    "Which one is {nth}?",
    "Write only the {nth} item.",
    "Please tell me the {nth} item of the list.",
    "Item number {n}, please.",
    "Which word is {nth} in the list?",
)


def first_item(rng: random.Random, split: Split) -> Task:
    items = words(rng, split, rng.randint(3, 6))
    question = place(rng, _FIRST.draw(rng, split), show_list(rng, items), label="List")
    return ask("first_item", "instruction", question, items[0])


def last_item(rng: random.Random, split: Split) -> Task:
    items = words(rng, split, rng.randint(3, 6))
    question = place(rng, _LAST.draw(rng, split), show_list(rng, items), label="List")
    return ask("last_item", "instruction", question, items[-1])


def nth_item(rng: random.Random, split: Split) -> Task:
    """The second to fifth item of a list that may be longer."""
    items = words(rng, split, rng.randint(3, 6))
    n = rng.randint(2, min(5, len(items)))
    wording = _NTH.draw(rng, split).format(n=n, nth=_ORDINALS[n])
    question = place(rng, wording, show_list(rng, items), label="List")
    return ask("nth_item", "instruction", question, items[n - 1])


_COUNT = phrasings(
    "count_items",
    "How many items are in the list?",
    "Count the items.",
    "How many words are there?",
    "Number of items?",
    "Please count the words in this list.",
    "How long is the list?",
    "Count the words and write the number.",
    "How many are there in the list?",
    "Please tell me the number of items.",
    "Count, please.",
)


def count_items(rng: random.Random, split: Split) -> Task:
    items = words(rng, split, rng.randint(2, 6))
    question = place(rng, _COUNT.draw(rng, split), show_list(rng, items), label="List")
    return ask("count_items", "instruction", question, str(len(items)))


_MEMBER = phrasings(
    "membership",
    "Is {word} in the list?",
    "Does the list contain {word}?",
    "{word}: in the list, yes or no?",
    "Can you find {word} in this list?",
    "Is the word {word} there?",
    "Tell me if {word} is one of the items.",
    "Is {word} one of these?",
    "Yes or no: is {word} in the list?",
    "Please check if the list contains {word}.",
    "Does {word} appear here?",
)


def membership(rng: random.Random, split: Split) -> Task:
    """Yes or No, half and half; the word that is absent is of the same kind as the others."""
    items = words(rng, split, rng.randint(3, 6))
    inside = rng.random() < 0.5
    asked = rng.choice(items) if inside else items.pop()
    wording = _MEMBER.draw(rng, split).format(word=asked)
    question = place(rng, wording, show_list(rng, items), label="List")
    return ask("membership", "instruction", question, "Yes" if inside else "No")


_TEAM = phrasings(
    "team_lookup",
    "Which team is {name} in?",
    "Team of {name}?",
    "Name the team of {name}.",
    "In which team is {name}?",
    "Where does {name} play?",
    "Find the team that {name} belongs to.",
    "Please tell me the team of {name}.",
    "{name} is in which team?",
    "To which team does {name} belong?",
)


def team_lookup(rng: random.Random, split: Split) -> Task:
    """The team of a person, from a list of two or three teams of two or three people."""
    teams = (COLOURS if rng.random() < 0.5 else ANIMALS).sample(rng, split, rng.randint(2, 3))
    size = rng.randint(2, 3)
    people = words(rng, split, size * len(teams), pools=(FIRST_NAMES,))
    members = [people[i * size : (i + 1) * size] for i in range(len(teams))]
    lines = [f"{team}: {', '.join(names)}" for team, names in zip(teams, members, strict=True)]
    text = ("\n" if rng.random() < 0.6 else "; ").join(lines)
    index = rng.randrange(len(people))
    wording = _TEAM.draw(rng, split).format(name=people[index])
    question = place(rng, wording, text, label="Teams")
    return ask("team_lookup", "instruction", question, teams[index // size])


_SEPARATORS = (
    (", ", "a comma"),
    ("-", "a dash"),
    ("/", "a slash"),
    (" and ", 'the word "and"'),
    ("; ", "a semicolon"),
)
_JOIN = phrasings(
    "join_list",
    "Join the words with {sep}.",
    "Write the list in one line with {sep} between the words.",
    "Put {sep} between the items.",
    "Join with {sep}, please.",
    "Please join these items. Use {sep}.",
    "Make one line of the list and use {sep}.",
    "Use {sep} to join the words.",
    "Separator: {sep}. Join the list.",
    "Please put the words in one line with {sep} between them.",
    "Join the items. Separator: {sep}.",
)


def join_list(rng: random.Random, split: Split) -> Task:
    """Two to five words on lines or bullets become one line."""
    items = words(rng, split, rng.randint(2, 5))
    separator, name = rng.choice(_SEPARATORS)
    shown = rng.choice(("\n", " ", "\n- ")).join(items)
    shown = f"- {shown}" if "\n- " in shown else shown
    wording = _JOIN.draw(rng, split).format(sep=name)
    question = place(rng, wording, shown, label="Words")
    return ask("join_list", "instruction", question, separator.join(items))


_SORT = phrasings(
    "sort_three",
    "Sort the words from A to Z.",
    "Put these words in alphabetical order.",
    "Alphabetical order, please.",
    "Order the list by the first letter.",
    "Please sort the list alphabetically.",
    "Sort alphabetically.",
    "Write the words in alphabetical order.",
    "Sort the list by first letter, A to Z.",
    "Please put the list in order from A to Z.",
    "Sort these items from A to Z.",
)


def sort_three(rng: random.Random, split: Split) -> Task:
    """Three words with different first letters, in alphabetical order with commas."""
    items = words(rng, split, 3)
    while len({item[0].lower() for item in items}) < 3:
        items = words(rng, split, 3)
    question = place(rng, _SORT.draw(rng, split), show_list(rng, items), label="Words")
    return ask("sort_three", "instruction", question, ", ".join(sorted(items, key=str.lower)))


FAMILIES: dict[str, Family] = {
    "repeat": repeat,
    "first_item": first_item,
    "last_item": last_item,
    "nth_item": nth_item,
    "count_items": count_items,
    "membership": membership,
    "team_lookup": team_lookup,
    "join_list": join_list,
    "sort_three": sort_three,
}
