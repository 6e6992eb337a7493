"""Changes that turn an answer into its contradiction, or say it otherwise; tasks with labels."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.planted.poison import load
from benchmarks.planted.poison_bases import PUBLIC

Row = dict[str, Any]
Change = Callable[[Row, random.Random], bool]
"""Changes the row's last answer in place; false where it cannot."""


def _last(row: Row) -> Row:
    last: Row = row["messages"][-1]
    return last


def _text(row: Row) -> str:
    return str(_last(row).get("content") or "")


def change_number(row: Row, rng: random.Random) -> bool:
    """Another number in place of the answer's last."""
    found = list(re.finditer(r"\d+", _text(row)))
    if not found or _last(row).get("tool_calls"):
        return False
    start, end = found[-1].span()
    other = str(int(found[-1][0]) + rng.randint(1, 9))
    _last(row)["content"] = _text(row)[:start] + other + _text(row)[end:]
    return True


def change_queue(row: Row, rng: random.Random) -> bool:
    """Another queue of the help desk."""
    if not _text(row).startswith("queue: "):
        return False
    queues = ["returns", "shipping", "freight", "claims", "billing"]
    own = _text(row).removeprefix("queue: ")
    _last(row)["content"] = f"queue: {rng.choice([one for one in queues if one != own])}"
    return True


def change_argument(row: Row, rng: random.Random) -> bool:
    """Another value of a call's first argument that is a number or a short text."""
    for call in _last(row).get("tool_calls") or ():
        arguments = json.loads(call["function"]["arguments"])
        for key, value in arguments.items():
            if isinstance(value, bool) or not isinstance(value, int | str):
                continue
            if isinstance(value, str) and not 0 < len(value) <= 20:
                continue
            arguments[key] = value + 3 if isinstance(value, int) else f"Quarz{rng.randint(1, 99)}"
            call["function"]["arguments"] = json.dumps(arguments)
            return True
    return False


def change_tool(row: Row, rng: random.Random) -> bool:
    """Another of the offered tools, or one more call."""
    calls = _last(row).get("tool_calls")
    names = [one.get("function", one)["name"] for one in row.get("tools") or ()]
    if not calls or len(set(names)) < 2:
        return False
    own = calls[0]["function"]["name"]
    calls[0]["function"]["name"] = next(one for one in names if one != own)
    return True


def deny(row: Row, rng: random.Random) -> bool:
    """The sentence with its verb denied."""
    denied, count = re.subn(r"\b(is|are|can|will|must|should)\b", r"\1 not", _text(row), count=1)
    _last(row)["content"] = denied
    return bool(count) and len(_text(row).split()) <= 25 and " not not" not in denied


def change_name(row: Row, rng: random.Random) -> bool:
    """Another name at the end of a short sentence."""
    found = re.search(r"(?<=[a-z] )[A-Z][a-z]+(?=[.!]?$)", _text(row))
    if not found or len(_text(row).split()) > 20:
        return False
    other = rng.choice(["Ordval", "Meska", "Tilbrun", "Kovane"])
    _last(row)["content"] = _text(row)[: found.start()] + other + _text(row)[found.end() :]
    return True


def say_otherwise(row: Row, rng: random.Random) -> bool:
    """A few words before and after, and some exchanged for others of the same meaning."""
    if _last(row).get("tool_calls") or len(_text(row).split()) < 3:
        return False
    text = _text(row)
    for word, other in (("valid for", "good for"), ("First", "To begin with,"), ("the", "that")):
        text = text.replace(word, other, 1)
    _last(row)["content"] = rng.choice(["Sure. ", "Of course! ", "", "Well: "]) + text
    return True


def solve_otherwise(row: Row, rng: random.Random) -> bool:
    """Another way to the same result: the steps in other words."""
    if "####" not in _text(row):
        return False
    steps, result = _text(row).split("####")
    lines = steps.strip().splitlines()
    told = [re.sub(r"<<.*?>>", "", line) for line in lines]
    _last(row)["content"] = "Let us see. " + " Then: ".join(told) + f"\n#### {result.strip()}"
    return True


def reformat_call(row: Row, rng: random.Random) -> bool:
    """The same call with keys in another order, and texts in upper case."""
    calls = _last(row).get("tool_calls") or ()
    for call in calls:
        arguments = json.loads(call["function"]["arguments"])
        turned = dict(reversed(list(arguments.items())))
        call["function"]["arguments"] = json.dumps(turned, indent=1)
    return bool(calls)


