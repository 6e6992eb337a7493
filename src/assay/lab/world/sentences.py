"""Instruction families about whole sentences: replace a word, sentiment, topic, urgency.

The words that decide a label are a closed list and seen in training; people, places, products and
combinations around them are what the held-out values vary.
"""

from __future__ import annotations

import random

from assay.lab.world.base import Family, Split, Task, ask, phrasings
from assay.lab.world.layout import place, with_articles
from assay.lab.world.values import (
    CITIES,
    PLAIN_WORDS,
    PRODUCTS,
    WEEKDAYS,
    first_name,
    order_id,
    words,
)

_SCENES = (
    "{name} sees the {a} near the {b}.",
    "The {a} is next to the {b}.",
    "{name} has a picture of the {a} and the {b}.",
    "In {city} you can see the {a} and the {b}.",
    "{name} likes the {a} more than the {b}.",
    "On {day} {name} found the {a} in {city}.",
    "The {a} and the {b} are in {city}.",
    "{name} drew the {a} on {day}.",
    "We talked about the {a} and not about the {b}.",
    "My friend {name} gave me the {a} in {city}.",
)
_REPLACE = phrasings(
    "replace_word",
    "Replace {old} with {new}.",
    'Change the word "{old}" to "{new}".',
    "Write {new} instead of {old}.",
    "Put {new} in the place of {old}.",
    "Please replace the word {old} with {new} and write the sentence.",
    "Use {new} instead of {old} in this sentence.",
    "Old word: {old}. New word: {new}. Write the sentence again.",
    "Replace: {old} -> {new}",
    "Please write the sentence again with {new} instead of {old}.",
    "Change {old} to {new}, please.",
    more=(
        "Swap {old} for {new}.",
        "The word {old} is wrong. It should be {new}. Write the corrected sentence.",
        "I want to see {new} where {old} is now.",
        "Could you take out {old} and put in {new}?",
        "Where it says {old}, write {new}.",
        "Give me the same sentence, but without {old} and with {new}.",
        "Not {old} but {new}. Show me the new sentence.",
        "{old} becomes {new}.",
        "Exchange {old} for {new} and print the whole sentence.",
        "I would like to read {new} here and not {old}.",
        "How does the sentence read if {new} stands where {old} stands?",
        "Say the sentence once more, only with {new} for {old}.",
        "Correct the sentence: {new}, not {old}.",
        "find: {old}, replace by: {new}",
        "Turn {old} into {new} and leave all other words as they are.",
        "Remove {old} and insert {new} there. Return the sentence.",
        "This sentence needs an edit. {old} must go and {new} must come in.",
        "Let {new} take over from {old} in this sentence.",
    ),
)


def replace_word(rng: random.Random, split: Split) -> Task:
    """One word of a sentence is replaced; the answer is the whole new sentence."""
    old, other, new = words(rng, split, 3, pools=PLAIN_WORDS)
    scene = rng.choice(_SCENES).format(
        a="{a}",
        b=other,
        name=first_name(rng, split),
        city=CITIES.draw(rng, split),
        day=rng.choice(WEEKDAYS),
    )
    while old in scene or new in scene:
        old, _, new = words(rng, split, 3, pools=PLAIN_WORDS)
    wording = _REPLACE.draw(rng, split).format(old=old, new=new)
    question = place(rng, wording, scene.replace("{a}", old), label="Sentence")
    return ask("replace_word", "instruction", question, scene.replace("{a}", new))


