"""Instruction families about what words mean: category, odd one out, opposite.

They test knowledge and not copying, so they keep to seen words in every split.
"""

from __future__ import annotations

import random

from assay.lab.world.base import Family, Pool, Split, Task, ask, phrasings
from assay.lab.world.layout import place, polite, show_list
from assay.lab.world.values import CATEGORIES, OPPOSITES

_ODD = phrasings(
    "odd_one_out",
    "Which word does not belong?",
    "Find the odd one out.",
    "Odd one out?",
    "One of these is different. Which one?",
    "Which item is not like the others?",
    "Name the word that does not fit.",
    "Which one does not belong in this list?",
    "Please find the word that is different.",
    "Three of these are of one kind. Name the other one.",
    "Which word does not fit?",
    more=(
        "I would like to know which word is of another kind.",
        "Could you pick out the one that does not match the rest?",
        "Look for the word that should not be here.",
        "Which one is the stranger in the group?",
        "Let me know what does not go with the others.",
        "One word is wrong in this group. Say which.",
        "Take away the word that is not of the same kind. Which is it?",
        "I need the word that has nothing to do with the rest.",
        "Different one?",
        "Most of these go together. What is the exception?",
        "Return the one word of a different kind.",
        "Can you see which thing is out of place?",
        "All but one are alike. Show me that one.",
        "Which entry would you remove because it is of another sort?",
        "What breaks the pattern here?",
        "Spot the word that stands apart.",
        "One of the four belongs to another group. Write it.",
    ),
)


def odd_one_out(rng: random.Random, split: Split) -> Task:
    """Three seen words of one category and one of another."""
    usual, odd = rng.sample(list(CATEGORIES.values()), 2)
    answer = rng.choice(odd.seen)
    items = [*rng.sample(usual.seen, 3), answer]
    rng.shuffle(items)
    question = place(rng, _ODD.draw(rng, split), show_list(rng, items), label="Words")
    return ask("odd_one_out", "instruction", question, answer)


_CATEGORY = phrasings(
    "category",
    "What kind of thing is {word}?",
    "Which group does {word} belong to: {options}?",
    "Category of {word}?",
    "Name the category of the word {word}.",
    "Is {word} one of these: {options}? Name the kind.",
    "What is the category of {word}?",
    "To which category does {word} belong?",
    "Choose the right category for {word}: {options}.",
    "Please name the kind of thing: {word}.",
    "Word: {word}. Category?",
    more=(
        "I would like to know what sort of thing we call {word}.",
        "Could you put {word} into one of these groups? {options}",
        "{word} is a kind of what?",
        "Let me know which fits {word}: {options}",
        "Pick one for {word}: {options}",
        "What is {word}? Options: {options}",
        "{options}: which of these is {word}?",
        "I need the general word for {word}.",
        "Into which group would you sort {word}?",
        "Sort {word} into the right group: {options}",
        "Type of thing: {word}",
        "What do we call things like {word}, in one word?",
        "Groups: {options}. Where does {word} go?",
        "Return the group that {word} is part of.",
        "Can you say which of {options} is right for {word}?",
        "Task: classify the word {word}. Classes: {options}",
        "Under which heading do you find {word}?",
    ),
)


def category(rng: random.Random, split: Split) -> Task:
    """The category of a seen word, with or without a choice of three."""
    names = rng.sample(list(CATEGORIES), 3)
    answer = rng.choice(names)
    word = rng.choice(CATEGORIES[answer].seen)
    wording = _CATEGORY.draw(rng, split).format(word=word, options=", ".join(names))
    return ask("category", "instruction", polite(rng, wording), answer)


_OPPOSITE_OF = dict(OPPOSITES) | {right: left for left, right in OPPOSITES}
_OPPOSITE_WORDS: Pool[str] = Pool("opposite words", list(_OPPOSITE_OF), held_out=0)
_OPPOSITE = phrasings(
    "opposite",
    "What is the opposite of {word}?",
    "Opposite of {word}?",
    "Name the opposite of the word {word}.",
    "Give me the opposite: {word}",
    "Which word means the opposite of {word}?",
    "{word}: what is the opposite?",
    "Please write the opposite of {word}.",
    "I need a word that is the opposite of {word}.",
    'What is the opposite of "{word}"?',
    "The word is {word}. Write the opposite.",
    more=(
        "I would like to know the word that says the contrary of {word}.",
        "Could you turn {word} into its opposite?",
        "What is the contrary of {word}?",
        "{word} and its opposite: what is the second word?",
        "Let me know what the opposite word for {word} is.",
        "If something is not {word} but just the other way round, what is the word?",
        "The exact opposite of {word}",
        "Opposite word: {word}",
        "Find a word with the opposite meaning: {word}",
        "What do you say when you mean the very opposite of {word}?",
        "Return the antonym of {word}.",
        "Antonym of {word}",
        "Can you think of the word that stands against {word}?",
        "{word} <-> ?",
        "Task: opposites. Word: {word}",
        "Show me the counterpart of {word}, with the opposite meaning.",
        "Say the opposite when I say {word}.",
    ),
)


def opposite(rng: random.Random, split: Split) -> Task:
    word = _OPPOSITE_WORDS.draw(rng, split)
    wording = _OPPOSITE.draw(rng, split).format(word=word)
    return ask("opposite", "instruction", polite(rng, wording), _OPPOSITE_OF[word])


FAMILIES: dict[str, Family] = {
    "odd_one_out": odd_one_out,
    "category": category,
    "opposite": opposite,
}
