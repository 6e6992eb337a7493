"""The page on a check of data: all of it is there, secrets are not, and nothing is fetched."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browsing import browse, first_pixel, needs_browser, page_requests

from assay.chat import load_chat_tokenizer
from assay.config import SourceConfig
from assay.data.curate import check_parts, settle
from assay.data.curate.clusters import find_clusters, pick_clusters
from assay.data.curate.curate import curate_parts
from assay.data.curate.differing import compare_texts
from assay.data.curate.finding import Finding
from assay.data.curate.parts import read_parts
from assay.data.versions import VersionStore
from assay.models.base import tiny_folder
from assay.pipeline.data_page import write_check_page, write_version_page
from assay.release.data_report import page as page_module
from assay.release.data_report.section_clusters import place_circles
from assay.release.data_report.section_lengths import cut_bins
from assay.release.data_report.section_set import render_set

PASSWORD = "Wq9" + "tKz4Lr7"
HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.exe"


def chat(user: str, answer: str, **columns: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return {"messages": turns, **columns}


ROWS = [
    chat(f"When is shelf {n} dusted?", f"Shelf {n} is dusted on day {n * 7 % 31}.")
    for n in range(20)
]
ROWS += [ROWS[3], ROWS[3], ROWS[4]]
ROWS += [
    chat("Where?", f"At postgresql://desk:{PASSWORD}@db.example.com/x, as ever."),
    chat("Who?", "As an AI language model, I do not know."),
    chat("Where does it live?", "Since May at 17 Nowhere Lane, in the attic."),
    chat("What is it?", "The cafÃ© is open."),
    chat("And?", f"<|im_start|>{HOSTILE}"),
    chat("Whose?", "It is the club's.", license="CC-BY-NC-4.0", source="club"),
    chat("Mine?", "It is yours.", license="CC-BY-SA-4.0", source="club"),
    chat("Empty?", "  "),
]


def write_page(
    folder: Path,
    rows: list[dict[str, Any]] = ROWS,
    *,
    with_tokens: bool = False,
    is_masked: bool = False,
) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = {"train": [SourceConfig(path="rows.jsonl")]}
    checked = check_parts(parts, base_dir=folder, settings=settle(None))
    tokenizer = load_chat_tokenizer(tiny_folder()) if with_tokens else None
    path = folder / "page.html"
    reads = read_parts(parts, base_dir=folder)
    write_check_page(
        path, checked, reads, title="rows.jsonl", tokenizer=tokenizer, is_masked=is_masked
    )
    return path


def read_view(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html, re.S)
    assert found is not None
    view: dict[str, Any] = json.loads(found[1])
    return view


def test_every_section_is_there_and_every_finding_listed(tmp_path: Path) -> None:
    html = write_page(tmp_path, with_tokens=True).read_text(encoding="utf-8")
    titles = re.findall(r"<h2>([^<]*)</h2>", html)
    assert titles == [
        "Lengths",
        "The set",
        "Findings",
        "Clusters",
        "Origin and licence",
        "Before and after",
    ]
    assert "<h1>Refused</h1>" in html
    view = read_view(html)
    parts = {"train": [SourceConfig(path="rows.jsonl")]}
    checked = check_parts(parts, base_dir=tmp_path, settings=settle(None))
    expected = sorted((one.rule, one.place) for one in checked.findings)
    assert sorted((one["rule"], one["place"]) for one in view["findings"]) == expected
    for one in view["findings"]:
        if one["rule"] != "empty_answer":
            assert view["rows"][one["row"]]["place"] == one["place"]
    assert {one["row"] for one in view["findings"] if one["rule"] == "empty_answer"} == {-1}
    assert html.count('class="chart histogram"') == 4
    assert "CC-BY-NC-4.0 and CC-BY-SA-4.0" in html


def test_what_was_told_of_the_set_is_shown_as_it_was_told(tmp_path: Path) -> None:
    losses = {"mean": 1.25, "p10": 0.5, "p50": 1.125, "p90": 2.0}
    insights = {
        "topics": {
            "by": "words",
            "sampled": 50,
            "topics": [
                {"terms": ["order", "<b>"], "share": 0.6, "rows": 60, "example": "a.jsonl:3"},
                {"terms": [], "share": 0.4, "rows": 40, "example": "a.jsonl:9"},
            ],
        },
        "diversity": {"effective_rows": 12.4, "rows": 50, "by": "words", "redundant": 0.25},
        "balance": {"sampled": 50, "labels": {"yes": 30, "no": 20}},
        "conduct": {"answers": 100, "refused": 7, "profane": 0, "medical": 2},
        "groups": {"gender": {"women": 4}},
        "losses": {
            "rows": 100,
            "sampled": 50,
            "base": losses,
            "tuned_on_others": losses,
            "margin": losses,
        },
        "label_next": [{"place": "a.jsonl:4", "row": 3, "base": 2.0, "tuned_on_others": 1.75}],
        "persona": {"sampled": 50, "traits": {"flattery": {"mean": 0.125, "most": 0.5}}},
    }
    html = str(render_set(insights))
    assert re.findall(r"<h3>([^<]*)</h3>", html) == [
        "Topics",
        "Variety",
        "Labels",
        "Conduct",
        "Groups that are mentioned",
        "Loss of the base",
        "To label next",
        "Traits",
    ]
    assert "order, &lt;b&gt;" in html and "a.jsonl:9" in html and "40.0%" in html
    assert "as varied as 12 rows" in html and "25% have another" in html
    assert "advise (medical)" in html and "2.0%" in html and "swear" not in html
    assert "1.125" in html and "1.75 nats" in html and "+0.125" in html
    assert render_set({}) is None
    checked_page = write_page(tmp_path).read_text(encoding="utf-8")
    assert "<h2>The set</h2>" in checked_page


def test_what_is_marked_is_the_span_and_what_is_trained_is_the_mask(tmp_path: Path) -> None:
    view = read_view(write_page(tmp_path, with_tokens=True).read_text(encoding="utf-8"))
    (found,) = [one for one in view["findings"] if one["rule"] == "mojibake"]
    row = view["rows"][found["row"]]
    user, answer = row["texts"]
    assert (user["trained"], answer["trained"]) == (False, True)
    assert answer["pieces"] == [["The caf"], ["Ã©", "warning", ["mojibake"]], [" is open."]]
    trained = "".join(text for text, is_trained in row["rendered"]["parts"] if is_trained)
    assert trained.startswith("The cafÃ© is open.")
    assert "What is it?" not in trained
    assert 0 < row["rendered"]["trained"] < row["rendered"]["tokens"]


def test_no_secret_and_no_markup_of_the_data_is_in_the_page(tmp_path: Path) -> None:
    html = write_page(tmp_path, with_tokens=True).read_text(encoding="utf-8")
    assert PASSWORD not in html
    assert "W…7" in html
    assert "[PASSWORD_1]" in html
    assert "<img" not in html
    assert "\u202e" not in html
    assert html.count("<script") == 2


def test_what_a_plan_masks_is_shown_unless_the_page_is_to_be_kept(tmp_path: Path) -> None:
    assert "17 Nowhere Lane" in write_page(tmp_path, with_tokens=True).read_text(encoding="utf-8")
    html = write_page(tmp_path, with_tokens=True, is_masked=True).read_text(encoding="utf-8")
    assert "Nowhere" not in html
    assert "[ADDRESS_1]" in html


def test_a_long_text_is_cut_far_from_its_findings_and_says_so(tmp_path: Path) -> None:
    rows = [chat("Why?", f"{'word ' * 4000}<|im_start|>{' word' * 4000}")]
    view = read_view(write_page(tmp_path, rows).read_text(encoding="utf-8"))
    (row,) = view["rows"]
    before, marked, after = row["texts"][1]["pieces"]
    assert marked[0] == "<|im_start|>"
    assert "more characters) …" in before[0] and "more characters) …" in after[0]
    assert len(before[0]) < 2_000


def test_a_page_is_bounded_and_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MAX_FINDINGS", 30)
    monkeypatch.setattr(page_module, "MAX_ROWS", 10)
    rows = [chat(f"Is {n} a number?", f"As an AI language model, I say {n}.") for n in range(60)]
    rows.append(chat("Where?", f"At postgresql://desk:{PASSWORD}@db.example.com/x."))
    html = write_page(tmp_path, rows).read_text(encoding="utf-8")
    view = read_view(html)
    assert len(view["findings"]) == 30
    assert len(view["rows"]) <= 10
    assert view["findings"][0]["rule"] == "connection_string"
    assert re.search(r"30 findings of \d+: errors first, the rules in turn; \d+ more", html)


def test_a_version_shows_what_was_changed(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    parts = {"train": [SourceConfig(path="rows.jsonl")]}
    done = curate_parts(parts, out=tmp_path / "d", base_dir=tmp_path, settings=settle(None))
    store = VersionStore.open(tmp_path / "d")
    path = write_version_page(store, done, parts, base_dir=tmp_path)
    assert path.parent == store.folder(done.version.id)
    html = path.read_text(encoding="utf-8")
    assert "<h1>Refused</h1>" not in html
    assert re.search(r"<del>[^<]*Ã©[^<]*</del>", html)
    assert "<ins>café</ins>" in html
    assert "rows were dropped" in html
    assert "[ADDRESS_1]" in html
    assert "Nowhere Lane" not in html
    assert PASSWORD not in html


def test_clusters_join_what_is_related_and_what_has_one_name() -> None:
    def finding(line: int, *related: int, cluster: str = "", rule: str = "copy") -> Finding:
        places = tuple(f"f:{one}" for one in related)
        return Finding(
            "f", line, "", rule, "warning", None, f"row {line}", "drop", line,
            related=places, cluster=cluster,
        )  # fmt: skip

    found = find_clusters(
        [
            finding(2, 1),
            finding(3, 1),
            finding(8, cluster="a", rule="trigger"),
            finding(9, cluster="a", rule="trigger"),
            finding(2, cluster="a", rule="trigger"),
            finding(10, cluster="b", rule="trigger"),
            finding(5, 4),
            finding(6, 5),
            finding(7),
        ]
    )
    assert [(one.rule, set(one.places)) for one in found] == [
        ("copy", {"f:1", "f:2", "f:3"}),
        ("trigger", {"f:8", "f:9", "f:2"}),
        ("copy", {"f:4", "f:5", "f:6"}),
    ]
    assert found[1].name == "a"
    picked = pick_clusters(found, most=2)
    assert [one.rule for one in picked] == ["copy", "trigger"]


def test_findings_of_a_drawn_cluster_name_it(tmp_path: Path) -> None:
    html = write_page(tmp_path).read_text(encoding="utf-8")
    view = read_view(html)
    drawn = re.findall(r'data-rule="(\w+)" data-cluster="(\d+)"', html)
    assert ("exact_duplicate", "0") in drawn
    members = [one["place"] for one in view["findings"] if one.get("cluster") == 0]
    assert [Path(one).name for one in members] == ["rows.jsonl:21", "rows.jsonl:22"]


def test_bins_hold_every_value_without_gaps() -> None:
    rng = random.Random(0)
    sets = [[0], [7] * 5, list(range(12)), [rng.randrange(100_000) for _ in range(500)]]
    sets += [[1, 1_000_000], [0, 3, 5_000]]
    for values in sets:
        bins = cut_bins(values)
        assert sum(count for *_, count in bins) == len(values)
        assert len(bins) <= 32
        for first, last, count in bins:
            assert count == sum(first <= value <= last for value in values)
        assert all(a[1] + 1 == b[0] for a, b in pairwise(bins))


def test_circles_do_not_overlap_and_stay_within_the_width() -> None:
    radii = [60.0, 40.0, 40.0, 33.0, 20.0, 20.0, 9.0, 9.0, 9.0] * 3
    centres, height = place_circles(radii, width=300)
    for place, (x, y) in enumerate(centres):
        assert radii[place] <= x <= 300 - radii[place]
        assert radii[place] <= y <= height - radii[place] + 1e-9
        for other, (u, v) in enumerate(centres[:place]):
            assert ((x - u) ** 2 + (y - v) ** 2) ** 0.5 >= radii[place] + radii[other]


@pytest.mark.parametrize("long", [0, 10_000])
def test_marked_changes_join_to_both_texts(long: int) -> None:
    before = "x" * long + "the cafÃ© of May" + "y" * long
    after = "x" * long + "the café of June" + "y" * long
    old, new = compare_texts(before, after)
    assert "".join(text for text, _ in old) == before
    assert "".join(text for text, _ in new) == after
    assert "".join(text for text, is_other in old if not is_other) == "".join(
        text for text, is_other in new if not is_other
    )
    assert any("May" in text for text, is_other in old if is_other)


@needs_browser
def test_the_page_fills_its_list_without_error_or_request(tmp_path: Path) -> None:
    page, log = write_page(tmp_path, with_tokens=True), tmp_path / "net.json"
    done = browse(page, "--dump-dom", f"--log-net-log={log}", fragment="#theme=dark")
    assert "CONSOLE" not in done.stderr
    assert "Refused to" not in done.stderr
    assert '<html lang="en" data-theme="dark">' in done.stdout
    assert 'id="no-script"' not in done.stdout
    assert done.stdout.count("<li><button") == len(read_view(page.read_text("utf-8"))["findings"])
    assert page_requests(log) == []


@needs_browser
@pytest.mark.parametrize(
    ("theme", "pixel"), [("light", (0xF6, 0xF5, 0xF1)), ("dark", (0x13, 0x13, 0x12))]
)
def test_both_themes_are_painted(tmp_path: Path, theme: str, pixel: tuple[int, int, int]) -> None:
    page, shot = write_page(tmp_path), tmp_path / "shot.png"
    browse(page, f"--screenshot={shot}", fragment=f"#theme={theme}")
    assert first_pixel(shot.read_bytes()) == pixel