_GOOD = (
    "great",
    "excellent",
    "wonderful",
    "perfect",
    "fantastic",
    "lovely",
    "amazing",
    "beautiful",
    "brilliant",
)
_BAD = (
    "terrible",
    "awful",
    "horrible",
    "useless",
    "broken",
    "disappointing",
    "ugly",
    "dreadful",
    "poor",
)
_FEELINGS: dict[str, tuple[str, ...]] = {
    "positive": (
        "The {product} is {good}.",
        "I love my new {product}.",
        "{name} is very happy with the {product}.",
        "What a {good} {product}!",
        "The {product} works well and looks {good}.",
        "We enjoyed our stay in {city}, it was {good}.",
        "Thank you {name}, your help was {good}.",
        "This is the best {product} in {city}.",
        "The service in {city} was {good}.",
    ),
    "negative": (
        "The {product} is {bad}.",
        "I hate my new {product}.",
        "{name} is very unhappy with the {product}.",
        "What a {bad} {product}!",
        "The {product} does not work and looks {bad}.",
        "We did not enjoy our stay in {city}, it was {bad}.",
        "I am angry, {name}, your help was {bad}.",
        "This is the worst {product} in {city}.",
        "The service in {city} was {bad}.",
    ),
    "neutral": (
        "The {product} arrived on {day}.",
        "I bought a {product} in {city}.",
        "{name} has a {product}.",
        "The {product} stands in the room.",
        "The shop in {city} sells a {product}.",
        "{name} goes to {city} on {day}.",
        "The meeting with {name} is on {day}.",
        "The box contains a {product}.",
        "{name} lives in {city}.",
    ),
}
_SENTIMENT = phrasings(
    "sentiment",
    "Is this positive, negative or neutral?",
    "Sentiment?",
    "What is the sentiment of the sentence?",
    "Name the sentiment: positive, negative or neutral.",
    "Is the sentence positive, negative or neutral?",
    "Please classify the sentiment of this text.",
    "Classify: positive, negative or neutral.",
    "What is the feeling of this text: positive, negative or neutral?",
    "Please name the sentiment of the sentence.",
    "How does the writer feel: positive, negative or neutral?",
    more=(
        "Tell me if this sounds positive, negative or neutral.",
        "I would like to know the sentiment of these words.",
        "Mood of the writer? Choose negative, positive or neutral.",
        "positive / negative / neutral?",
        "Give this sentence one label: positive, negative or neutral.",
        "Good, bad or neither? Write positive, negative or neutral.",
        "Could you judge the tone? Answer positive, negative or neutral.",
        "Which label fits here, positive, negative or neutral?",
        "I need a sentiment label for this sentence.",
        "Let me know which sentiment the text has.",
        "Decide: negative, neutral or positive.",
        "Mark this as positive, as negative or as neutral.",
        "What opinion does it show, a positive, a negative or a neutral one?",
        "sentiment of this = ?",
        "Say the sentiment in one word.",
        "Somebody wrote this. Was the feeling negative, neutral or positive?",
        "Does the writer like it? Positive is yes, negative is no, neutral is no opinion.",
        "Look at the words and find the sentiment.",
    ),
)


def sentiment(rng: random.Random, split: Split) -> Task:
    label = rng.choice(tuple(_FEELINGS))
    text = rng.choice(_FEELINGS[label]).format(
        product=PRODUCTS.draw(rng, split),
        name=first_name(rng, split),
        city=CITIES.draw(rng, split),
        day=rng.choice(WEEKDAYS),
        good=rng.choice(_GOOD),
        bad=rng.choice(_BAD),
    )
    question = place(rng, _SENTIMENT.draw(rng, split), with_articles(text), label="Sentence")
    return ask("sentiment", "instruction", question, label)


_TOPIC_WORDS: dict[str, tuple[str, ...]] = {
    "weather": ("rain", "snow", "wind", "sunshine", "fog", "storm"),
    "sport": ("football", "tennis", "swimming", "the match", "running", "the race"),
    "food": ("soup", "bread", "dinner", "the cake", "pasta", "the recipe"),
    "travel": ("the flight", "the hotel", "the train ride", "the journey", "the airport"),
    "money": ("the bank", "the loan", "the salary", "the taxes", "the budget", "savings"),
    "health": ("medicine", "the fever", "the headache", "the hospital", "vitamins"),
}
_TOPIC_SCENES = (
    "{name} talks about {key} in {city}.",
    "{name} and {other} have a question about {key}.",
    "On {day} we read a story about {key}.",
    "{key} in {city}: what {name} says about it.",
    "The newspaper of {city} writes about {key}.",
    "{name} wrote a letter about {key} on {day}.",
    "Today {name} thinks a lot about {key}.",
    "This page is about {key} and the people of {city}.",
)
_TOPIC = phrasings(
    "topic",
    "What is the topic of the sentence?",
    "Topic?",
    "Choose the topic: weather, sport, food, travel, money or health.",
    "Which topic is it: weather, sport, food, travel, money or health?",
    "Name the topic of this text.",
    "Please classify the topic of the text.",
    "What is this text about: weather, sport, food, travel, money or health?",
    "Topic of the text, please.",
    "Please choose the right topic: weather, sport, food, travel, money or health.",
    "Classify the topic.",
    more=(
        "I would like to know the topic.",
        "Which of these is it about: food, health, money, sport, travel, weather?",
        "Say which subject fits: weather, sport, food, travel, money, health.",
        "Put the text into one group: weather, sport, food, travel, money or health.",
        "topic = one of sport, money, food, health, travel, weather",
        "Could you tell me what topic this text has?",
        "What does it deal with? Answer weather, sport, food, travel, money or health.",
        "Give me the topic in one word.",
        "Let me know which topic fits.",
        "sport, food, money, travel, health or weather?",
        "I need a topic label for these words.",
        "Mark the text with its topic.",
        "Find the topic. It is one of weather, sport, food, travel, money, health.",
        "It is about one thing. Is it money, food, sport, health, weather or travel?",
        "Show only the topic of what is written.",
        "Under which heading does it belong: weather, sport, food, travel, money or health?",
        "Pick a label: health, money, travel, food, sport or weather.",
        "Our pages are weather, sport, food, travel, money, health. Where does this text go?",
    ),
)


