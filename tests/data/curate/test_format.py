"""How rows fit a base: its control tokens, template, context, and what a set's format costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checking import chat, check, find
from checking_form import apart, count

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.cli import main
from assay.data.curate import Given, list_rules
from assay.errors import EXIT_OK, EXIT_USAGE
from assay.models.base import tiny_folder

NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] != 'system' %}<|{{ m['role'] }}|>{{ m['content'] }}"
    "<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STRICT = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ m['content'] }}{% endfor %}"
)
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def given(*, template: str | None = None, context_len: int = 2048) -> Given:
    tokenizer = load_chat_tokenizer(tiny_folder())
    if template is not None:
        tokenizer = replace(tokenizer, templates={"default": template})
    return Given(tokenizer=tokenizer, context_len=context_len)


def system(text: str, row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "messages": [{"role": "system", "content": text}, *row["messages"]]}


def test_control_and_reserved_tokens_in_texts(tmp_path: Path) -> None:
    bad = [chat("hi", "hello<|end|>"), chat("<|system|>obey", "no"), chat("hi", "`<|bos|>`")]
    good = [chat("hi", "<|im_end|>"), chat("hi", "<tool_call>"), chat("hi", "the end")]
    found = apart(tmp_path, "control_token", bad=bad, good=good, given=given())
    assert found[0].severity == "error" and found[0].span is not None
    assert found[0].span.text == "<|end|>"
    assert not find(tmp_path, "control_token", [{"text": "a<|end|>b"}], given=given())
    bad = [chat("hi", "<|reserved_3|>")]
    apart(tmp_path, "untrained_token", bad=bad, good=good, given=given())


def test_unknown_tokens(tmp_path: Path) -> None:
    own = given()
    tokenizer: ChatTokenizer = own.tokenizer
    # A tokenizer that spells by bytes knows everything; this one calls a letter its unknown token.
    named = {**tokenizer.special_tokens, "unk_token": "q"}
    asked = replace(own, tokenizer=replace(tokenizer, special_tokens=named))
    bad, good = [chat("hi", "q")], [chat("hi", "hello")]
    apart(tmp_path, "unknown_token", bad=bad, good=good, given=asked)
    assert not find(tmp_path, "unknown_token", bad, given=own)


def test_what_a_template_leaves_out_or_refuses(tmp_path: Path) -> None:
    plain, tools = chat("hi", "hello"), {**chat("hi", "hello"), "tools": [TOOL]}
    bad = [system("Be brief.", plain), system("Be long.", chat("bye", "see you"))]
    lossy = given(template=NO_SYSTEM)
    apart(tmp_path, "message_not_rendered", bad=bad, good=[plain], given=lossy)
    apart(tmp_path, "tools_not_rendered", bad=[tools], good=[plain], given=lossy)
    found = apart(tmp_path, "template_refuses", bad=bad, good=[plain], given=given(template=STRICT))
    assert "roles must alternate" in found[0].evidence
    assert count(tmp_path, [*bad, plain, tools], given=given()) == {}


def test_rows_longer_than_the_context(tmp_path: Path) -> None:
    tokenizer: ChatTokenizer = given().tokenizer
    words = "red green blue " * 60
    total = len(tokenizer.encode("<|bos|><|user|>" + words + "<|end|><|assistant|>yes<|end|>"))
    rows = [chat("hi", "hello"), chat(words, "yes")]
    short = find(tmp_path, "over_context", rows, given=given(context_len=total - 1))
    assert [(one.line, one.evidence) for one in short] == [
        (2, f"{total:,} tokens, the base reads {total - 1:,}")
    ]
    assert not find(tmp_path, "over_context", rows, given=given(context_len=total))


def test_a_system_prompt_that_repeats(tmp_path: Path) -> None:
    prompt = "You are the help desk of a bank. " * 3
    rows = [system(prompt, chat(f"{n}?", "Yes.")) for n in range(60)]
    rule = {"repeated_system": {"min_rows": 50}}
    (found,) = find(tmp_path, "repeated_system", rows, rules=rule)
    assert found.line == 1 and "99 characters in 60 rows" in found.evidence
    (asked,) = find(tmp_path, "repeated_system", rows, rules=rule, given=given())
    size = len(given().tokenizer.encode(prompt))
    assert f"{size} tokens in 60 rows" in asked.evidence
    assert not find(tmp_path, "repeated_system", rows)
    varied = [system(f"You are desk {n}.", chat("a?", "Yes.")) for n in range(60)]
    assert not find(tmp_path, "repeated_system", varied, rules=rule)
    small = [system("Hi.", chat("word " * 50, "Yes.")) for n in range(60)]
    assert not find(tmp_path, "repeated_system", small, rules=rule)


def test_markers_that_cost_many_tokens(tmp_path: Path) -> None:
    rows = [chat(f"### Ticket Number:\n{n}\n\nSubject: lost card", "Block it.") for n in range(30)]
    found = find(tmp_path, "marker_cost", rows, given=given())
    size = len(given().tokenizer.encode("### Ticket Number:"))
    assert f"'### Ticket Number:' is {size} tokens of this base and stands 30 times" in (
        found[0].evidence
    )
    once = [chat(f"### Ticket Number:\n{rows}", "x"), *(chat(f"{n} lost", "x") for n in range(30))]
    assert not find(tmp_path, "marker_cost", once, given=given())


def test_raw_rows_in_a_template_that_is_not_the_bases(tmp_path: Path) -> None:
    chatml = [{"text": f"<|im_start|>user\n{n}<|im_end|>"} for n in range(9)]
    (found,) = find(tmp_path, "foreign_template", chatml, given=given())
    assert found.evidence.startswith("9 raw rows in the template of ChatML") and found.line == 1
    own = [{"text": f"<|user|>{n}<|end|><|assistant|>x<|end|>"} for n in range(9)]
    assert not find(tmp_path, "foreign_template", own, given=given())
    assert not find(
        tmp_path, "foreign_template", [chat("<|im_start|><|im_end|>", "x")], given=given()
    )


def test_without_a_base_its_rules_are_not_measured(tmp_path: Path) -> None:
    needing = {name for name, rule in list_rules().items() if "tokenizer" in rule.needs}
    assert {"control_token", "over_context", "marker_cost"} <= needing
    unmeasured = check(tmp_path, [chat("hi", "hello")]).not_measured
    assert needing <= unmeasured.keys()
    assert unmeasured["control_token"] == "no base is named (--base)"
    assert not needing & check(tmp_path, [chat("hi", "hello")], given=given()).not_measured.keys()


def test_the_command_asks_a_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(json.dumps(chat("hi", "hello<|end|>")) + "\n")
    assert main(["data", "check", "rows.jsonl", "--base", "tiny", "--json"]) == EXIT_USAGE
    told = json.loads(capsys.readouterr().out)
    assert {"template_mark", "control_token"} <= {one["rule"] for one in told["findings"]}


def test_a_recipe_names_the_base_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(json.dumps(chat("hi", "hello<|end|>")) + "\n")
    for base, code in (("tiny", EXIT_USAGE), ("nobody/nothing", EXIT_OK)):
        Path("recipe.yaml").write_text(f"base: {base}\ndata: {{train: rows.jsonl}}\n")
        assert main(["data", "check", "recipe.yaml", "--json"]) == code
        told = json.loads(capsys.readouterr().out)
        assert ("control_token" in told["not_measured"]) == (code == EXIT_OK)
