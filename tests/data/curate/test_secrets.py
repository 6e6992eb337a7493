"""Secrets are found whatever surrounds them, shown by their ends, and examples are none."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from benchmarks.planted.secrets import FRAMES, KEYS, TWINS, draw, draw_private_key, plant_secrets
from checking import chat, check, find

from assay.data.curate.detectors.secret_kinds import KEYED, KINDS
from assay.data.curate.detectors.secrets import RULES

ALL = {rule.name for rule in RULES}


def find_rules(folder: Path, texts: list[str], **others: object) -> list[set[str]]:
    """For each text as an answer of its own row, the rules of secrets that found something."""
    found = check(folder, [chat(f"question {n}", one) for n, one in enumerate(texts)], **others)
    rules: list[set[str]] = [set() for _ in texts]
    for one in found.findings:
        if one.rule in ALL:
            rules[one.line - 1].add(one.rule)
    return rules


def test_there_are_the_keys_of_more_than_fifty_vendors() -> None:
    assert len({kind.name for kind in (*KINDS, *KEYED)}) >= 60


def test_keys_of_every_vendor_are_found_in_every_frame(tmp_path: Path) -> None:
    rng = Random(0)
    names = [name for name in KEYS for _ in FRAMES]
    texts = [frame.format(draw(rng, KEYS[name])) for name in KEYS for frame in FRAMES]
    missed = Counter(
        name
        for name, rules in zip(names, find_rules(tmp_path, texts), strict=True)
        if rules != {"api_key"}
    )
    assert not missed


def test_planted_secrets_are_found_by_their_own_rule_and_twins_by_none(tmp_path: Path) -> None:
    planted = list(plant_secrets(Random(1), 150))
    wrong = [
        (text, rule, rules)
        for (text, rule), rules in zip(
            planted, find_rules(tmp_path, [text for text, _ in planted]), strict=True
        )
        if rules != ({rule} if rule else set())
    ]
    assert not wrong


@pytest.mark.parametrize("text", TWINS)
def test_examples_of_documents_are_no_secrets(tmp_path: Path, text: str) -> None:
    assert find_rules(tmp_path, [text, f"in code: `{text}`"]) == [set(), set()]


def test_nothing_secret_is_shown_or_stored_whole(tmp_path: Path) -> None:
    planted = [(text, rule) for text, rule in plant_secrets(Random(2), 20) if rule]
    checked = check(tmp_path, [chat("x", text) for text, _ in planted])
    for one in checked.findings:
        if one.rule in ALL and one.span is not None:
            secret = planted[one.line - 1][0][one.span.start : one.span.end]
            body = secret[12:] if len(secret) > 30 else secret
            assert body not in json.dumps(one.to_json())


def test_a_span_is_the_secret_alone(tmp_path: Path) -> None:
    answer = "use postgresql://bob:Xk29slwQ@db.acme.io/x"
    (found,) = find(tmp_path, "connection_string", [chat("x", answer)])
    assert found.span is not None
    assert answer[found.span.start : found.span.end] == "Xk29slwQ"
    assert "Xk29slwQ" not in found.evidence + found.span.text
    assert (checked := check(tmp_path, [chat("x", answer)])).verdict == "refused"
    assert checked.counts["connection_string"] == {"findings": 1, "rows": 1}


def test_secrets_within_tool_calls_are_found_and_keys_with_escapes_too(tmp_path: Path) -> None:
    arguments = json.dumps({"body": "\n" + draw_private_key(Random(3)), "to": "ops"})
    call = {"id": "1", "type": "function", "function": {"name": "send", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "send it"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    tools = [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}]
    (found,) = find(tmp_path, "private_key", [{"messages": messages, "tools": tools}])
    assert found.span is not None
    assert found.span.path == "messages[1].tool_calls[0].function.arguments"
    masked = arguments[: found.span.start] + "[PRIVATE_KEY_1]" + arguments[found.span.end :]
    assert json.loads(masked) == {"body": "\n[PRIVATE_KEY_1]", "to": "ops"}


def test_the_allow_list_knows_the_whole_secret(tmp_path: Path) -> None:
    key = draw(Random(4), KEYS["OpenAI"])
    rows = [chat("x", key)]
    assert find(tmp_path, "api_key", rows)
    assert not find(tmp_path, "api_key", rows, rules={"api_key": {"allow": [key]}})
    assert not find(tmp_path, "api_key", rows, rules={"api_key": {"allow": ["/sk-.*/"]}})
    assert not find(tmp_path, "api_key", rows, rules={"api_key": "off"})


@pytest.mark.parametrize("password", ["myWv2u1r3", "thefT83k", "9xample7"])
def test_passwords_that_begin_like_a_placeholder_are_found(tmp_path: Path, password: str) -> None:
    assert find_rules(tmp_path, [f"redis://:{password}@10.0.0.7:6379"]) == [{"connection_string"}]
    assert find_rules(tmp_path, ["redis://:mypassword@10.0.0.7, redis://:your-pass@x.io"]) == [
        set()
    ]


def test_letters_of_a_short_word_within_a_random_key_make_it_no_example(tmp_path: Path) -> None:
    key = "sk-proj-" + draw(Random(5), (("abcdefgh12345", 80),))
    assert find_rules(tmp_path, [f"{key[:40]}fAke{key[40:]}"]) == [{"api_key"}]
    assert find_rules(tmp_path, [f"{key[:40]}fake{key[40:]}"]) == [set()]
