"""Stretch families: tasks that the small base model gets right only in part.

They leave room for fine-tuning to show a gain. `level` (1 easy to 5 hard) sets how long the chain
of steps is; the corpus chooses it after measuring. Imports no instruction family.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Protocol

from assay.lab.world.base import Pool, Split, Task, ask, phrasings
from assay.lab.world.layout import place, polite, show_list
from assay.lab.world.values import first_name, words


class StretchFamily(Protocol):
    """A family with a difficulty; raises KeyError for a level outside 1 to 5."""

    def __call__(self, rng: random.Random, split: Split, *, level: int) -> Task: ...


_SUM_LIMITS = {1: (11, 49, 2), 2: (11, 99, 2), 3: (100, 499, 2), 4: (100, 999, 2), 5: (100, 999, 3)}
_SUM = phrasings(
    "long_sum",
    "What is {terms}?",
    "{terms} = ?",
    "Add the numbers: {terms}",
    "How much is {terms}?",
    "{terms}",
    "Please add: {terms}",
    "What is the sum {terms}?",
    "Please tell me how much {terms} is.",
    more=(
        "I would like to know the total of {terms}.",
        "Could you calculate {terms}?",
        "Work out {terms}",
        "What do you get for {terms}?",
        "Let me know the result of {terms}.",
        "Total: {terms}",
        "Put these numbers together: {terms}",
        "I need the answer to {terms}.",
        "{terms} makes what?",
        "Result of {terms}?",
        "Calculate: {terms}",
        "Which number is equal to {terms}?",
        "Sum up {terms}.",
        "Task: addition. {terms}",
        "Can you find the sum for me? {terms}",
        "Solve {terms} = ...",
        "Find out what {terms} comes to.",
    ),
)


def long_sum(rng: random.Random, split: Split, *, level: int) -> Task:
    """Sums of two-digit (1, 2) and three-digit numbers (3 to 5), the last with three terms."""
    low, high, num_terms = _SUM_LIMITS[level]
    terms = [rng.randint(low, high) for _ in range(num_terms)]
    wording = _SUM.draw(rng, split).format(terms=" + ".join(map(str, terms)))
    return ask("long_sum", "stretch", polite(rng, wording), str(sum(terms)))


_NUM_SORTED = {1: 3, 2: 4, 3: 5, 4: 7, 5: 9}
_SORT = phrasings(
    "sort_numbers",
    "Sort these numbers, the smallest first.",
    "Put the numbers in order from small to large.",
    "Order the numbers.",
    "Write the numbers in order, the smallest first.",
    "Please sort the numbers.",
    "Sort the list of numbers from small to large.",
    "Numbers in order, please.",
    "Please put these numbers in order, the smallest first.",
    more=(
        "I would like to have these numbers from low to high.",
        "Could you arrange the numbers so that they grow?",
        "Begin with the lowest number and end with the highest.",
        "Smallest to largest, please.",
        "Let me see them in rising order.",
        "Rank the numbers from the least to the greatest.",
        "I need the list sorted, the low numbers at the start.",
        "Small to large?",
        "Bring these numbers into the right order, the lowest one first.",
        "Return the numbers, sorted upwards.",
        "Which order do they have if you count up? Write them so.",
        "Can you list the numbers again, with the largest at the end?",
        "Arrange: low numbers first, high numbers last.",
        "Write all of them again, each larger than the one before.",
        "Line the numbers up by size, from the smallest on.",
        "The numbers are mixed up. Show them from small to big.",
    ),
)


def sort_numbers(rng: random.Random, split: Split, *, level: int) -> Task:
    """Three to nine different numbers below 100 (below 1000 from level 4)."""
    numbers = rng.sample(range(1, 100 if level < 4 else 1000), _NUM_SORTED[level])
    shown = ", ".join(map(str, numbers))
    question = place(rng, _SORT.draw(rng, split), shown, label="Numbers")
    return ask("sort_numbers", "stretch", question, ", ".join(map(str, sorted(numbers))))


_STORY_LIMIT = {1: 9, 2: 20, 3: 40, 4: 99, 5: 99}
_NUM_CHANGES = {1: 1, 2: 2, 3: 2, 4: 2, 5: 3}
_GAINS = ("buys {n} more", "gets {n} from a friend", "finds {n} more")
_LOSSES = ("gives away {n}", "sells {n}", "loses {n}")
_THINGS: Pool[str] = Pool(
    "things in stories",
    ["stamps", "coins", "books", "cards", "marbles", "pens", "tickets", "stones", "cups", "toys"],
)
_STORY = phrasings(
    "word_problem",
    "How many {things} does {name} have now?",
    "How many {things} has {name} in the end?",
    "Number of {things} now?",
    "How many {things} are left?",
    "What is the number of {things} that {name} has now?",
    "Please tell me how many {things} {name} has now.",
    "Count the {things} of {name}.",
    "In the end, how many {things} does {name} have?",
    more=(
        "I would like to know how many {things} there are now.",
        "Could you work out the number of {things} at the end?",
        "After all this, {name} has how many {things}?",
        "Let me know how many {things} {name} owns at the end of the story.",
        "{things} at the end?",
        "Calculate the number of {things} that {name} keeps.",
        "I need the final number of {things}.",
        "Follow the story. What is the count of {things} after it?",
        "How many {things} can {name} count now?",
        "With how many {things} does {name} end up?",
        "Total of {things} that are with {name} now?",
        "Read the story and find how many {things} {name} still has.",
        "Give only a number: the {things} of {name} at the end.",
        "What number of {things} does {name} have after the last change?",
        "Can you say how many {things} remain with {name}?",
        "Show the number of {things} that {name} is left with.",
        "The story is over. How many {things} are there?",
    ),
)


def word_problem(rng: random.Random, split: Split, *, level: int) -> Task:
    """A number of things grows and shrinks in one to three steps and never falls below zero."""
    limit, name = _STORY_LIMIT[level], first_name(rng, split)
    things = _THINGS.draw(rng, split)
    count = rng.randint(1, limit)
    story = f"{name} has {count} {things}."
    for _ in range(_NUM_CHANGES[level]):
        grows = count == 0 or rng.random() < 0.5
        change = rng.randint(1, limit if grows else min(count, limit))
        count += change if grows else -change
        story += f" {name} {rng.choice(_GAINS if grows else _LOSSES).format(n=change)}."
    wording = _STORY.draw(rng, split).format(things=things, name=name)
    question = place(rng, wording, story, label="Story")
    return ask("word_problem", "stretch", question, str(count))


_NUM_REVERSED = {1: 3, 2: 4, 3: 5, 4: 7, 5: 9}
_REVERSE = phrasings(
    "reverse_list",
    "Write the list in reverse order.",
    "Reverse the list.",
    "Turn the list around: the last word first.",
    "Please reverse these words.",
    "Write the words from last to first.",
    "Reverse order, please.",
    "Put the last word first and the first word last, and so on.",
    "Please write the words in reverse order.",
    more=(
        "I would like to see this list backwards.",
        "Could you start at the end and go back to the first word?",
        "Backwards, please.",
        "Flip the order of the words.",
        "Let me have the words the other way round.",
        "The end of the list should become its start, so turn the order over.",
        "I need these items in the opposite order.",
        "Read the words from right to left and write them so.",
        "List everything again, but begin with the final entry.",
        "Return the list, last entry first.",
        "From the end to the start, what are the words?",
        "Can you turn the order of the entries around?",
        "Go back through the list, word by word, and write each one.",
        "Show the words in backward order.",
        "Change the order: what was last comes first.",
        "Same words, reversed order.",
    ),
)


def reverse_list(rng: random.Random, split: Split, *, level: int) -> Task:
    """Three to nine words from last to first."""
    items = words(rng, split, _NUM_REVERSED[level])
    question = place(rng, _REVERSE.draw(rng, split), ", ".join(items), label="Words")
    return ask("reverse_list", "stretch", question, ", ".join(reversed(items)))


_ALPHABET = phrasings(
    "sort_words",
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
    more=(
        "I would like to have these words from A to Z.",
        "Could you arrange the entries by the alphabet?",
        "Arrange them as in a dictionary.",
        "A to Z, please.",
        "Which order do the words have in the alphabet? Write them so.",
        "Let me see the list in the order of the alphabet.",
        "I need this list sorted by letter.",
        "Words near A go first, words near Z go last.",
        "Rank the items by their first letter, beginning with A.",
        "Return the words, sorted from A to Z.",
        "Can you bring these things into alphabetical order?",
        "Follow the alphabet and write the words again.",
        "Show them alphabetically.",
        "In what order would a dictionary list these words?",
        "Alphabetical list of these?",
        "The entries, ordered by the alphabet, please.",
    ),
)


def sort_words(rng: random.Random, split: Split, *, level: int) -> Task:
    """Two to six words with different first letters, in alphabetical order with commas."""
    count = level + 1
    items = words(rng, split, count)
    while len({item[0].lower() for item in items}) < count:
        items = words(rng, split, count)
    question = place(rng, _ALPHABET.draw(rng, split), show_list(rng, items), label="Words")
    return ask("sort_words", "stretch", question, ", ".join(sorted(items, key=str.lower)))


_CHAINS = {1: (1, 4), 2: (2, 4), 3: (2, 6), 4: (3, 7), 5: (4, 9)}
_CHAIN = phrasings(
    "chained_lookup",
    "Start at {start} and take {steps}. Where are you?",
    "Start: {start}. Take {steps}. Where do you end?",
    "From {start}, take {steps}. Which word do you reach?",
    "Which word do you reach from {start} after {steps}?",
    "Begin with {start} and follow {steps}. Write the last word.",
    "Follow {steps} from {start}. What is the word at the end?",
    "Please start at {start} and take {steps}. Write the word at the end.",
    "{steps} from {start}: which word?",
    more=(
        "I would like to know where {steps} from {start} will bring me.",
        "Could you follow the arrows from {start} for {steps} and name the place?",
        "Stand on {start}. Go {steps} along the arrows. What is there?",
        "Let me know which word is {steps} after {start}.",
        "{start}, then {steps}: what comes out?",
        "Move {steps} forward from {start}. Say the word you are on.",
        "I begin at {start} and walk {steps}. Where do I stop?",
        "Beginning: {start}. Length: {steps}. End?",
        "If you leave {start} and make {steps}, what do you arrive at?",
        "Go from word to word, starting at {start}, for {steps}. What is the final word?",
        "After {steps} along the arrows from {start}, where am I?",
        "Find the word that is {steps} further on than {start}.",
        "Return the word reached by {steps} from {start}.",
        "I need the end of this way: from {start}, {steps}.",
        "Can you trace {steps} from {start}? Give only the word where you stop.",
        "The way starts at {start} and has {steps}. Which word ends it?",
        "Put your finger on {start}, follow the arrows for {steps}, and read the word.",
    ),
)


def chained_lookup(rng: random.Random, split: Split, *, level: int) -> Task:
    """Follow arrows for one to four steps; the other arrows are before or after them."""
    num_steps, num_arrows = _CHAINS[level]
    nodes = words(rng, split, num_arrows + 1)
    start = rng.randrange(num_arrows + 1 - num_steps)
    arrows = [f"{a} -> {b}" for a, b in pairwise(nodes)]
    rng.shuffle(arrows)
    steps = f"{num_steps} step" + ("" if num_steps == 1 else "s")
    wording = _CHAIN.draw(rng, split).format(start=nodes[start], steps=steps)
    shown = (", " if rng.random() < 0.5 else "\n").join(arrows)
    question = place(rng, wording, shown, label="Arrows")
    return ask("chained_lookup", "stretch", question, nodes[start + num_steps])


STRETCH: dict[str, StretchFamily] = {
    "long_sum": long_sum,
    "sort_numbers": sort_numbers,
    "word_problem": word_problem,
    "reverse_list": reverse_list,
    "sort_words": sort_words,
    "chained_lookup": chained_lookup,
}
