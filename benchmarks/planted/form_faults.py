"""What is planted for each rule of form, in several strengths, and what only looks like it."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import ftfy.bad_codecs  # noqa: F401  (registers the sloppy encodings)

Row = dict[str, Any]
Maker = Callable[[Row, Random], Any]

PROSE = {
    "de": "Das Museum öffnet jeden Tag um neun Uhr und schließt abends um sechs Uhr.",
    "fr": "Le musée ouvre tous les jours à neuf heures et ferme le soir à six heures.",
    "es": "El museo abre todos los días a las nueve y cierra por la tarde a las seis.",
    "ru": "Музей открывается каждый день в девять часов и закрывается вечером в шесть.",
    "it": "Il museo apre tutti i giorni alle nove e chiude la sera alle sei in punto.",
    "pl": "Muzeum jest otwarte codziennie od godziny dziewiątej rano do szóstej wieczorem.",
}
PLAIN = "The museum opens at nine and closes at six on every day but Monday."
LOOPED = "I am sorry, please try it once more. "


def _last(row: Row) -> Row:
    message: Row = row["messages"][-1]
    message.pop("tool_calls", None)
    message["content"] = message.get("content") or PLAIN
    return message


def answer(change: Callable[[str], str]) -> Maker:
    """A fault of the last answer."""

    def make(row: Row, draw: Random) -> Row:
        message = _last(row)
        message["content"] = change(message["content"])
        return row

    return make


def after(text: str) -> Maker:
    """`text` at the end of the last answer."""
    return answer(lambda own: own + text)


def ask(question: str, reply: str) -> Maker:
    """A row of its own; ``%`` becomes a number, so that no two are alike."""

    def make(row: Row, draw: Random) -> Row:
        number = str(draw.randrange(10**6))
        turns = (("user", question), ("assistant", reply))
        return {"messages": [{"role": a, "content": b.replace("%", number)} for a, b in turns]}

    return make


def insert(at: int, *messages: Row) -> Maker:
    """Messages put into a conversation of two turns, whose question is numbered."""

    def make(row: Row, draw: Random) -> Row:
        own = ask("Is case % open?", PLAIN)(row, draw)["messages"]
        return {"messages": [*own[:at], *messages, *own[at:]]}

    return make


def call(arguments: Any, *, tools: bool = True, result: str = "", name: str = "weather") -> Maker:
    """A call of a tool that takes a city, and days from 1."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city"],
    }

    def make(row: Row, draw: Random) -> Row:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function = {"name": name, "arguments": text}
        calls = [{"id": "a", "type": "function", "function": function}]
        asked = ask("Weather for order %?", PLAIN)(row, draw)["messages"]
        messages = [asked[0], {"role": "assistant", "content": None, "tool_calls": calls}]
        if result:
            messages += [{"role": "tool", "tool_call_id": result, "content": "dry"}, asked[1]]
        own = {"type": "function", "function": {"name": "weather", "parameters": schema}}
        return {"messages": messages, **({"tools": [own]} if tools else {})}

    return make


def raw(change: Callable[[str], str]) -> Maker:
    """A fault of the line itself."""
    return lambda row, draw: change(json.dumps(row))


def cut(share: float) -> Maker:
    """An answer of several sentences that ends within the last word of a part."""

    def make(row: Row, draw: Random) -> Row:
        made = ask("Tell me more of place %.", " ".join([PLAIN] * 3))(row, draw)
        text = made["messages"][-1]["content"]
        end = int(share * len(text))
        while not (text[end - 1].isalpha() and text[end].isalpha()):
            end -= 1
        made["messages"][-1]["content"] = f"{draw.randrange(999)} {text[:end]}"
        return made

    return make


def spoil(text: str, encoding: str) -> Callable[[str], str]:
    """`text`, decoded wrongly, after the answer."""
    return lambda own: f"{own} {text.encode().decode(encoding)}."


USER = {"role": "user", "content": "And another thing?"}
SAID = {"role": "assistant", "content": "It is."}
SYSTEM = {"role": "system", "content": "Be brief."}

