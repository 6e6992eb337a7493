"""What a check tells of the whole set, as lines for a terminal; it knows no finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MAX_TOPICS = 8


def render_insights(insights: Mapping[str, Any]) -> list[str]:
    """At most a line for each kind and each topic; none where nothing was told."""
    lines = [*_tell_topics(insights), *_tell_model(insights)]
    return ["the set", *(f"  {line}" for line in lines)] if lines else []


def _tell_topics(insights: Mapping[str, Any]) -> Iterator[str]:
    topics = insights.get("topics", {}).get("topics", [])
    for topic in topics[:_MAX_TOPICS]:
        yield f"{topic['share']:>6.1%}  {', '.join(topic['terms']) or 'no word of its own'}"
    if len(topics) > _MAX_TOPICS:
        yield f"        and {len(topics) - _MAX_TOPICS} smaller topics"
    if "diversity" in insights:
        told = insights["diversity"]
        yield (
            f"as varied as {told['effective_rows']:.0f} of {told['rows']:,} rows without likeness, "
            f"by {told['by']}"
        )


def _tell_model(insights: Mapping[str, Any]) -> Iterator[str]:
    if "losses" in insights:
        told = insights["losses"]
        yield (
            f"loss of the base {told['base']['mean']:.2f} nats a token, "
            f"{told['tuned_on_others']['mean']:.2f} tuned on the other rows "
            f"({told['sampled']:,} of {told['rows']:,} rows)"
        )
    worth = insights.get("label_next", [])
    if worth:
        yield f"worth labelling more of: {', '.join(one['place'] for one in worth[:3])}"
