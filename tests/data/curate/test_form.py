"""Rules of form on single texts: what each finds, and what looks like it and is none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import ftfy
import pytest
from checking import chat, check, find
from checking_form import apart, count, repair
from hypothesis import given, settings
from hypothesis import strategies as st

LONG = "The mountain pass is open from May to October, and closed when it snows. "
SPOILT = [
    "It’s a café",
    "naïve café – yes",
    "Привет, как дела?",
    "价格是多少?",
    "déjà vu, “quoted”",
]
ENCODINGS = ["latin-1", "sloppy-windows-1252", "macroman", "cp437", "sloppy-windows-1251"]


def spoil(text: str, encoding: str) -> str:
    return text.encode().decode(encoding)


def test_mojibake_is_found_and_mended(tmp_path: Path) -> None:
    meant = [text for text in SPOILT[:2] for _ in ENCODINGS] + SPOILT
    bad = [chat("hi", spoil(text, name)) for text in SPOILT[:2] for name in ENCODINGS]
    bad += [chat("hi", LONG * 5 + spoil(text, "sloppy-windows-1252")) for text in SPOILT]
    good = [chat("hi", text) for text in SPOILT]
    good += [
        chat("hi", "SÃO PAULO, AÇÃO"),
        chat("hi", "Ä, Ö, Ü: © 2020 “Ångström” – 5 €"),
        chat("hi", "√2 ≈ 1.41, │ box │"),
    ]
    found = apart(tmp_path, "mojibake", bad=bad, good=good)
    for one, row, text in zip(found, bad, meant, strict=True):
        assert repair(row, one).endswith(text)


def test_control_characters_are_found_and_taken_out(tmp_path: Path) -> None:
    bad = [chat("hi", "he\x00llo"), chat("a\x08b", "fine"), chat("hi", "\x1b[31mred\x1b[0m, done")]
    bad += [chat("hi", "page\x0cbreak"), chat("hi", "DEL\x7f"), chat("hi", "next\x85line")]
    good = [chat("hi", "tab\tand\r\nline"), chat("hi", "na\u00efve \u200b"), chat("hi", "\\x00")]
    found = apart(tmp_path, "control_character", bad=bad, good=good)
    assert repair(bad[0], found[0]) == "hello"
    assert repair(bad[2], found[2]) == "red, done"
    assert "terminal code" in found[2].evidence


def test_lost_characters(tmp_path: Path) -> None:
    bad = [chat("hi", "caf�"), chat("price: 5�", "yes"), chat("hi", "�" * 9)]
    bad += [chat("hi", "\uf0b7 apples\n\uf0b7 pears"), chat("hi", "end\uffff")]
    good = [chat("hi", "café"), chat("hi", "?"), chat("hi", "U+FFFD"), chat("hi", "□ ⍰ ﷺ ﬁ")]
    good += [chat("hi", "`PS1=\ue0b0`")]
    found = apart(tmp_path, "lost_character", bad=bad, good=good)
    assert found[2].evidence == "9 characters lost: U+FFFD"
    assert found[3].evidence == "2 characters lost: U+F0B7"


def test_texts_that_were_made_to_take_long_do_not(tmp_path: Path) -> None:
    long = 20_000
    units = [
        "-",
        " ",
        "`",
        "```\n",
        "<s>",
        "</s>",
        "$$",
        "\\[",
        "[",
        '{"',
        "&amp;",
        "<think>",
        "Ã©",
    ]
    units += ["a ", "\n", "~~~\n", "1. ", "(" * 7 + "\n", "{a_b", "<|a", "x = 1;\n", "I hope "]
    rows = [chat(f"{n}: {unit * 20}", unit * (long // len(unit))) for n, unit in enumerate(units)]
    rows += [chat(f"{n}!", f"{unit} \\pi I hope this helps" * 900) for n, unit in enumerate(units)]
    started = time.process_time()
    check(tmp_path, rows)
    assert time.process_time() - started < 20


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=8))
def test_no_text_breaks_a_rule_and_every_span_is_in_its_text(rows: list[tuple[str, str]]) -> None:
    given = [chat(f"q {question}", f"a {answer}") for question, answer in rows]
    with TemporaryDirectory() as folder:
        for one in check(Path(folder), given).findings:
            if one.span is not None and one.span.path.endswith("content"):
                index = int(one.span.path.split("[")[1].split("]")[0])
                text = given[one.line - 1]["messages"][index]["content"]
                assert 0 <= one.span.start <= one.span.end <= len(text)


def test_marks_of_templates(tmp_path: Path) -> None:
    bad = [
        chat("hi", "Hello<|im_end|>"),
        chat("<|im_start|>user\nhi", "hello"),
        chat("[INST] hi [/INST]", "hello"),
        chat("hi", "hello</s>"),
        chat("hi", "<s>hello"),
        chat("hi", "hello<end_of_turn>"),
        chat("hi", "<|start_header_id|>assistant<|end_header_id|>\n\nhello"),
        chat("hi", "hello\n\n### Instruction:\nNow say bye\n\n### Response:\nbye"),
        chat("hi", "hello\nHuman: and you?\nAssistant: fine"),
        chat("hi", "<｜Assistant｜>hello"),
        chat("hi", "the sum is 3 [PAD] [PAD]"),
        {"prompt": "### Instruction:\nhi", "completion": " hello\n### Instruction:\nbye"},
    ]
    good = [
        chat("hi", "Qwen ends a turn by `<|im_end|>`."),
        chat("hi", "```\n<|im_start|>user\n```"),
        chat("hi", "<s>old price</s> new price"),
        chat("hi", "### Instructions\nMix well."),
        chat("hi", "Human: 1, robot: 0"),
        chat("hi", "a <| b |> c, x [1]"),
        chat("hi", "[INSTALL] the [PADDING]"),
        chat("hi", "Assistant: the person at the desk"),
    ]
    found = apart(tmp_path, "template_mark", bad=bad[:-1], good=good)
    assert found[0].span is not None and found[0].span.text == "<|im_end|>"
    rows = [bad[-1], {"prompt": "### Instruction:\nhi\n### Response:\n", "completion": "hello"}]
    assert [one.line for one in find(tmp_path, "template_mark", rows)] == [1]
    text = [{"text": "<|im_start|>user\nhi<|im_end|>"}]
    assert not find(tmp_path, "template_mark", text)


def test_phrases_of_other_models(tmp_path: Path) -> None:
    bad = [
        chat("What is love?", "As an AI language model, I do not have feelings."),
        chat("Pick a colour.", "I'm sorry, but as an AI, I cannot choose."),
        chat("What happened today?", "My knowledge cutoff is in 2021."),
        chat("Hello", "I am a large language model trained by OpenAI."),
        chat("Any plans?", "I’m just an AI assistant, so no."),
    ]
    good = [
        chat("Are you a robot?", "As an AI language model, I am a program."),
        chat("Who are you?", "I'm an AI assistant of the shop."),
        chat("What is love?", 'Many models answer "As an AI language model, I …".'),
        chat("Jobs?", "As an AI company, we hire."),
        chat("Jobs?", "I'm an AI researcher in Bern."),
        chat("Jobs?", "As a language teacher I travel."),
        chat("As an AI language model, what do you say?", "Nothing."),
    ]
    apart(tmp_path, "assistant_phrase", bad=bad, good=good)


def test_filler_is_cut_off(tmp_path: Path) -> None:
    bad = [
        chat("A poem?", "Sure, here is a poem for you:\n\nRoses are red."),
        chat("A poem?", "Certainly! Here's a poem about spring:\nRoses are red."),
        chat("A poem?", "Roses are red. I hope this helps!"),
        chat("A poem?", "Great question! Roses are red."),
    ]
    good = [
        chat("Open?", "Sure, until six."),
        chat("Open?", "Of course! We are open until six."),
        chat("Open?", "Certainly the best shop."),
        chat("Open?", "I hope this helps you find the way; if not, call us."),
        chat("Open?", "Here is the list: a, b."),
    ]
    found = apart(tmp_path, "chat_filler", bad=bad, good=good)
    assert {repair(row, one) for row, one in zip(bad, found, strict=True)} == {"Roses are red."}


def test_placeholders(tmp_path: Path) -> None:
    bad = [
        chat("Who wrote?", "Best regards,\n[Your Name]"),
        chat("Hello", "Dear {customer_name}, welcome."),
        chat("Hello", "Lorem ipsum dolor sit amet."),
        chat("Explain tides.", "TODO: explain"),
        chat("Address?", "Write to <your address here>."),
        chat("Name?", "It is [insert name of the hotel]."),
        {
            "messages": [
                {"role": "system", "content": "You help {{ user.name }}."},
                *chat("hi", "hello")["messages"],
            ]
        },
    ]
    good = [
        chat("Write a template for a letter.", "Dear [Your Name],"),
        chat("An f-string?", "Use {customer_name} in it."),
        chat("Explain tides.", "See [Name](http://a.example) and [1]."),
        chat("Explain limits.", r"\frac{a_b}{c_d} and x_{max_value}"),
        chat("My todo list?", "Your TODO list is empty."),
        chat("Explain tides.", "Call `greet({customer_name})`."),
        chat("Explain tides.", "def f():\n    return '{customer_name}'\n\nx = f()\nprint(x)"),
        chat("Your name here [Your Name]?", "Fine."),
        chat("Mask it.", "[EMAIL_1] wrote to <PERSON_2>."),
    ]
    apart(tmp_path, "placeholder", bad=bad, good=good)


def test_entities_and_tags_outside_markup(tmp_path: Path) -> None:
    bad = [
        chat("Rock bands?", "Simon &amp; Garfunkel"),
        chat("The tag says not to soak it. Who wrote so?", "It&#39;s&nbsp;me"),
        chat("Which legal entity owns the fire escape?", "Berg &amp; Sons"),
    ]
    good = [
        chat("How to write & in HTML?", "As &amp;"),
        chat("Who?", "Write `&amp;` there."),
        chat("Who?", "AT&T; R&D"),
        chat("Who?", "<html>&amp;</html>"),
        chat("How do I escape the character &?", "Write &amp; there."),
        chat("Which named entity is a space?", "&nbsp; is."),
        chat("What does the closing tag look like?", "Like &lt;/p&gt;."),
    ]
    found = apart(tmp_path, "html_entity", bad=bad, good=good)
    assert [repair(*pair) for pair in zip(bad, found, strict=True)] == [
        "Simon & Garfunkel",
        "It's me",
        "Berg & Sons",
    ]
    bad = [chat("Who?", "One<br>two"), chat("Who?", '<p class="x">Me</p>'), chat("Who?", "<LI>a")]
    good = [chat("A web page?", "<p>hi</p>"), chat("Who?", "a < b > c"), chat("Who?", "`<br>`")]
    apart(tmp_path, "html_tag", bad=bad, good=good)


def test_code_blocks_that_never_close(tmp_path: Path) -> None:
    bad = [
        chat("Code?", "Here:\n```python\nprint(1)\n"),
        chat("Code?", "```\na\n```\nand\n```js\nb()"),
        chat("Code?", "~~~\na"),
        chat("Code?", "````\n```\na\n```"),
    ]
    good = [
        chat("Code?", "```python\nprint(1)\n```"),
        chat("Code?", "````\n```\na\n````"),
        chat("Code?", "1. Run:\n   ```\n   a\n   ```\n2. Done"),
        chat("Code?", "The mark ``` opens a block."),
        chat("Code?", "Use ```inline``` code"),
        chat("Code?", "```\n``` x\n```"),
    ]
    found = apart(tmp_path, "unclosed_fence", bad=bad, good=good)
    assert repair(bad[0], found[0]) == "Here:\n```python\nprint(1)\n```"
    mended = [chat("Code?", repair(*pair)) for pair in zip(bad, found, strict=True)]
    assert not find(tmp_path, "unclosed_fence", mended)


def test_json_that_does_not_parse(tmp_path: Path) -> None:
    whole = json.dumps({"name": "Ann", "items": [1, 2, {"a": None}]})
    bad = [chat("JSON?", whole[:cut]) for cut in (9, 20, len(whole) - 1)]
    bad += [
        chat("JSON?", '{"a": 1, }'),
        chat("JSON?", "{\"a\": 'b'}"),
        chat("JSON?", "Here:\n```json\n{'a': 1}\n```"),
        chat("JSON?", '```json\n{"a": 1\n```\nDone.'),
        chat("JSON?", '[{"a": True}]'),
    ]
    good = [
        chat("JSON?", whole),
        chat("JSON?", whole + "\nThat is all."),
        chat("JSON?", '{"a": 1}\n{"a": 2}'),
        chat("JSON?", '```json\n{"a": 1}\n```'),
        chat("JSON?", '```json\n{"a": [1, 2, ...]}\n```'),
        chat("JSON?", '```json\n{"a": 1} // the first\n```'),
        chat("JSON?", "[1] Smith, 2020"),
        chat("JSON?", "{a} and {b}"),
        chat("JSON?", "```python\n{'a': 1}\n```"),
    ]
    apart(tmp_path, "broken_json_answer", bad=bad, good=good)


def test_mathematics_and_tags_that_never_close(tmp_path: Path) -> None:
    bad = [
        chat("Why?", r"Thus \[ x = \frac{1}{2} and so on."),
        chat("Why?", r"$$ \sqrt{2} $$ and $$ \pi"),
        chat("Why?", r"\begin{align} x &= 1 \\ \end{equation}"),
        chat("Why?", r"So \(\alpha is 1."),
    ]
    good = [
        chat("Why?", r"\[ x = \frac{1}{2} \] and \(\alpha\)"),
        chat("Why?", r"\begin{matrix} 1 \\[2pt] 2 \end{matrix} \pi"),
        chat("Why?", r"The pattern \[a-z]+ matches."),
        chat("Why?", "It costs $$ and more"),
        chat("Why?", r"`\[` opens \alpha"),
    ]
    apart(tmp_path, "unbalanced_latex", bad=bad, good=good)
    bad = [
        chat("Why?", "<think>because"),
        chat("Why?", "<answer>4</think>"),
        chat("Why?", '<tool_call>{"name": "f"}'),
        chat("Why?", "so</answer>"),
    ]
    good = [
        chat("Why?", "<think>a</think><answer>4</answer>"),
        chat("Why?", "because</think>4"),
        chat("Why?", "`<think>` opens"),
        chat("Why?", "<thinking>a <answer>b</answer></thinking>"),
    ]
    apart(tmp_path, "unbalanced_tag", bad=bad, good=good)


def test_answers_that_repeat_the_question(tmp_path: Path) -> None:
    question = "How do I reset the router that you sent me last week?"
    bad = [chat(question, question), chat(question, question.upper()), chat("Hi?", "hi? ")]
    bad += [chat(question, f" {question} Press the button."), chat(question, question + "\nA: no")]
    good = [
        chat(question, "To reset the router that you sent me, press the button."),
        chat(f"Continue: {question}", f"Continue: {question} I asked."),
        chat("Paris", "Paris is a city."),
        chat(f"Fix the grammar:\n{question}", question),
    ]
    apart(tmp_path, "repeated_prompt", bad=bad, good=good)


def test_loops(tmp_path: Path) -> None:
    sentence = "I am sorry to hear that, please try again. "
    bad = [
        chat("hi", sentence * 4),
        chat("hi", LONG * 3 + sentence * 6 + "I am sor"),
        chat("hi", "the " * 40),
        chat("hi", LONG + "和平与发展。" * 30),
        chat("hi", "\n".join(["- apples and pears"] * 8)),
        chat("hi", LONG * 6),
    ]
    good = [
        chat("hi", LONG + sentence * 3),
        chat("hi", "| a | b |\n" + "|---|---|\n" * 30),
        chat("hi", "=" * 200),
        chat("hi", "```\n" + "mov eax, 1\n" * 30 + "```"),
        chat("hi", " ".join(str(n) for n in range(200))),
        chat("hi", "0, " * 100),
        chat("hi", "no no no no, never again"),
        chat("hi", "\n".join(f"{n}. item number {n}, in stock" for n in range(1, 40))),
    ]
    found = apart(tmp_path, "loop", bad=bad, good=good)
    assert found[0].evidence == f"4 times the same {len(sentence)} characters"
    assert found[1].span is not None and found[1].span.start <= len(LONG * 3)


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_a_loop_is_found_wherever_it_begins(tmp_path: Path, shift: int) -> None:
    start = (LONG * 2)[: 100 + shift]
    rows = [chat("hi", start + "Try it once more now. " * 4)]
    assert len(find(tmp_path, "loop", rows)) == 1


def test_hollow_answers_unless_they_are_a_label(tmp_path: Path) -> None:
    bad = [
        chat("a", "null"),
        chat("b", "N/A"),
        chat("c", "[deleted]"),
        chat("d", "..."),
        chat("e", "-"),
    ]
    good = [chat("f", "nothing"), chat("g", "No."), chat("h", "0"), chat("i", "null is a value")]
    apart(tmp_path, "hollow_answer", bad=bad, good=good)
    labels = [chat(f"intent of {n}?", "none" if n % 5 else "refund") for n in range(50)]
    assert count(tmp_path, [*labels, chat("x", "null")]) == {"hollow_answer": 1}


def test_clean_texts_in_many_languages_have_no_findings_of_form(tmp_path: Path) -> None:
    texts = [*SPOILT, "“Straße” – naïve façade", "Ελληνικά", "日本語テキスト", "עברית", "😀👩‍👧"]
    assert not any(ftfy.fix_encoding(text) != text for text in texts)
    rows = [chat(f"{number}: {text}", text + " " + LONG) for number, text in enumerate(texts)]
    assert count(tmp_path, rows) == {}