FAULTS: dict[str, list[Maker]] = {
    "broken_json": [raw(lambda line: line[:-1]), raw(lambda line: line.replace('": ', '" ', 1))],
    "broken_encoding": [raw(lambda line: line[:-1] + ', "x": "\\ud83d"}')],
    "missing_role": [insert(1, {"content": "hm"}), insert(1, {"role": "asistant", "content": "x"})],
    "empty_answer": [answer(lambda own: ""), answer(lambda own: " \n ")],
    "missing_answer": [insert(2, USER)],
    "orphan_tool_result": [call({"city": "Bern"}, result="b")],
    "undeclared_tool": [call({"city": "Bern"}, name="wether")],
    "broken_tool_call": [call('{"city": "Bern"'), call("[1]")],
    "turn_order": [insert(1, USER), insert(2, SAID), insert(1, SYSTEM), insert(0, SAID)],
    "missing_tool_result": [
        lambda row, draw: {
            **(made := call({"city": "Bern"})(row, draw)),
            "messages": [*made["messages"], SAID],
        }
    ],
    "wrong_arguments": [call({}), call({"city": 7}), call({"city": "Bern", "days": 0})],
    "unknown_argument": [call({"city": "Bern", "day": 1}), call({"city": "Bern", "unit": "C"})],
    "unoffered_call": [call({"city": "Bern"}, tools=False)],
    "mojibake": [
        answer(spoil("It’s", "sloppy-windows-1252")),
        answer(spoil("café", "latin-1")),
        answer(spoil("naïve – déjà vu", "macroman")),
        answer(spoil("Привет, мир", "sloppy-windows-1251")),
    ],
    "control_character": [
        after("\x00"),
        answer(lambda own: "\x1b[31m" + own + "\x1b[0m"),
        answer(lambda own: own[:3] + "\x08" + own[3:]),
        after("\x0c"),
    ],
    "lost_character": [after(" caf�"), answer(lambda own: "�" * 5 + own)],
    "template_mark": [
        after("<|im_end|>"),
        after("</s>"),
        after("\n\n### Instruction:\nGo on\n\n### Response:\nYes."),
        answer(lambda own: "[INST] " + own),
        after("<end_of_turn>"),
    ],
    "assistant_phrase": [
        ask("Is shop % open?", "As an AI language model, I cannot know."),
        ask("Is shop % open?", "I'm sorry, but as an AI, I have no hours of it."),
        ask("Is shop % open?", "My knowledge cutoff lies before that."),
    ],
    "chat_filler": [
        answer(lambda own: "Sure, here is the answer:\n" + own),
        after(" I hope this helps!"),
    ],
    "placeholder": [
        after("\nBest regards,\n[Your Name]"),
        ask("Is shop % open?", "Hello {customer_name}, it is."),
        ask("Is shop % open?", "TODO: look it up"),
        ask("Is shop % open?", "Lorem ipsum dolor sit amet."),
    ],
    "html_entity": [
        after(" Q&amp;A"),
        after(" It&#39;s so."),
    ],
    "unclosed_fence": [
        after("\n```python\nprint(1)"),
        answer(lambda own: "```\n" + own),
    ],
    "broken_json_answer": [
        ask("As JSON, number %.", '{"number": %, "name": "Ann"'),
        ask("As JSON, number %.", "{\"number\": %, 'name': 'Ann'}"),
        ask("As JSON, number %.", 'Here:\n```json\n{"number": %,}\n```'),
    ],
    "unbalanced_latex": [
        after(r" So \[ x = \frac{1}{2}"),
        after(r" So $$ \sqrt{2} is it."),
        after(r" \begin{align} x \end{array}"),
    ],
    "unbalanced_tag": [
        answer(lambda own: "<think>hm " + own),
        after("</answer>"),
        after(" <tool_call>{}"),
    ],
    "repeated_prompt": [
        ask("How do I open the box of order %?", "How do I open the box of order %?"),
        ask("How do I open the box of order %?", "how do I open the box of order %? "),
        ask("How do I open the box of order %?", "How do I open the box of order %? Pull."),
    ],
    "loop": [
        after(" " + LOOPED * 4),
        after(" " + LOOPED * 12),
        after(" of the" * 30),
    ],
    "hollow_answer": [ask("Name of item %?", "null"), ask("Name of item %?", "N/A")],
    "cut_off": [cut(0.4), cut(0.7), cut(0.9)],
    "length_outlier": [answer(lambda own: " ".join(f"{own} ({n})" for n in range(3000)))],
    "wrong_language": [ask("When does shop % open?", text) for text in PROSE.values()],
    "language_switch": [ask("%: " + PROSE[name], PLAIN) for name in ("de", "fr", "ru")],
}
# Faults that few rows of a set have, or they are its habit.
RARE = {"cut_off": 20, "hollow_answer": 4, "length_outlier": 5, "language_switch": 18}

TWINS: dict[str, list[Maker]] = {
    "turn_order": [insert(0, SYSTEM), insert(2, USER, SAID)],
    "missing_tool_result": [call({"city": "Bern"}, result="a")],
    "wrong_arguments": [call({"city": "Bern", "days": 3}), call({"city": ""})],
    "mojibake": [
        after(" SÃO PAULO, “Ä”: 5 €."),
        after(" Привет."),
    ],
    "control_character": [after("\n\tand\\x00 so.")],
    "lost_character": [after(" U+FFFD, □ or ?.")],
    "template_mark": [
        ask("How does Qwen end turn %?", "By `<|im_end|>`, a token."),
        after("\n\n### Instructions\nMix well."),
        answer(lambda own: "Now <s>10</s> 9 francs. " + own),
    ],
    "assistant_phrase": [
        ask("Are you a robot, %?", "As an AI language model, I am a program."),
        ask("Who works at shop %?", "As an AI company, we employ ten."),
    ],
    "chat_filler": [
        ask("Is shop % open?", "Sure, until six."),
        ask("Is shop % open?", "Of course!"),
    ],
    "placeholder": [
        ask("Write template %.", "Dear [Your Name],\nwelcome."),
        ask("Is % a link?", "See [Name](http://a.example)."),
        ask("Is % masked?", "Write to [EMAIL_1]."),
    ],
    "html_entity": [
        ask("How is & written in HTML, %?", "As &amp;"),
        after(" R&D."),
    ],
    "unclosed_fence": [after("\n```python\nprint(1)\n```")],
    "broken_json_answer": [
        ask("As JSON, number %.", '{"number": %, "name": "Ann"}'),
        ask("As JSON, number %.", '```json\n{"number": [%, ...]}\n```'),
    ],
    "unbalanced_latex": [after(r" So \(\frac{1}{2}\), and $5 or $$.")],
    "unbalanced_tag": [answer(lambda own: "<think>hm</think>" + own)],
    "repeated_prompt": [
        ask("Order %", "Order % is on its way."),
        ask("Continue: Once upon a time, % men", "Continue: Once upon a time, % men sang."),
    ],
    "loop": [
        after("\n" + "|---" * 40),
        after(" " + LOOPED * 2),
    ],
    "hollow_answer": [ask("How many of %?", "None of them."), ask("How many of %?", "0")],
    "cut_off": [ask("Which fruit, %?", "We sell three kinds of fruit in all:\n- apples\n- pears")],
    "wrong_language": [
        ask(f"Translate into another language, %: {PLAIN}", text) for text in PROSE.values()
    ],
}
