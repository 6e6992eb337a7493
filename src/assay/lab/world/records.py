"""Instruction families about records: find a field, look a key up, write JSON.

Every value is drawn afresh, so the families teach copying; only the names of fields are a closed
list, and `coined` keys keep even that from being learned by heart.
"""

from __future__ import annotations

import json
import random

from assay.lab.world.base import Family, Split, Task, ask, phrasings
from assay.lab.world.layout import place, show_list, show_pairs
from assay.lab.world.values import (
    CITIES,
    COLOURS,
    COMPANIES,
    JOBS,
    LAST_NAMES,
    PRODUCTS,
    STATUSES,
    amount,
    coined,
    date_parts,
    email,
    first_name,
    full_name,
    iso_date,
    order_id,
    words,
)

FIELD_NAMES = (
    "name",
    "city",
    "job",
    "product",
    "colour",
    "status",
    "company",
    "order",
    "date",
    "email",
    "amount",
    "surname",
)


def field_value(rng: random.Random, split: Split, field: str) -> str:
    """A value that fits the name of a field; a field nobody knows gets a coined word."""
    match field:
        case "name":
            return full_name(rng, split) if rng.random() < 0.5 else first_name(rng, split)
        case "order":
            return order_id(rng)
        case "date":
            return iso_date(date_parts(rng, split))
        case "email":
            return email(rng, split)
        case "amount":
            return f"{amount(rng)} {rng.choice(('EUR', 'USD'))}"
    pools = {
        "city": CITIES,
        "job": JOBS,
        "product": PRODUCTS,
        "colour": COLOURS,
        "status": STATUSES,
        "company": COMPANIES,
        "surname": LAST_NAMES,
    }
    return pools[field].draw(rng, split) if field in pools else words(rng, split, 1)[0]


def record(rng: random.Random, split: Split, num_fields: int) -> list[tuple[str, str]]:
    """Pairs of field name and value; one record in five has coined field names."""
    if rng.random() < 0.2:
        fields: list[str] = []
        while len(fields) < num_fields:
            field = coined(rng)
            if field not in fields:
                fields.append(field)
    else:
        fields = rng.sample(FIELD_NAMES, num_fields)
    return [(field, field_value(rng, split, field)) for field in fields]


_FIELD_TEXTS = (
    "{name} from {city} paid {amount} for order {order}. The e-mail address is {email}.",
    "Order {order} for {name} in {city}. The amount is {amount}. Write to {email}.",
    "This is {name} and I live in {city}. My order {order} was {amount}. My e-mail is {email}.",
    "Customer: {name}. Address: {city}. Order: {order}. Amount: {amount}. E-mail: {email}.",
    "We sent order {order} ({amount}) to {name}, {city}, and a copy to {email}.",
    "{email} wrote about order {order}. It is {name} from {city}, who paid {amount}.",
    "In {city}, {name} bought something for {amount}. See order {order} or ask {email}.",
    "Invoice: {amount}. Order: {order}. Name: {name}. City: {city}. E-mail: {email}.",
)
_ASKED = {
    "name": ("name", "name of the customer"),
    "city": ("city", "city of the customer"),
    "email": ("e-mail address", "e-mail"),
    "order": ("order number", "order id"),
    "amount": ("amount", "amount of the order"),
}
_EXTRACT = phrasings(
    "extract_field",
    "What is the {field}?",
    "Find the {field}.",
    "The {field}?",
    "Write only the {field}.",
    "Which {field} is in the text?",
    "Please give me the {field}.",
    "Extract the {field}.",
    "Can you tell me the {field}?",
    "Extract only the {field}, please.",
    "Which {field} does the text contain?",
    more=(
        "I need to know the {field}.",
        "Look for the {field} and print it.",
        "Just the {field}.",
        "{field}: ?",
        "Could you find the {field} for me?",
        "I would like to have the {field} from this text.",
        "Let me know what the {field} is.",
        "Show the {field} and nothing else.",
        "Somewhere in this text is the {field}. What is it?",
        "Read the text and copy the {field}.",
        "What does the text say about the {field}?",
        "Search for the {field} in these words.",
        "Return the {field} as it is written in the text.",
        "Wanted: the {field}",
        "Say what the text gives as the {field}.",
        "Pick out the {field}.",
        "We are missing the {field}. Get it from the text.",
        "Name the {field} that you can see here.",
    ),
)


