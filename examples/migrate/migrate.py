"""Tunes a model and asks it, as written for OpenAI's service; nothing in it knows another server.

Against `assay serve`, OPENAI_BASE_URL and OPENAI_API_KEY are other ones, and that is all.
"""

import json
import sys
import time
from pathlib import Path

from openai import OpenAI

ROWS = Path(__file__).with_name("rows.jsonl")
client = OpenAI()

with open(ROWS, "rb") as rows:
    training = client.files.create(file=rows, purpose="fine-tune")
job = client.fine_tuning.jobs.create(
    model="gpt-4.1-mini",
    training_file=training.id,
    suffix="parcels",
    seed=7,
    method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
)
print(f"{job.id}: {job.status}")

while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(2)
    job = client.fine_tuning.jobs.retrieve(job.id)
for event in reversed(client.fine_tuning.jobs.list_events(job.id, limit=100).data):
    print(f"  {event.message}")
if job.status != "succeeded" or job.fine_tuned_model is None:
    sys.exit(f"{job.status}: {job.error.message if job.error else ''}")

tools = json.loads(ROWS.read_text(encoding="utf-8").splitlines()[0])["tools"]
messages = [{"role": "user", "content": "Where is my parcel P5309?"}]
with client.chat.completions.stream(
    model=job.fine_tuned_model,
    messages=messages,
    tools=tools,
    temperature=0,
    max_completion_tokens=64,
) as stream:
    for event in stream:
        if event.type == "tool_calls.function.arguments.done":
            print(f"{event.name}({event.arguments})")
answer = stream.get_final_completion().choices[0].message
(call,) = answer.tool_calls or ()
if json.loads(call.function.arguments) != {"number": "P5309"}:
    sys.exit(f"The call is another: {call.function}")

messages += [
    {"role": "assistant", "tool_calls": [call.to_dict()]},
    {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"place": "in Leeds"})},
]
for chunk in client.chat.completions.create(
    model=job.fine_tuned_model,
    messages=messages,
    tools=tools,
    temperature=0,
    max_completion_tokens=32,
    stream=True,
):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
