"""A starting point: sort the messages of a shop's customers into five teams."""

from __future__ import annotations

import random
from typing import Any

MEANING = "sort customers' messages into five teams (one word as answer)"
DATA_NAME = "messages.jsonl"
ROWS_PER_TEAM = 48

RECIPE = """\
# Sorts the messages of a shop's customers into five teams.
#
#   assay run .                        tune, compare with the base, gate, release or hold
#   assay run . --dry-run              every setting with its default's reason
#   assay run . train.epochs=2         change one setting for one run
#   assay config explain train         what the settings of a block mean

base: tiny                    # the embedded model; or a folder, or a Hub id organisation/name

data:
  train:
    - path: messages.jsonl    # 240 example rows; put your own here, one JSON object a line
      weight: 4               # seen four times beside the others
    - path: general.jsonl     # rows of what tiny can do already, so that it is not forgotten
      role: anchor            # there tuning is held to the base; leave out for another base
  validation_ratio: 0.15      # rows to choose prompt and checkpoint by
  test_ratio: 0.2             # rows kept for the final measurement

method: lora                  # or qlora; with full, set the role above to extra
objective: sft                # learn the answers in the rows

train:
  epochs: 1                   # passes over the rows; the general ones want one
  batch_size: 8               # rows in one step

evaluate:
  metric: classification      # the answer is one of a few labels
  max_new_tokens: 8

gates: standard               # minimal, standard, strict, agent, or a policy file
"""

SYSTEM = (
    "You sort messages from customers of a shop. Answer with the name of one team: "
    "billing, delivery, returns, account or technical."
)

GOODS = ("lamp", "kettle", "radio", "jacket", "chair", "camera", "clock", "backpack", "heater",
         "keyboard", "blender", "tent")  # fmt: skip
OPENINGS = ("", "Hello. ", "Hi there. ", "Good morning. ", "Please help. ", "Excuse me. ",
            "I have a question. ", "Not happy today. ")  # fmt: skip
ENDINGS = ("", " Thank you.", " What can I do?", " Please answer soon.", " It is urgent.",
           " Can you look at it?", " My order number is {number}.")  # fmt: skip

ISSUES = {
    "billing": (
        "I was charged twice for the {good}.",
        "The invoice for my {good} shows the wrong price.",
        "My card was debited but the {good} order says unpaid.",
        "The discount code was not taken off the {good}.",
        "I need a receipt for the {good} with our company name.",
        "Why is there an extra fee on the bill for the {good}?",
        "Can I pay for the {good} in three parts?",
        "The tax on my {good} invoice looks too high.",
        "You took more money than the {good} costs.",
    ),
    "delivery": (
        "The {good} has not arrived yet.",
        "Where is the parcel with my {good}?",
        "The driver left the {good} at a neighbour that I do not know.",
        "Can you bring the {good} on Saturday instead?",
        "The tracking page for the {good} has not moved in a week.",
        "My {good} was sent to my old street.",
        "How long does it take until the {good} gets here?",
        "The courier says nobody was home, but I waited all day for the {good}.",
        "Half of the parcel is missing, only the {good} came.",
    ),
    "returns": (
        "I want to send the {good} back.",
        "The {good} is the wrong colour and I would like to exchange it.",
        "How many days do I have to return the {good}?",
        "Please send me a label so that I can return the {good}.",
        "The {good} is too small, can I swap it for a larger one?",
        "I changed my mind about the {good} and want my money back.",
        "I sent the {good} back ten days ago, is it with you?",
        "Can I return the {good} without the box?",
        "The {good} was a gift and I would like to give it back.",
    ),
    "account": (
        "I cannot log in to see my {good} order.",
        "I forgot my password and wanted to buy a {good}.",
        "Please change the e-mail address of my profile, I bought a {good}.",
        "Someone else used my profile to order a {good}.",
        "How do I delete my profile? I only bought a {good} once.",
        "My name is spelled wrong in my profile since I ordered the {good}.",
        "The page locked me out when I wanted to look at a {good}.",
        "I have two profiles, one with the {good}; can you join them?",
        "Stop sending me letters about the {good}, change my settings.",
    ),
    "technical": (
        "The {good} does not switch on.",
        "My {good} makes a loud noise after ten minutes.",
        "How do I connect the {good} to the wall?",
        "The {good} stopped working after the first day.",
        "Which battery does the {good} need?",
        "The button of the {good} is stuck.",
        "There is a red light on my {good}, what does it mean?",
        "Is there a manual for the {good}?",
        "A part of the {good} gets very hot when I use it.",
    ),
}


def make_rows() -> list[dict[str, Any]]:
    """240 chat rows, 48 of each team, no two alike and in mixed order; always the same."""
    rng = random.Random("starter:support")
    rows = [row for team in ISSUES for row in _make_team(team, rng)]
    rng.shuffle(rows)
    return rows


def _make_team(team: str, rng: random.Random) -> list[dict[str, Any]]:
    seen: dict[str, None] = {}
    while len(seen) < ROWS_PER_TEAM:
        issue = rng.choice(ISSUES[team]).format(good=rng.choice(GOODS))
        ending = rng.choice(ENDINGS).format(number=rng.randrange(1000, 10000))
        seen[f"{rng.choice(OPENINGS)}{issue}{ending}"] = None
    return [
        {
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": message},
                {"role": "assistant", "content": team},
            ]
        }
        for message in seen
    ]
