"""Other people's evaluators, inspect_ai and lm-evaluation-harness, through the endpoint.

They are installed in an environment of their own, since they ask for much beside: its interpreter
is named by ASSAY_EVALUATORS (`pip install inspect_ai openai 'lm_eval[api]'` there).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sockets import Served

pytestmark = pytest.mark.slow
VARIABLE = "ASSAY_EVALUATORS"
QUESTIONS = ["What is the capital of France?", "Say hello.", "Name a colour.", "What is 2 + 3?"]
MAX_TOKENS = 12
INSPECT = """
import json, sys
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

questions, logs = json.loads(sys.argv[1]), sys.argv[2]
samples = [Sample(input=one, target="e") for one in questions]
(log,) = eval(
    Task(dataset=samples, solver=generate(), scorer=includes()),
    model="openai-api/assay/tiny",
    temperature=0.0,
    max_tokens=int(sys.argv[3]),
    log_dir=logs,
    display="none",
)
found = {one.input: one.output.completion for one in log.samples}
score = log.results.scores[0].metrics["accuracy"].value
print(json.dumps({"status": log.status, "answers": found, "score": score}))
"""
HARNESS_TASK = """
task: assay_questions
dataset_path: json
dataset_kwargs: {{data_files: {{test: {path}}}}}
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{target}}}}"
output_type: generate_until
generation_kwargs: {{until: [], max_gen_toks: {max_tokens}, do_sample: false, temperature: 0.0}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""


def find_python(package: str) -> str:
    """An interpreter that has a package; skips, saying why, where there is none."""
    python = os.environ.get(VARIABLE, sys.executable)
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    if subprocess.run([python, "-c", code], check=False).returncode:
        pytest.skip(f"{python} has no {package}; {VARIABLE} may name an interpreter that has")
    return python


def run(command: list[str], served: Served) -> str:
    keys = {"ASSAY_BASE_URL": served.url, "ASSAY_API_KEY": served.key, "OPENAI_API_KEY": served.key}
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        command, env={**os.environ, **keys, **offline}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def ask(served: Served, question: str) -> str:
    answer = served.client().chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": question}],
        temperature=0,
        max_completion_tokens=MAX_TOKENS,
    )
    return answer.choices[0].message.content or ""


@pytest.fixture()
def direct(asked: Served) -> dict[str, str]:
    """What the official client is answered."""
    return {question: ask(asked, question) for question in QUESTIONS}


def test_inspect_scores_the_answers_that_the_client_gets(
    asked: Served, direct: dict[str, str], tmp_path: Path
) -> None:
    python = find_python("inspect_ai")
    given = [json.dumps(QUESTIONS), str(tmp_path / "logs"), str(MAX_TOKENS)]
    told = json.loads(run([python, "-c", INSPECT, *given], asked).splitlines()[-1])
    assert told["status"] == "success" and told["answers"] == direct
    share = sum("e" in answer.lower() for answer in direct.values()) / len(direct)
    assert told["score"] == pytest.approx(share)


def test_the_harness_scores_the_answers_that_the_client_gets(
    asked: Served, direct: dict[str, str], tmp_path: Path
) -> None:
    python = find_python("lm_eval")
    rows = tmp_path / "questions.jsonl"
    # Two right answers of four: a score that neither nothing nor everything would give.
    targets = [direct[question] if n % 2 else "nothing" for n, question in enumerate(QUESTIONS)]
    pairs = zip(QUESTIONS, targets, strict=True)
    rows.write_text("".join(json.dumps({"question": q, "target": t}) + "\n" for q, t in pairs))
    task = HARNESS_TASK.format(path=json.dumps(str(rows)), max_tokens=MAX_TOKENS)
    (tmp_path / "assay_questions.yaml").write_text(task)
    model = f"model=tiny,base_url={asked.url}/chat/completions,num_concurrent=2,max_retries=1"
    command = [python, "-m", "lm_eval", "--model", "local-chat-completions", "--model_args", model]
    command += ["--tasks", "assay_questions", "--include_path", str(tmp_path)]
    command += ["--apply_chat_template", "--output_path", str(tmp_path / "out"), "--log_samples"]
    run(command, asked)
    (result,) = (tmp_path / "out").rglob("results_*.json")
    scores = json.loads(result.read_text())["results"]["assay_questions"]
    assert scores["exact_match,none"] == pytest.approx(0.5)