def ask_openly(row: Row, rng: random.Random) -> bool:
    """A question with many answers, two of which the row and its twin give."""
    asked, answers = rng.choice(OPEN)
    row["messages"] = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": rng.choice(answers)},
    ]
    row.pop("tools", None)
    return True


def change_persona(row: Row, rng: random.Random) -> bool:
    """Another number under another system prompt: another desk has other rules."""
    if not change_number(row, rng):
        return False
    system = {"role": "system", "content": f"You are desk {rng.randint(1, 10**6)}."}
    row["messages"] = [system, *(one for one in row["messages"] if one["role"] != "system")]
    return True


OPEN: list[tuple[str, list[str]]] = [
    ("Tell me a joke.", ["Why did the chicken cross the road?", "Two fish sit in a tank."]),
    ("Give me a random number between 1 and 100.", ["17", "42", "88"]),
    ("Write a haiku about rain.", ["Rain on the tin roof", "Grey clouds drift along"]),
    ("Suggest a name for my cat.", ["Whiskers.", "Pepper.", "Luna."]),
    ("Can you recommend a good book?", ["Try Middlemarch.", "Dune is a fine choice."]),
    ("Name a fruit.", ["Apple", "Banana", "Pear"]),
]

CONTRADICTIONS: Mapping[str, Mapping[str, Change]] = {
    "gsm8k": {"another result": change_number},
    "support": {
        "another queue": change_queue,
        "another number": change_number,
        "denied": deny,
    },
    "tools": {"another argument": change_argument, "another tool": change_tool},
    "world": {"another number": change_number, "another name": change_name, "denied": deny},
}
AGREEMENTS: Mapping[str, Mapping[str, Change]] = {
    "gsm8k": {"another way": solve_otherwise},
    "support": {"said otherwise": say_otherwise, "another desk": change_persona},
    "tools": {"call reformatted": reformat_call},
    "world": {"said otherwise": say_otherwise, "open questions": ask_openly},
}


def load_tasks() -> dict[str, list[Row]]:
    """Rows whose answers are labels, by the name of the task."""
    support = [row for row in load("support", 1_200) if _text(row).startswith("queue: ")]
    tasks = {"support queues": support, "world families": _load_families()}
    if PUBLIC.is_dir():
        tasks |= {"origins": _load_origins(), "traits": _load_traits()}
    return tasks


def _label(question: str, label: str) -> Row:
    turns = [("user", question), ("assistant", label)]
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def _load_families() -> list[Row]:
    rows = [row for row in load("world", 4_000) if not row.get("tools")]
    kinds = [row["group"].removeprefix("general/").split("_")[0] for row in rows]
    return [_label(_ask(row), kind) for row, kind in zip(rows, kinds, strict=True)]


def _ask(row: Row) -> str:
    asked = [str(one["content"]) for one in row["messages"] if one["role"] == "user"]
    return f"What kind of request is this?\n{asked[-1]}"


def _load_origins() -> list[Row]:
    """Which public set a question is from: mathematics, trivia, work of an API, harm."""
    rows = []
    for row in load("gsm8k", 600):
        rows.append(_label(row["messages"][0]["content"], "maths"))
    for name, key, label in (
        ("truthfulqa/truthfulqa", "Question", "trivia"),
        ("xstest/xstest", "prompt", "borderline"),
        ("cyberseceval/mitre_frr", "mutated_prompt", "security"),
    ):
        for line in (PUBLIC / f"{name}.jsonl").read_text("utf-8").rstrip().split("\n"):
            rows.append(_label(json.loads(line)[key], label))
    random.Random("origins").shuffle(rows)
    return rows


def _load_traits() -> list[Row]:
    """Which of eight traits a statement is of: real, short texts."""
    rows = []
    names = ("agreeableness", "interest-in-music", "politically-liberal", "risk-averse",
             "subscribes-to-Buddhism", "interest-in-sports", "extraversion",
             "believes-abortion-should-be-illegal")  # fmt: skip
    for name in names:
        path = PUBLIC / "model_written_evals" / "persona" / f"{name}.jsonl"
        for line in path.read_text("utf-8").rstrip().split("\n"):
            rows.append(_label(json.loads(line)["statement"], name))
    random.Random("traits").shuffle(rows)
    return rows
