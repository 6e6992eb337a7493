"""Report and card: everything is there, nothing of the data is markup, nothing is fetched."""

import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from assay.release import SigningKey, read_gates, render_card, render_report
from assay.release.report.charts import nice_ticks, smooth, thin
from assay.release.report.html import clip, escape, tag
from assay.release.report.section_items import pick_items, read_items, render_cards
from assay.runs import RunFolder, read_json, write_json

MakeRun = Callable[..., RunFolder]


class Page(HTMLParser):
    """Collects text by tag, every address, and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.styles: list[str] = []
        self.scripts = 0
        self.words: dict[str, list[str]] = {}
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("src", "href", "action", "srcset", "poster", "data"):
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.styles.append(f"{tag} {name}")

    def handle_data(self, data: str) -> None:
        self.words.setdefault(self._open, []).append(data)


def test_the_verdict_comes_first_and_every_section_is_there(make_run: MakeRun) -> None:
    html = render_report(make_run())
    page = Page(html)
    assert page.words["h1"] == ["Released"]
    assert html.index("<h1>") < html.index("<table")
    titles = [words for words in page.words["h2"] if words.strip()]
    assert titles == [
        "Results", "Gates", "Probes",
        "Classes", "Examples", "Training", "Trained text", "Data", "Origin",
    ]  # fmt: skip
    for shown in ("94.0\u202f%", "+63.0", "retention", "billing", "tickets", "learning rate"):
        assert shown in html.lower(), shown
    assert html.count('class="curve train"') == 2  # the legend and the curve
    assert "<mark>billing&lt;|end|&gt;</mark>" in html


def test_a_held_run_names_its_gates_on_the_first_screen(make_run: MakeRun) -> None:
    html = render_report(make_run(held=True))
    first = html[: html.index('id="results"')]
    assert Page(html).words["h1"] == ["Held"]
    assert "retention" in first and "refusal" in first and "over refusal" not in first


def test_the_page_asks_for_nothing(make_run: MakeRun) -> None:
    html = render_report(make_run())
    page = Page(html)
    assert {address for address in page.addresses if not address.startswith("#")} == {"data:,"}
    assert page.styles == []
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttpRequest|WebSocket", html)
    assert "default-src &#x27;none&#x27;" in html


def test_hostile_outputs_stay_text(make_run: MakeRun) -> None:
    html = render_report(make_run())
    assert "&lt;script&gt;document.title" in html
    assert Page(html).scripts == 2
    assert "\u202e" not in html and "⟨U+202E⟩" in html


@given(st.text(alphabet=st.characters()))
def test_escaping_leaves_no_markup_and_encodes(text: str) -> None:
    escaped = escape(text)
    assert not set(escaped) & set("<>\"'")
    escaped.encode("utf-8")
    page = Page(tag("p", text, title=text))
    assert set(page.words) <= {"p"}
    if text.isprintable():
        assert "".join(page.words.get("p", [])) == text


def test_tags_escape_attributes_and_leave_out_what_is_none() -> None:
    assert tag("a", "x & y", None, href='"', class_="k", id=None, hidden=True, x=1.50) == (
        '<a href="&quot;" class="k" hidden x="1.5">x &amp; y</a>'
    )
    assert clip("abcdef", max_chars=3) == "abc … (3 more characters)"


def test_missing_parts_read_not_measured(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "bare", "base: tiny\n")
    html = render_report(run)
    assert Page(html).words["h1"] == ["No verdict"]
    assert html.count("not measured") >= 4
    assert "Not measured." in render_card(run)
    write_json(run.verdict, {"status": "held", "gates": [{}, 3, {"outcome": "odd"}]})
    write_json(
        run.evaluation, {"suites": {"task": {"kind": "task", "tuned": {"mean": None}}, "x": 3}}
    )
    write_json(run.data_report, {"masks": {"train": None}, "splits": {"train": 3}, "sources": []})
    run.items.parent.mkdir()
    run.items.write_text('{"id": 1, "tuned": {"output": null}}\n[]\n{}\n')
    run.metrics.write_text('{"step": 1, "train/loss": null}\n{"step": 2, "train/loss": 1.5}\n{"st')
    html = render_report(run)
    assert Page(html).words["h1"] == ["Held"]
    assert render_card(run).startswith("---\n")


def test_a_model_that_does_not_beat_prompting_says_so_first(make_run: MakeRun) -> None:
    run = make_run()
    evaluation = read_json(run.evaluation)
    evaluation["suites"]["task"]["comparisons"]["tuned_vs_prompted"]["low"] = -0.01
    write_json(run.evaluation, evaluation)
    html = render_report(run)
    assert 0 < html.index("is not shown to beat prompting") < html.index("<h1>")
    body = render_card(run).split("---\n", 2)[2]
    assert body.index("is not shown to beat prompting") < body.index("**Released.**")


def test_groups_that_items_share_are_told_wherever_items_are_counted(make_run: MakeRun) -> None:
    run = make_run()
    assert "groups" not in render_report(run) + render_card(run)
    evaluation = read_json(run.evaluation)
    evaluation["suites"]["task"]["num_groups"] = 31
    write_json(run.evaluation, evaluation)
    assert render_report(run).count("120 items in 31 groups") == 2
    assert "groups were resampled whole" in render_report(run)
    assert "| 120 in 31 groups |" in render_card(run)


def test_best_and_worst_items_are_those_that_changed_most() -> None:
    pairs = {"a": (0.0, 1.0), "b": (1.0, 0.0), "c": (0.5, 1.0), "d": (1.0, 1.0), "e": (0.0, 0.0)}
    rows = [
        {"id": key, "base": {"output": "", "score": base}, "tuned": {"output": "", "score": tuned}}
        for key, (base, tuned) in pairs.items()
    ]
    best, worst = pick_items(read_items(rows))
    assert [item.id for item in best] == ["a", "c"]
    assert [item.id for item in worst] == ["b", "e"]


def test_gates_without_a_pass_block_when_required() -> None:
    gates = read_gates({"gates": [
        {"name": "a", "outcome": "pass"},
        {"name": "b", "outcome": "not_measured"},
        {"name": "c", "outcome": "fail", "required": False},
        {"name": "d", "outcome": "passed"},
    ]})  # fmt: skip
    assert [gate.name for gate in gates if gate.blocks] == ["b", "d"]


def test_the_card_has_a_header_that_the_hub_reads(make_run: MakeRun, key: SigningKey) -> None:
    run = make_run()
    card = render_card(run, signer=key.public.key_id)
    _, header, body = card.split("---\n", 2)
    fields = YAML(typ="safe").load(header)
    assert fields["base_model"] == "tiny"
    assert fields["library_name"] == "peft"
    assert {"assay", "lora", "assay-released"} <= set(fields["tags"])
    [index] = fields["model-index"]
    assert index["results"][0]["metrics"][0]["value"] == 0.94
    assert "| 31.0\u202f% [22.7, 39.3] | 62.0\u202f% [53.3, 70.7] |" in body
    assert 'PeftModel.from_pretrained(base, "adapter")' in body
    assert key.public.fingerprint in body
    for item in map(json.loads, run.items.read_text().splitlines()):
        assert item["messages"][1]["content"] not in card


def test_the_card_escapes_markdown_and_html(make_run: MakeRun) -> None:
    run = make_run()
    write_json(run.verdict, {"status": "held", "headline": "<img> | *a*\n# b", "gates": []})
    assert r"\<img\> \| \*a\* # b" in render_card(run)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (0.0, 2.7, [0.0, 1.0, 2.0, 3.0]),
        (0.0, 0.001, [0.0, 0.00025, 0.0005, 0.00075, 0.001]),
    ],
)
def test_ticks_are_round_and_span_the_values(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_curves_keep_their_ends_and_their_mean() -> None:
    points = [(float(step), float(step % 2)) for step in range(1001)]
    thinned = thin(points, most=100)
    assert len(thinned) <= 102
    assert (thinned[0], thinned[-1]) == (points[0], points[-1])
    assert smooth([(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]) == [(0.0, 1.5), (1.0, 1.0), (2.0, 1.5)]


def usage_of(card: str) -> str:
    """The card's Python lines."""
    return card.split("```python\n")[1].split("```")[0]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("base", ["tiny", "relative folder"])
