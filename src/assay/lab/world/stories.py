"""Short texts in simple words: tales, letters, diaries, news, dialogues, guides and forecasts.

A small grammar of people, places and plots; knows nothing of facts, tools or characters.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from assay.lab.world.stories_passages import FAMILIES
from assay.lab.world.stories_text import (
    ADJECTIVES,
    ANIMALS,
    DAYS,
    ENDINGS,
    HOW_TO,
    JOBS,
    MOODS,
    NAMES,
    PLACES,
    PLOTS,
    REGIONS,
    THINGS,
    WEATHER,
)

__all__ = ["FAMILIES", "document"]


@dataclass(frozen=True)
class _Plot:
    who: str
    friend: str
    place: str
    goal: str
    done: str
    troubles: list[str]
    fixes: list[str]
    ending: str


def document(rng: random.Random) -> str:
    """One text of about 25 to 110 words: a tale, letter, diary, report or the like."""
    return rng.choice(_GENRES)(rng)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _draw_plot(rng: random.Random, names: tuple[str, ...] = NAMES) -> _Plot:
    who, friend = rng.sample(names, 2)
    place, plot = rng.choice(PLACES), rng.choice(PLOTS)
    words = {"who": who, "friend": friend, "place": place}
    return _Plot(
        who,
        friend,
        place,
        plot.goal,
        plot.done,
        [text.format(**words) for text in rng.sample(plot.troubles, 2)],
        [text.format(**words) for text in rng.sample(plot.fixes, 2)],
        rng.choice(ENDINGS).format(**words),
    )


def _middle(rng: random.Random, plot: _Plot) -> str:
    """Trouble and fix, once or twice."""
    but = rng.choice(("But it was not easy.", "Then came trouble.", "At first all went wrong.", ""))
    then = rng.choice(("Then", "Later", "The next day", "Again", "And then"))
    first = f"{but} {plot.troubles[0]} {plot.fixes[0]}".strip()
    if rng.random() < 0.4:
        return first
    return f"{first} {then} there was more to do. {plot.troubles[1]} {plot.fixes[1]}"


def _tale(rng: random.Random) -> str:
    plot = _draw_plot(rng)
    hero = f"{_with_article(rng.choice(ADJECTIVES))} {rng.choice(JOBS)}"
    opening = rng.choice(
        (
            f"Once there was {hero} called {plot.who}.",
            f"Long ago {plot.who} lived near {plot.place}.",
            f"{plot.who} and {plot.friend} were good friends.",
            f"Far away, behind {plot.place}, lived a {rng.choice(JOBS)} whose name was {plot.who}.",
        )
    )
    wish = rng.choice(
        (
            f"More than anything {plot.who} wanted to {plot.goal}.",
            f"One day {plot.who} decided to {plot.goal}.",
            f"{plot.who} had a plan: to {plot.goal}.",
        )
    )
    mood, thing, other = rng.choice(MOODS), *rng.sample(THINGS, 2)
    luggage = f"{plot.who} took {thing}, and {plot.friend} brought {other}."
    start = f"{opening} {mood} {wish} {luggage}"
    return f"{start} {_middle(rng, plot)} In the end {plot.done}. {plot.ending}"


def _animal_tale(rng: random.Random) -> str:
    first, second = rng.sample(ANIMALS, 2)
    plot = _draw_plot(rng, (f"the {first}", f"the {second}"))
    text = (
        f"There was {_with_article(first)} and there was {_with_article(second)}. "
        f"They met at {plot.place}. "
        f"{rng.choice(MOODS)} {plot.who} wanted to {plot.goal}. {_middle(rng, plot)} "
        f"At last {plot.done}. {plot.ending}"
    )
    return ". ".join(_sentence(part) for part in text.split(". "))


def _letter(rng: random.Random) -> str:
    plot = _draw_plot(rng)
    others = [name for name in NAMES if name not in (plot.who, plot.friend)]
    writer, reader = rng.sample(others, 2)
    opening = rng.choice(
        (
            "how are you? I am well.",
            "thank you for your letter.",
            "I have news for you.",
            f"greetings from {rng.choice(PLACES)}.",
        )
    )
    close = rng.choice(("Write soon.", "Come and visit us.", "I hope to see you in summer."))
    return (
        f"Dear {reader},\n\n{_sentence(opening)} {rng.choice(MOODS)} "
        f"You know that {plot.who} wanted to {plot.goal}. "
        f"{_middle(rng, plot)} Now {plot.done}. {close}\n\nYours, {writer}"
    )


def _diary(rng: random.Random) -> str:
    plot = _draw_plot(rng)
    day = rng.randrange(7)
    things = rng.sample(THINGS, 2)
    return (
        f"{DAYS[day]}\nToday I met {plot.who} at {plot.place}. We want to {plot.goal}. "
        f"I brought {things[0]}.\n\n{DAYS[(day + 1) % 7]}\n{plot.troubles[0]} We were sad. "
        f"{plot.fixes[0]}\n\n{DAYS[(day + 2) % 7]}\nIt is done: {plot.done}. "
        f"{plot.friend} gave me {things[1]}. {plot.ending}"
    )


def _news(rng: random.Random) -> str:
    plot = _draw_plot(rng)
    job = rng.choice(JOBS)
    hero = f"{_with_article(rng.choice(ADJECTIVES))} {job}"
    return (
        f"News from {plot.place}\n\n{rng.choice(DAYS)}. {_sentence(hero)} "
        f"wanted to {plot.goal}. {_middle(rng, plot)} Now people say that {plot.done}. "
        f'"I am glad," said {plot.who}, the {job}. "Without {plot.friend} it would have failed."'
    )


def _dialogue(rng: random.Random) -> str:
    plot = _draw_plot(rng)
    greeting = rng.choice(("Good morning", "Hello", "Hi", "Good evening"))
    lines = (
        f"{plot.friend}: {greeting}, {plot.who}. Where are you going?",
        f"{plot.who}: To {plot.place}. I want to {plot.goal}.",
        f"{plot.friend}: {rng.choice(('Is it hard?', 'What is the problem?', 'How is it going?'))}",
        f"{plot.who}: {rng.choice(('I had bad luck.', 'Not so well.'))} {plot.troubles[0]}",
        f"{plot.friend}: {rng.choice(('I will help you.', 'Let us try together.'))}",
        f"{plot.who}: {rng.choice(('Thank you!', 'You are a good friend.', 'Then come along.'))}",
        f"So it went. {plot.fixes[0]} In the end {plot.done}.",
    )
    return "\n".join(lines)


def _how_to(rng: random.Random) -> str:
    goal, steps = rng.choice(list(HOW_TO.items()))
    kept = [step for step in steps if rng.random() < 0.85] or list(steps)
    title = rng.choice(("How to {}", "Guide: {}", "This is how you {}", "Steps to {}")).format(goal)
    mark = rng.choice(("number", "dash", "words"))
    if mark == "words":
        order = ("First.", *["Then."] * (len(kept) - 2), "Last.")[: len(kept)]
        body = " ".join(f"{word[:-1]}: {step}" for word, step in zip(order, kept, strict=False))
    else:
        marks = [f"{i}." if mark == "number" else "-" for i in range(1, len(kept) + 1)]
        body = "\n".join(f"{sign} {step}" for sign, step in zip(marks, kept, strict=True))
    hint = rng.choice(NAMES)
    return f"{title}\n{body}\n{rng.choice(('Good luck!', f'A tip from {hint}: take your time.'))}"


def _forecast(rng: random.Random) -> str:
    lines = [f"The weather for {rng.choice(DAYS)}"]
    for region in rng.sample(REGIONS, 3):
        weather, advice, low, high = rng.choice(WEATHER)
        degrees = rng.randint(low, high)
        line = f"{region} it will be {weather}, with {degrees} degrees."
        lines.append(f"{line} {advice}" if rng.random() < 0.6 else line)
    return rng.choice((" ", "\n")).join([lines[0] + ".", *lines[1:]])


_GENRES: tuple[Callable[[random.Random], str], ...] = (
    *(_tale, _tale, _tale, _animal_tale, _letter, _diary, _news, _dialogue, _how_to, _forecast),
)
