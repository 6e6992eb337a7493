"""Instruction families about lists of words; the answers are copied or counted.

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

ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}

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
    more=(
        "Say this back to me, nothing added and nothing left out.",
        "I need an exact copy of the text.",
        "Could you type the text once more?",
        "Same text again?",
        "Let me have the identical words in the same order.",
        "Echo the text.",
        "I would like to see this text a second time, unchanged.",
        "What does it say? Answer with the very same words.",
        "Print the text as it is.",
        "Your answer must be the text itself.",
        "Return the text unchanged.",
        "Can you repeat after me?",
        "Make a copy, please, and keep every word.",
        "Just write down what you read.",
        "The text, once again, please.",
        "Wanted: the same words, nothing else.",
        "Keep the text as it stands and show it again.",
    ),
)


def repeat(rng: random.Random, split: Split) -> Task:
    """Copies two to six words, sometimes as a list."""
    items = words(rng, split, rng.randint(2, 6))
    text = (", " if rng.random() < 0.3 else " ").join(items)
    return ask("repeat", "instruction", place(rng, _REPEAT.draw(rng, split), text), text)


FIRST = phrasings(
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
    more=(
        "Could you tell me what stands at the top of the list?",
        "I would like to know the entry that opens the list.",
        "Start of the list?",
        "Look at the list and say what comes before all the others.",
        "Show me the first entry only.",
        "Let me know which element is number one.",
        "Return the first element.",
        "What is at the very beginning?",
        "I need the word that the list begins with.",
        "Of all these words, which one did I write first?",
        "Wanted: the opening word of the list.",
        "Print just the first thing.",
        "Can you find the first of these things?",
        "Ignore the rest; only the first one counts. Which is it?",
        "The list opens with which word?",
        "Pick the first entry, please.",
    ),
)
LAST = phrasings(
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
    more=(
        "Could you tell me what stands at the bottom of the list?",
        "I would like to know the entry that closes the list.",
        "End of the list?",
        "Look at the list and say what comes after all the others.",
        "Show me the last entry only.",
        "Let me know which element is the final one.",
        "Return the last element.",
        "What is at the very end?",
        "I need the word that the list finishes with.",
        "Of all these words, which one did I write last?",
        "Wanted: the final word of the list.",
        "Print just the last thing.",
        "Can you find the last of these things?",
        "Ignore the rest; only the last one counts. Which is it?",
        "The list closes with which word?",
        "Pick the final entry, please.",
    ),
)
NTH = phrasings(
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
    more=(
        "Could you show me what stands in {nth} place?",
        "I would like to know the {nth} entry.",
        "Count from the start. What do you find at number {n}?",
        "Position {n}?",
        "Return element {n} of the list.",
        "Let me know which word has position {n}.",
        "I need just the {nth} one of these.",
        "Look for entry number {n} and write it down.",
        "At place {n} of the list there is which word?",
        "Print the {nth} thing, nothing else.",
        "Wanted: word number {n}.",
        "Can you pick out the {nth} element?",
        "Go through the list and stop at the {nth} word. What is it?",
        "The list has something in position {n}. Say what it is.",
        "Who or what comes {nth}?",
        "Entry {n} of the list?",
        "Only the {nth} word, please.",
    ),
)


def first_item(rng: random.Random, split: Split) -> Task:
    items = words(rng, split, rng.randint(3, 6))
    question = place(rng, FIRST.draw(rng, split), show_list(rng, items), label="List")
    return ask("first_item", "instruction", question, items[0])


def last_item(rng: random.Random, split: Split) -> Task:
    items = words(rng, split, rng.randint(3, 6))
    question = place(rng, LAST.draw(rng, split), show_list(rng, items), label="List")
    return ask("last_item", "instruction", question, items[-1])


def nth_item(rng: random.Random, split: Split) -> Task:
    """The second to fifth item of a list that may be longer."""
    items = words(rng, split, rng.randint(3, 6))
    n = rng.randint(2, min(5, len(items)))
    wording = NTH.draw(rng, split).format(n=n, nth=ORDINALS[n])
    question = place(rng, wording, show_list(rng, items), label="List")
    return ask("nth_item", "instruction", question, items[n - 1])


COUNT = phrasings(
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
    more=(
        "Could you say how many entries I have here?",
        "I would like to know how many things this list holds.",
        "Let me know how many words you see.",
        "Size of the list?",
        "How many elements does it have?",
        "What is the count?",
        "Go through the list and count each entry.",
        "I need the total number of words.",
        "Give only a number: how many things are listed?",
        "The list has how many entries?",
        "Total of items, as a number?",
        "Can you work out how many words I wrote?",
        "Find the length of the list.",
        "Return the number of elements.",
        "Show how many items there are, in digits.",
        "How many different things do you find here?",
    ),
)


def count_items(rng: random.Random, split: Split) -> Task:
    items = words(rng, split, rng.randint(2, 6))
    question = place(rng, COUNT.draw(rng, split), show_list(rng, items), label="List")
    return ask("count_items", "instruction", question, str(len(items)))


MEMBER = phrasings(
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
    more=(
        "I would like to know whether {word} is on the list.",
        "Look for {word}. Is it there, yes or no?",
        "Do you see {word} among these words?",
        "Could you check whether {word} is here?",
        "{word}: is it listed?",
        "Let me know if the list has {word} in it.",
        "Answer yes or no: the list includes {word}.",
        "Was {word} written in this list?",
        "Search the list. Did you find {word}?",
        "I am looking for {word}. Does the list have it?",
        "Has the list got an entry {word}?",
        "True or not, with yes or no: {word} is one of the words.",
        "Among these items, is there {word}?",
        "Word to look for: {word}. Present, yes or no?",
        "Say yes if {word} is listed and no if it is not.",
        "Is {word} part of the list?",
    ),
)


def membership(rng: random.Random, split: Split) -> Task:
    """Yes or No, half and half; the word that is absent is of the same kind as the others."""
    items = words(rng, split, rng.randint(3, 6))
    inside = rng.random() < 0.5
    asked = rng.choice(items) if inside else items.pop()
    wording = MEMBER.draw(rng, split).format(word=asked)
    question = place(rng, wording, show_list(rng, items), label="List")
    return ask("membership", "instruction", question, "Yes" if inside else "No")


TEAM = phrasings(
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
    more=(
        "I would like to know the team that has {name} in it.",
        "Look for {name}. What is the name of the team?",
        "Could you say which team {name} is on?",
        "{name}: team?",
        "Let me know who {name} plays for.",
        "Which of the teams includes {name}?",
        "I need the team name for {name}.",
        "What team did they put {name} in?",
        "Under which team is {name} listed?",
        "Search the teams for {name} and write the name of that team.",
        "{name} plays for which team?",
        "Person: {name}. Team?",
        "Whose team is {name} a member of? Give the team name.",
        "Show me the team with {name}.",
        "Return only the team that {name} is a part of.",
        "Can you find out what team has {name} as a member?",
    ),
)


def draw_teams(rng: random.Random, split: Split) -> tuple[str, dict[str, str]]:
    """A text of two or three teams of two or three people, and the team of each of them."""
    teams = (COLOURS if rng.random() < 0.5 else ANIMALS).sample(rng, split, rng.randint(2, 3))
    size = rng.randint(2, 3)
    people = words(rng, split, size * len(teams), pools=(FIRST_NAMES,))
    members = [people[i * size : (i + 1) * size] for i in range(len(teams))]
    lines = [f"{team}: {', '.join(names)}" for team, names in zip(teams, members, strict=True)]
    text = ("\n" if rng.random() < 0.6 else "; ").join(lines)
    return text, {name: teams[i // size] for i, name in enumerate(people)}


def team_lookup(rng: random.Random, split: Split) -> Task:
    """The team of a person, from a list of teams."""
    text, team_of = draw_teams(rng, split)
    name = list(team_of)[rng.randrange(len(team_of))]
    question = place(rng, TEAM.draw(rng, split).format(name=name), text, label="Teams")
    return ask("team_lookup", "instruction", question, team_of[name])


SEPARATORS = (
    (", ", "a comma"),
    ("-", "a dash"),
    ("/", "a slash"),
    (" and ", 'the word "and"'),
    ("; ", "a semicolon"),
)
JOIN = phrasings(
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
    more=(
        "I would like one single line, with {sep} from word to word.",
        "Could you make one line out of these words? The separator is {sep}.",
        "Connect all items by means of {sep}.",
        "Link the words, each to the next, with {sep}.",
        "One line, please: {sep} between each two words.",
        "I need all the words in a row with {sep} between them.",
        "Combine the entries, with {sep} as the separator.",
        "The words should stand in one line. Between them comes {sep}.",
        "Can you write these entries side by side, with {sep} in between?",
        "Let {sep} stand between each word and the next.",
        "Return the words as one text, split only by {sep}.",
        "Glue the items together with {sep}.",
        "Show all the words in one line. Take {sep} as separator.",
        "Words in one line, {sep} in between.",
        "Write one line. After each word but the last comes {sep}.",
        "Merge the list into one line by putting {sep} between entries.",
    ),
)


def join_list(rng: random.Random, split: Split) -> Task:
    """Two to five words on lines or bullets become one line."""
    items = words(rng, split, rng.randint(2, 5))
    separator, name = rng.choice(SEPARATORS)
    shown = rng.choice(("\n", " ", "\n- ")).join(items)
    shown = f"- {shown}" if "\n- " in shown else shown
    wording = JOIN.draw(rng, split).format(sep=name)
    question = place(rng, wording, shown, label="Words")
    return ask("join_list", "instruction", question, separator.join(items))


FAMILIES: dict[str, Family] = {
    "repeat": repeat,
    "first_item": first_item,
    "last_item": last_item,
    "nth_item": nth_item,
    "count_items": count_items,
    "membership": membership,
    "team_lookup": team_lookup,
    "join_list": join_list,
}