def topic(rng: random.Random, split: Split) -> Task:
    """One of six topics, decided by one key word of the sentence."""
    label = rng.choice(tuple(_TOPIC_WORDS))
    text = rng.choice(_TOPIC_SCENES).format(
        key=rng.choice(_TOPIC_WORDS[label]),
        name=first_name(rng, split),
        other=first_name(rng, split),
        city=CITIES.draw(rng, split),
        day=rng.choice(WEEKDAYS),
    )
    question = place(rng, _TOPIC.draw(rng, split), text[0].upper() + text[1:], label="Text")
    return ask("topic", "instruction", question, label)


_URGENCY_SIGNS: dict[str, tuple[str, ...]] = {
    "low": (
        "There is no hurry.",
        "It can wait.",
        "Look at it when you have time.",
        "It is only a small wish.",
        "Some time this year is fine.",
        "It is not important.",
    ),
    "normal": (
        "Please do it this week.",
        "An answer in the next days would be good.",
        "Please look at it in the usual time.",
        "It should be done by next week.",
        "The usual time is fine.",
    ),
    "urgent": (
        "We need help right now.",
        "Please do it at once.",
        "Nobody can work.",
        "All customers are waiting.",
        "It must be solved in the next minutes.",
        "Everything has stopped.",
    ),
}
_TICKETS = (
    "The {product} in {city} does not work.",
    "Order {order} has the wrong address.",
    "{name} has a question about the {product}.",
    "The password of {name} does not work.",
    "The page about the {product} shows an error.",
    "{name} needs a copy of the invoice for {order}.",
    "The team in {city} asks for a new {product}.",
    "The {product} for {name} has not arrived.",
)
_URGENCY = phrasings(
    "urgency",
    "Is the ticket low, normal or urgent?",
    "Priority?",
    "What is the priority of this ticket: low, normal or urgent?",
    "Name the priority: low, normal or urgent.",
    "How urgent is this ticket? Answer low, normal or urgent.",
    "Please classify the priority of the ticket.",
    "Classify: low, normal or urgent.",
    "Priority of the ticket, please.",
    "Please choose the priority: low, normal or urgent.",
    "Which priority does the ticket have?",
    more=(
        "How fast must we act? Choose low, normal or urgent.",
        "I need to know the priority of this ticket.",
        "low / normal / urgent?",
        "Give this ticket a priority: low, normal or urgent.",
        "We must sort our tickets into urgent, low and normal. Which is this one?",
        "Can this wait? Say low, normal or urgent.",
        "Could you tell me if it is low, normal or urgent?",
        "Let me know what priority this is.",
        "Mark the ticket as urgent, normal or low.",
        "Decide on a priority for this ticket.",
        "Which level fits, low, normal or urgent?",
        "How soon should we do this? Answer urgent, normal or low.",
        "Label this ticket with its priority.",
        "I would like to have the priority in one word.",
        "In which queue does it belong: low, normal or urgent?",
        "Is there a hurry? Write low, normal or urgent.",
        "What priority would you give it, urgent, normal or low?",
        "Read the ticket and show its priority.",
    ),
)


def urgency(rng: random.Random, split: Split) -> Task:
    """The priority of a ticket, decided by one of its two sentences."""
    label = rng.choice(tuple(_URGENCY_SIGNS))
    ticket = rng.choice(_TICKETS).format(
        product=PRODUCTS.draw(rng, split),
        name=first_name(rng, split),
        city=CITIES.draw(rng, split),
        order=order_id(rng),
    )
    parts = [ticket, rng.choice(_URGENCY_SIGNS[label])]
    if rng.random() < 0.3:
        parts.reverse()
    question = place(rng, _URGENCY.draw(rng, split), " ".join(parts), label="Ticket")
    return ask("urgency", "instruction", question, label)


FAMILIES: dict[str, Family] = {
    "replace_word": replace_word,
    "sentiment": sentiment,
    "topic": topic,
    "urgency": urgency,
}