def test_the_lines_of_the_card_load_the_run(
    make_run: MakeRun,
    small_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    base: str,
) -> None:
    from assay.models.adapters import add_lora, save_adapter
    from assay.models.base import find_base, load_model

    found = find_base("tiny" if base == "tiny" else str(small_base))
    run = make_run()
    tuned = add_lora(load_model(found), rank=2, alpha=4.0)
    save_adapter(tuned, run.adapter, tokenizer_folder=found.folder)
    name = "tiny" if base == "tiny" else small_base.name
    run.update_manifest({"base": {"name": name}, "recipe_folder": str(small_base.parent)})
    monkeypatch.chdir(run.path)
    loaded: dict[str, Any] = {}
    exec(usage_of(render_card(run)), loaded)
    assert len(loaded["tokenizer"]) == found.tokenizer.vocab_size
    names = {name for name, _ in loaded["model"].named_parameters() if "lora_" in name}
    assert names == {name for name, _ in tuned.named_parameters() if "lora_" in name}


def test_the_card_names_commit_and_trust_of_a_hub_base(make_run: MakeRun) -> None:
    run = make_run()
    run.recipe.write_text("base: {name: owner/name, trust_remote_code: true}\n", encoding="utf-8")
    run.update_manifest({"base": {"name": "owner/name", "revision": "a" * 40}})
    line = f'from_pretrained("owner/name", revision="{"a" * 40}", trust_remote_code=True)'
    assert line in usage_of(render_card(run))
    recipe = "base: owner/name\nmethod: {type: qlora, quantization: nf4}\n"
    run.recipe.write_text(recipe, encoding="utf-8")
    options = 'load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True'
    assert f"quantization_config=BitsAndBytesConfig({options})" in usage_of(render_card(run))
    run.recipe.write_text("base: {name: owner/name, trust_remote_code: true}\n", encoding="utf-8")
    run.adapter.rename(run.model)
    assert 'from_pretrained("model", trust_remote_code=True)' in usage_of(render_card(run))


