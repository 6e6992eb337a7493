"""Who judges free answers: a model behind an endpoint, or one in this process; it asks nobody."""

from __future__ import annotations

from assay.config.setting import REQUIRED, Section, setting


class JudgeConfig(Section):
    """A judge of free answers. Each answer costs it two short requests."""

    name: str = setting(
        REQUIRED,
        "The model's name at the endpoint; without url its folder or Hub id, and it judges in this "
        "process.",
        example="judge: {name: gpt-4o, url: https://api.openai.com/v1, "
        "key_env: OPENAI_API_KEY, hosts: [api.openai.com]}",
        min_length=1,
    )
    url: str | None = setting(
        None,
        "Address of an OpenAI-compatible endpoint that gives log-probabilities, up to and without "
        "/chat/completions.",
        reason="none: a model in this process",
        min_length=1,
    )
    key_env: str | None = setting(
        None,
        "Environment variable that holds the key. The key itself is stored nowhere.",
        reason="no key is sent",
        min_length=1,
    )
    hosts: list[str] = setting(
        None,
        "Hosts beside this machine that may be asked, by name: questions and answers go there.",
        reason="this machine alone",
        factory=list,
    )
