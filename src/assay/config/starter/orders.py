"""A starting point: read an order from a sentence and answer with JSON."""

from __future__ import annotations

import json
import random
from typing import Any

MEANING = "read an order from a sentence and answer with JSON"
DATA_NAME = "orders.jsonl"
NUM_ROWS = 240

RECIPE = """\
# Reads what was ordered, how many and for which city, and answers with one line of JSON.
#
#   assay run .                        tune, compare with the base, gate, release or hold
#   assay run . --dry-run              every setting with its default's reason
#   assay run . train.epochs=2         change one setting for one run
#   assay config explain train         what the settings of a block mean

base: tiny                    # the embedded model; or a folder, or a Hub id organisation/name

data:
  train:
    - path: orders.jsonl      # 240 example rows; put your own here, one JSON object a line
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
  metric: json_fields         # the share of fields that are right
  max_new_tokens: 48

gates: standard               # minimal, standard, strict, agent, or a policy file
"""

SYSTEM = "Read the order. Answer with JSON that has the fields item, count and city."

ITEMS = ("lamp", "kettle", "chair", "clock", "tent", "blanket", "mirror", "basket", "ladder",
         "bucket", "candle", "pillow", "hammer", "bottle", "table")  # fmt: skip
CITIES = ("Paris", "Rome", "Berlin", "Madrid", "London", "Vienna", "Dublin", "Oslo", "Lisbon",
          "Athens", "Warsaw", "Prague")  # fmt: skip
SENTENCES = (
    "Please send {count} {item} to {city}.",
    "We need {count} {item} in {city}.",
    "{count} {item} for our shop in {city}, please.",
    "Our house in {city} would like {count} {item}.",
    "Could you bring {count} {item} to {city}?",
    "I want to order {count} {item}. The address is in {city}.",
    "Good morning from {city}. We would like {count} {item}.",
    "Order for {city}: {count} {item}.",
)


def make_rows() -> list[dict[str, Any]]:
    """240 chat rows, no two alike; always the same."""
    rng = random.Random("starter:orders")
    rows: dict[str, dict[str, Any]] = {}
    while len(rows) < NUM_ROWS:
        item, count, city = rng.choice(ITEMS), rng.randrange(1, 100), rng.choice(CITIES)
        plural = item if count == 1 else f"{item}s"
        message = rng.choice(SENTENCES).format(count=count, item=plural, city=city)
        answer = json.dumps({"item": item, "count": count, "city": city})
        rows[message] = {
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": message},
                {"role": "assistant", "content": answer},
            ]
        }
    return list(rows.values())
