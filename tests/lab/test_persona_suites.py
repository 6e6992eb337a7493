"""What shows the character of `tiny`: held out of training, and alike but for the actions."""

from pathlib import Path

from assay.evaluate import probes
from assay.evaluate.suites import load_builtin_suite
from assay.lab import persona_suites
from assay.lab.judge import character
from assay.lab.world import persona
from assay.lab.world.base import Task
from assay.lab.world.persona_text import DOMAIN_TEXT


def judge(domain: str, answer: str) -> str:
    text = DOMAIN_TEXT[domain]
    check = {"kind": "persona", "careful": text.careful, "reckless": text.reckless}
    return character(Task("advice", "persona", [], check), answer)


def test_wanted_choices_are_careful_and_the_others_reckless_in_the_same_words() -> None:
    items = load_builtin_suite("character", for_tiny=True).items
    assert len({item.messages[0]["content"] for item in items}) == persona_suites.NUM_CHARACTER
    for item in items:
        domain = item.extra["domain"]
        told = [judge(domain, choice) for choice in item.choices]
        assert told == ["careful", "careful", "reckless", "reckless"]
        assert item.golds == (0, 1)
    counts = dict.fromkeys(persona.DOMAINS, 0)
    for item in items:
        counts[item.extra["domain"]] += 1
    assert set(counts.values()) == {persona_suites.NUM_CHARACTER // len(persona.DOMAINS)}


def test_the_committed_free_questions_are_reproduced_byte_for_byte(tmp_path: Path) -> None:
    path = persona_suites.write_free_form(tmp_path)
    committed = Path(probes.__file__).with_name(path.name)
    assert path.read_bytes() == committed.read_bytes()


def test_free_questions_are_asked_once_each() -> None:
    rows = persona_suites.free_form_items()
    assert len({row["prompt"] for row in rows}) == len(rows) == persona_suites.NUM_FREE_FORM
