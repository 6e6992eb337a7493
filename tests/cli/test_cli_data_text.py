"""`assay data check` on a terminal: what is marked, what is hidden, and what to do next."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.cli.data_asked import read_asked
from assay.cli.data_passage import Style, show_plain
from assay.cli.data_text import render_checked
from assay.data.curate import check_parts
from assay.data.curate.finding import Finding, Span
from assay.data.curate.look import cut_text, hide, pick_findings

PASSWORD = "hunter2" + "QxZ"
CONNECTION = f"The key is postgresql://app:{PASSWORD}@db.example.com/x"


def chat(user: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    }


def render(folder: Path, rows: list[dict[str, Any]], style: Style, **more: Any) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asked = read_asked([str(path)], accept=more.pop("accept", None))
    checked = check_parts(asked.parts, base_dir=asked.base_dir, settings=asked.settings)
    return render_checked(checked, asked=asked, style=style, **more)


def finding(start: int, end: int, shown: str, **more: Any) -> Finding:
    span = Span("messages[0].content", start, end, shown)
    fields = {"rule": "r", "severity": "error", "fix": "mask", "evidence": "", **more}
    return Finding(file="f", line=1, row="a", span=span, number=0, **fields)


def test_an_example_marks_its_span_and_hides_every_secret_beside_it(tmp_path: Path) -> None:
    row = chat("which?", f"As an AI language model, I cannot say. {CONNECTION}")
    text = render(tmp_path, [row], Style(width=200))
    assert text.startswith("refused: train 1 rows; ")
    assert "errors\n  connection_string " in text
    assert PASSWORD not in text
    passages = [line for line in text.splitlines() if line.startswith("  messages[1].content: ")]
    assert any("app:⟦h…Z⟧@db.example.com" in line for line in passages)
    assert any("⟦As an AI language model, I⟧ cannot say." in line for line in passages)
    assert all("h…Z" in line for line in passages)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_no_line_of_an_example_is_wider_than_the_terminal(tmp_path: Path, width: int) -> None:
    rows = [chat("why?", "word " * 200 + "<|im_start|>" + " word" * 200)]
    text = render(tmp_path, rows, Style(width=width))
    (passage,) = [line for line in text.splitlines() if "⟦<|im_start|>⟧" in line]
    assert width - 4 <= len(passage) <= width
    assert passage.count("…") == 2


def test_colours_are_for_terminals_alone(tmp_path: Path) -> None:
    rows = [chat("why?", "Since <|im_start|> \x1b[31m red")]
    plain = render(tmp_path, rows, Style(width=100))
    assert "\x1b" not in plain
    coloured = render(tmp_path, rows, Style(width=100, is_coloured=True))
    assert "\x1b[7m<|im_start|>\x1b[0m" in coloured
    assert "\x1b[31m red" not in coloured
    assert "⟦" not in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).count("\n") == plain.count("\n")


def test_every_rule_has_an_example_before_one_has_its_second(tmp_path: Path) -> None:
    rows = [chat(f"q{n}", "As an AI language model, I cannot.") for n in range(40)]
    rows += [chat("which?", CONNECTION), chat("so?", "The cafÃ© is in the â€œoldâ€\x9d town.")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asked = read_asked([str(path)])
    worst = pick_findings(check_parts(asked.parts, base_dir=asked.base_dir), most=8)
    assert worst[0].rule == "connection_string"
    warnings = [one.rule for one in worst if one.severity == "warning"]
    distinct = len(set(warnings))
    assert distinct >= 2
    assert len(set(warnings[:distinct])) == distinct


def test_what_to_do_next_follows_from_what_was_found(tmp_path: Path) -> None:
    rows = [chat("which?", CONNECTION), chat("and?", "As an AI language model, I cannot.")]
    text = render(tmp_path, rows, Style())
    assert re.search(r"assay data curate FILE…\s+mends 2 rows", text)
    assert "--accept connection_string" in text
    accepted = render(tmp_path, rows, Style(), accept=["connection_string"])
    assert "--accept" not in accepted
    assert re.search(r"assay data curate FILE…\s+mends 1 rows", accepted)
    assert "assay data curate" not in render(tmp_path, rows, Style(), verb="curate")


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(chat("which?", CONNECTION)) + "\n", encoding="utf-8")
    assert main(["data", "check", str(path), "--json"]) == 2
    value = json.loads(capsys.readouterr().out)
    assert value["verdict"] == "refused"
    (found,) = [one for one in value["findings"] if one["rule"] == "connection_string"]
    assert {"file", "line", "row", "rule", "severity", "span", "evidence", "fix"} <= set(found)


def test_plain_text_shows_what_a_terminal_would_obey() -> None:
    assert show_plain("a\x1b[2J\nb\u200b\u202ec\x9b") == "a␛[2J⏎b⟨U+200B⟩⟨U+202E⟩c⟨U+009B⟩"


def test_pieces_of_a_text_join_to_it_again() -> None:
    text = "0123456789"
    spans = [finding(2, 5, "234"), finding(4, 8, "4567"), finding(6, 6, "")]
    pieces = cut_text(text, spans)
    assert "".join(piece.text for piece in pieces) == text
    of = [(piece.text, piece.findings) for piece in pieces if piece.findings]
    assert of == [("23", (0,)), ("4", (0, 1)), ("5", (1,)), ("", (2,)), ("67", (1,))]


def test_what_is_hidden_stays_hidden_under_overlapping_spans() -> None:
    text = "key=SECRETSECRET;"
    spans = [finding(0, 8, "key=SECR"), finding(4, 16, "S…T"), finding(10, 17, "TSECRET;"[:7])]
    shown = hide(text, spans)
    assert "SEC" not in shown
    assert shown.startswith("key=S…T")