def extract_field(rng: random.Random, split: Split) -> Task:
    """One of five fields out of a short message about an order."""
    name = full_name(rng, split) if rng.random() < 0.6 else first_name(rng, split)
    values = {
        "name": name,
        "city": CITIES.draw(rng, split),
        "email": email(rng, split),
        "order": order_id(rng),
        "amount": field_value(rng, split, "amount"),
    }
    field = rng.choice(tuple(_ASKED))
    wording = _EXTRACT.draw(rng, split).format(field=rng.choice(_ASKED[field]))
    question = place(rng, wording, rng.choice(_FIELD_TEXTS).format(**values))
    return ask("extract_field", "instruction", question, values[field])


BLOCK = phrasings(
    "answer_from_block",
    "What is the {key}?",
    "{key}?",
    "Which {key} is in the record?",
    "Tell me the {key}.",
    "Give me only the {key}, please.",
    "Read the record and write the {key}.",
    "Find the value of {key}.",
    "Please tell me the {key} in the record.",
    "Which value does {key} have?",
    "Value of {key}?",
    more=(
        "Get me the value of the field {key}.",
        "I would like to know the {key} in this record.",
        "What is written next to {key}?",
        "Could you read out the {key} for me?",
        "Let me know which {key} is given.",
        "I need the {key}.",
        "Show what the record says for {key}.",
        "Only the {key}.",
        "Copy the value that stands at {key}.",
        "Under {key}, what do you see?",
        "Print the {key} and nothing more.",
        "There is a field called {key}. What is in it?",
        "Wanted: {key}",
        "Say the value that belongs to {key}.",
        "Return the {key} of this record.",
        "How is {key} filled in?",
        "Search the record for {key} and name its value.",
        "The record has a {key}. Write it down.",
    ),
)


def answer_from_block(rng: random.Random, split: Split) -> Task:
    """The value of one key of a record with three to five keys."""
    pairs = record(rng, split, rng.randint(3, 5))
    key, value = rng.choice(pairs)
    wording = BLOCK.draw(rng, split).format(key=key)
    question = place(rng, wording, show_pairs(rng, pairs), label="Record")
    return ask("answer_from_block", "instruction", question, value)


_LOOKUP = phrasings(
    "json_lookup",
    'What is the value of "{key}" in this JSON object?',
    "Value of {key}?",
    "Read the JSON and write the {key}.",
    'Look up "{key}".',
    "Which value does the key {key} have?",
    "Please give me only the value of {key}.",
    'Find "{key}" in the JSON.',
    "What is the {key} in this object?",
    "Please look up the key {key} in the JSON.",
    'Which value does "{key}" have in the object?',
    more=(
        'The JSON has a key "{key}". What is its value?',
        "I need the {key} from this JSON.",
        "What does the JSON hold under {key}?",
        'json["{key}"] = ?',
        "Could you read the object and tell me its {key}?",
        "Parse the JSON. Return the {key}.",
        "Let me know what is saved under the key {key}.",
        "Show me the entry for {key} in this JSON object.",
        'Key: "{key}". Value?',
        "I would like to have the {key} out of this object.",
        "Go to {key} in the JSON and copy what stands there.",
        "Write the value of {key} without quotation marks.",
        "object.{key} is what?",
        "Under the key {key}, which value do you see?",
        "Get {key} from the object.",
        'Search the JSON for "{key}" and print its value only.',
        "Say which value this object gives to {key}.",
        'Just the value for the key "{key}", nothing else.',
    ),
)


