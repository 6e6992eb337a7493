"""Which metric "auto" takes, per item, and why."""

from assay.evaluate.choose import assign_metrics, plan_metrics
from assay.evaluate.items import Item

CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}


def items(*references):
    return [Item(str(i), [], reference) for i, reference in enumerate(references)]


def chosen(*references):
    found = items(*references)
    plan = plan_metrics(found)
    return plan, [item.metric for item in assign_metrics(found, plan)]


def test_tool_calls():
    plan, metrics = chosen(CALL, CALL)
    assert plan.metric == "tool_call"
    assert metrics == ["tool_call"] * 2
    assert plan.reason == "tool_call for 2 items: the reference makes tool calls"


def test_json_objects():
    assert chosen('{"a": 1}', '{"a": 2}')[0].metric == "json_fields"
    assert chosen("[1]", "[2]")[0].metric == "exact"


def test_few_repeated_short_answers_are_labels():
    plan, metrics = chosen(*["Billing", "shipping", "billing."] * 10)
    assert plan.metric == "classification"
    assert plan.labels == {"billing", "shipping"}
    assert set(metrics) == {"classification"}


def test_too_few_or_too_many_short_answers_are_no_labels():
    assert chosen(*["a", "b"] * 14)[0].metric == "exact"
    assert chosen(*[f"city {i}" for i in range(60)])[0].metric == "exact"
    assert chosen(*["same"] * 60)[0].metric == "exact"


def test_answers_by_length():
    assert chosen("a short answer " * 4)[0].metric == "exact"
    assert chosen("a longer answer " * 5)[0].metric == "token_f1"


def test_a_desk_that_does_everything_is_mixed():
    prose = [f"Please restart device number {i} and wait one full minute now." for i in range(9)]
    labels = ["billing", "technical", "returns"] * 11
    plan, metrics = chosen(*[CALL] * 5, *labels, *prose, '{"id": 1}')
    assert plan.metric == "mixed"
    expected = ["tool_call"] * 5 + ["classification"] * 33 + ["exact"] * 9 + ["json_fields"]
    assert metrics == expected
    assert "classification for 33 items: the reference is one of 3 short answers" in plan.reason
    assert "tool_call for 5 items" in plan.reason


def test_rare_short_answers_among_labels_stay_text():
    names = [f"Name {i}" for i in range(25)]
    plan, metrics = chosen(*["yes", "no"] * 20, *names)
    assert plan.labels == {"yes", "no"}
    assert metrics[-1] == "exact"


def test_a_plan_judges_another_split_alike():
    plan, _ = chosen(*["yes", "no"] * 20)
    other = assign_metrics(items("yes", "Perhaps not", CALL), plan)
    assert [item.metric for item in other] == ["classification", "exact", "tool_call"]


def test_a_named_metric_is_taken_and_an_items_own_is_kept():
    plan = plan_metrics(items("yes"), metric="contains")
    own = Item("x", [], "yes", metric="json_valid")
    metrics = [item.metric for item in assign_metrics([*items("yes", CALL), own], plan)]
    assert metrics == ["contains", "contains", "json_valid"]
