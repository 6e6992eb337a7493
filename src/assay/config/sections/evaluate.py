"""What is measured on base, prompted base and tuned model; it measures nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from assay.config.sections.judge import JudgeConfig
from assay.config.setting import REQUIRED, Section, setting
from assay.config.shorthand import expand_block, expand_list

METRICS = (
    "auto",
    "exact",
    "contains",
    "token_f1",
    "json_valid",
    "json_fields",
    "tool_call",
    "classification",
    "number",
    "perplexity",
)
"""Metrics by name; any other value must be `path/to/file.py:function`."""

SUITE_METRICS = ("choice", "choice_norm", "mass", "agreement", "honesty")
"""Metrics of suites alone: of choices, which are weighed by probability, and of answers that must
agree within a group or say what nobody can know."""

SuiteFormat = Literal[
    "auto",
    "suite",
    "truthfulqa",
    "halueval",
    "bbq",
    "crows_pairs",
    "winogenerated",
    "model_written",
    "harmbench",
    "xstest",
    "cyberseceval_frr",
    "bfcl",
    "gsm8k",
    "mmlu",
    "multiple_choice",
    "text",
    "free_form",
]
"""The shapes of a suite's rows: Assay's own ("suite"), those of public data sets, and questions of
which free answers are judged."""

HARNESS_PREFIX = "lm_eval:"
"""What a path of a task of lm-evaluation-harness begins with."""
FREE_FORM = "free_form"
"""The path of the built-in questions for free answers."""

METRICS_TEXT = f"{', '.join(METRICS)}, or path/to/file.py:function"


class SuiteConfig(Section):
    """A further set of questions that guards something the base could already do."""

    path: str = setting(
        REQUIRED,
        "A JSONL file of questions with reference answers, from the recipe's folder; a file, "
        "folder or Hub id of a public data set; lm_eval:TASK for a task of lm-evaluation-harness "
        "(extra `eval`), or lm_eval:FILE.yaml for one of your own; or free_form for the built-in "
        "questions whose free answers are judged.",
        example="evaluate.suites: [{path: general.jsonl, kind: retention}]",
        min_length=1,
    )
    name: str | None = setting(
        None,
        "Name of the suite in reports.",
        reason="the file's name",
        min_length=1,
    )
    metric: str = setting(
        "auto",
        "How an answer is scored.",
        allowed=f"{', '.join(SUITE_METRICS)}, {METRICS_TEXT}",
        reason="recognised from the reference answers",
        min_length=1,
    )
    kind: (
        Literal["retention", "refusal", "over_refusal", "character", "honesty", "fairness", "tools"]
        | None
    ) = setting(
        None,
        "What the suite guards, and so which gate reads it.",
        reason="what a public data set measures; else retention: most suites ask what the base "
        "could do before",
    )
    format: SuiteFormat = setting(
        "auto",
        "The shape of a row: Assay's own suites (suite), or a public data set's.",
        reason="recognised from the columns of the first row",
    )
    subset: str | None = setting(
        None, "Configuration of a Hub dataset.", reason="the format's own", min_length=1
    )
    split: str | None = setting(
        None, "Split of a Hub dataset.", reason="the format's own, else test", min_length=1
    )
    revision: str | None = setting(
        None,
        "Branch, tag or commit of a Hub dataset.",
        reason="the Hub's main branch",
        min_length=1,
    )
    judge: JudgeConfig | None = setting(
        None,
        "Who judges free answers (format free_form): four answers to each question, of base and "
        "tuned model, by two requests each.",
        reason="a rule for `tiny`; other bases need one",
    )

    @property
    def source(self) -> Literal["rows", "harness", "free_form"]:
        """What the suite is: rows of questions, a harness task, or free answers that are judged."""
        if self.path.startswith(HARNESS_PREFIX):
            return "harness"
        return "free_form" if FREE_FORM in (self.format, self.path) else "rows"


_StringOrSuite = Annotated[
    SuiteConfig,
    BeforeValidator(expand_block("evaluate.suites.*"), json_schema_input_type=str | SuiteConfig),
]
Suites = Annotated[
    list[_StringOrSuite],
    BeforeValidator(
        expand_list, json_schema_input_type=str | SuiteConfig | list[str | SuiteConfig]
    ),
]


class EvaluateConfig(Section):
    """How answers are generated and scored; the same for base, prompted base and tuned model."""

    metric: str = setting(
        "auto",
        "How an answer to the user's task is scored.",
        allowed=METRICS_TEXT,
        reason="recognised from the answers: tool calls, JSON, few distinct labels, else exact",
        min_length=1,
    )
    prompt: str | None = setting(
        None,
        "System prompt of the prompting baseline.",
        reason="the rows' own system prompt",
        min_length=1,
    )
    shots: list[Annotated[int, Field(ge=0, le=64)]] = setting(
        None,
        "Numbers of examples tried in the prompt of the baseline; the best is chosen on the "
        "validation rows.",
        unit="examples",
        reason="without examples, and with a handful",
        factory=lambda: [0, 4],
        min_length=1,
    )
    max_new_tokens: int = setting(
        128,
        "Longest answer generated.",
        unit="tokens",
        reason="covers short answers and tool calls; raise it for long ones",
        ge=1,
        le=131_072,
    )
    temperature: float = setting(
        0.0,
        "Randomness of sampling; 0 takes the likeliest token.",
        reason="repeatable, and the fairest comparison",
        ge=0,
        le=5,
    )
    batch_size: int = setting(
        16,
        "Prompts generated at once; memory grows with it, answers do not change.",
        unit="prompts",
        reason="fits where training fits",
        ge=1,
        le=4096,
    )
    max_items: int = setting(
        200,
        "Most questions asked of each suite; drawn with the recipe's seed.",
        unit="questions",
        reason="an interval of about 7 points either way, in minutes",
        ge=1,
    )
    suites: Suites = setting(
        None,
        "Further suites, beside the built-in retention and refusal ones.",
        reason="the built-in suites only",
        factory=list,
    )