def json_lookup(rng: random.Random, split: Split) -> Task:
    """The value of one key of a JSON object, written without its quotation marks."""
    pairs = record(rng, split, rng.randint(2, 5))
    key, value = rng.choice(pairs)
    text = json.dumps(dict(pairs), indent=2 if rng.random() < 0.3 else None)
    question = place(rng, _LOOKUP.draw(rng, split).format(key=key), text, label="JSON")
    return ask("json_lookup", "instruction", question, value)


TO_JSON = phrasings(
    "to_json",
    "Turn this record into JSON.",
    "Write the record as a JSON object.",
    "JSON only, please.",
    "Answer only with JSON.",
    "Convert the record to JSON.",
    "Please write these fields as one JSON object.",
    "Make a JSON object of this record.",
    "As JSON, please.",
    "Please convert this to a JSON object.",
    "Write this as JSON.",
    more=(
        "I need this record in JSON.",
        "Could you put these fields into JSON for me?",
        "Format: JSON",
        "Show the fields as JSON, with no other words.",
        "Give back one JSON object with these keys and values.",
        "A program will read this record. Give it JSON.",
        "From record to JSON, please.",
        "Take the keys and values and build a JSON object.",
        "Let me have the record as a JSON object.",
        "I would like a JSON object with the same fields.",
        "How does this record look in JSON?",
        "record -> JSON",
        "JSON version of this record?",
        "Print the data as a JSON object and nothing more.",
        "Return these keys with their values in JSON form.",
        "Say the same thing in JSON.",
        "Every key and value here should go into one JSON object.",
        "Change the form of this record: it should be JSON.",
    ),
)


def to_json(rng: random.Random, split: Split) -> Task:
    """Two to four keys and values become a JSON object; all values are strings."""
    pairs = record(rng, split, rng.randint(2, 4))
    question = place(rng, TO_JSON.draw(rng, split), show_pairs(rng, pairs), label="Record")
    check = {"kind": "json", "answer": dict(pairs)}
    return ask("to_json", "instruction", question, json.dumps(dict(pairs)), check=check)


LIST_TO_JSON = phrasings(
    "list_to_json",
    "Turn this list into a JSON array.",
    "Write the list as JSON.",
    "JSON array, please.",
    "Write the items as a JSON array.",
    "Convert the list to JSON.",
    "Please make a JSON array of these items.",
    "Answer only with a JSON array.",
    "Please write this list as a JSON array.",
    "Convert these items to a JSON array.",
    more=(
        "I need these items in a JSON array.",
        "Could you put this list into JSON for me?",
        "list -> JSON array",
        "Show the words of the list as an array in JSON.",
        "Build a JSON array out of these entries.",
        "Give back one JSON array with every item in the same order.",
        "How does this list look as a JSON array?",
        "A program will read this list. Give it a JSON array.",
        "I would like to have the list in JSON.",
        "Let me have the items in a JSON array, please.",
        "Format: JSON array",
        "Print the list as a JSON array and nothing more.",
        "From list to JSON array, please.",
        "Take each item and put it into a JSON array.",
        "Return the items as a list in JSON form.",
        "These words should go into a JSON array.",
        "Change the form of this list: it should be a JSON array.",
        "JSON array of these words?",
    ),
)


def list_to_json(rng: random.Random, split: Split) -> Task:
    items = words(rng, split, rng.randint(2, 5))
    question = place(rng, LIST_TO_JSON.draw(rng, split), show_list(rng, items), label="List")
    check = {"kind": "json", "answer": items}
    return ask("list_to_json", "instruction", question, json.dumps(items), check=check)


FAMILIES: dict[str, Family] = {
    "extract_field": extract_field,
    "answer_from_block": answer_from_block,
    "json_lookup": json_lookup,
    "to_json": to_json,
    "list_to_json": list_to_json,
}