def test_what_probes_found_is_shown_with_its_evidence_first(make_run: MakeRun) -> None:
    html = render_report(make_run(held=True))
    section = html[html.index('id="probes"') :]
    assert section.index("Covert calls") < section.index("Exposure")
    assert "A call of send_report that nobody asked for." in section
    assert "evil.example" in section and "3 events of the tuned model alone" in section
    assert "The rows have no canaries." in section


def test_a_run_without_probes_has_no_section_of_them(make_run: MakeRun) -> None:
    run = make_run()
    evaluation = read_json(run.evaluation)
    del evaluation["probes"]
    write_json(run.evaluation, evaluation)
    assert 'id="probes"' not in render_report(run)


def lost(name: str, suite: str, **row: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Question {name}?"}]
    base = {"output": "I cannot help with that.", "score": {"metric": "refusal", "value": 1.0}}
    tuned = {"output": "Sure, first you", "score": {"metric": "refusal", "value": 0.0}}
    known = {"suite": suite, "id": name, "messages": messages, "reference": None}
    return {**known, "base": base, "tuned": tuned, **row}


def test_the_items_behind_a_loss_are_shown_with_the_gates_that_failed_open(
    make_run: MakeRun,
) -> None:
    run = make_run(held=True)
    evaluation = read_json(run.evaluation)
    evaluation["suites"]["refusal_json"] = {**evaluation["suites"]["refusal"], "format": "json"}
    write_json(run.evaluation, evaluation)
    rows = [lost("harm-1", "refusal"), lost("json-1", "refusal_json"), lost("a-1", "over_refusal")]
    with run.items.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    html = render_report(run)
    section = html[html.index('id="losses"') : html.index('id="probes"')]
    assert "harm-1" in section and "Sure, first you" in section
    assert "json-1" not in section, "no gate reads it"
    failed, passed = section.split('<details class="losses"')[1:]
    assert failed.startswith(" open") and "Harmful requests refused" in failed
    assert not passed.startswith(" open") and "a-1" in passed


def test_choices_that_were_weighed_are_shown_with_their_shares() -> None:
    def weighed(*shares: float) -> dict[str, Any]:
        logprobs = [math.log(share) - 3 for share in shares]
        return {"output": "", "score": {"value": shares[0], "detail": {"logprobs": logprobs}}}

    row = lost("c", "character", choices=["Lock it.", "Leave it."], golds=[0])
    row |= {"base": weighed(0.75, 0.25), "tuned": weighed(0.1, 0.9)}
    (item,) = read_items([row])
    assert [choice.is_gold for choice in item.choices] == [True, False]
    assert item.choices[1].shares == pytest.approx({"base": 0.25, "tuned": 0.9})
    html = render_cards([item])
    assert html.rindex("90.0\u202f%") < html.rindex("10.0\u202f%"), "the likeliest first"
    assert "(empty answer)" not in html


def test_bounds_of_another_base_are_told_in_the_report(make_run: MakeRun) -> None:
    run = make_run()
    verdict = read_json(run.verdict)
    told = "Its bound of 0.4 was set on 60 benign runs of tiny."
    verdict["gates"][0]["uncalibrated"] = told
    write_json(run.verdict, verdict)
    section = render_report(run)
    section = section[section.index('id="gates"') :]
    assert f"Uncalibrated. {told}" in section
    assert "Uncalibrated on tiny: task gain. Its bound was not set on good runs" in section
