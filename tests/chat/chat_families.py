"""Template families for tests, each with a small byte-level tokenizer of its own.

The templates show the habits of well-known families (markers, roles, what is refused, what is
stripped) in our own words; none is a copy.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from assay.chat.tiny_tokens import (
    build_tiny_added_tokens,
    build_tiny_tokenizer_config,
    keep_markup_readable,
)

TINY_TEMPLATE = Path(__file__).parents[2] / "src/assay/models/tiny/chat_template.jinja"

CORPUS = [
    "The capital of France is Paris. What is the capital of Spain? It is Madrid.",
    "You are a helpful desk. user assistant system tool model think name arguments parameters",
    '{"name": "get_weather", "arguments": {"city": "Paris", "days": 2}} It is 18 degrees and dry.',
    "one\n\n\n" * 20,
    "\n\n \n  Thank you! Let me think: two and two are four.",
]

CHATML = """\
{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

LLAMA3 = """\
{{- bos_token }}
{%- for message in messages %}
  {%- set who = 'ipython' if message.role == 'tool' else message.role %}
  {{- '<|start_header_id|>' ~ who ~ '<|end_header_id|>\\n\\n' }}
  {%- if loop.first and message.role == 'system' and tools %}
    {{- 'Tools: ' ~ (tools | tojson(indent=2)) ~ '\\n\\n' }}
  {%- endif %}
  {%- if message.tool_calls %}
    {%- set call = message.tool_calls[0].function %}
    {{- '{"name": "' ~ call.name ~ '", "parameters": ' ~ (call.arguments | tojson) ~ '}' }}
  {%- else %}
    {{- message.content | trim }}
  {%- endif %}
  {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

GEMMA = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('no system role here') }}{% endif %}
{%- for message in messages %}
  {%- if (message['role'] == 'user') != (loop.index0 is even) %}
    {{- raise_exception('roles must take turns') }}
  {%- endif %}
  {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
  {{- '<start_of_turn>' + role + '\\n' + (message['content'] | trim) + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
"""

MISTRAL = """\
{%- if messages[0].role == 'system' %}
  {%- set lead, turns = messages[0].content + '\\n\\n', messages[1:] %}
{%- else %}
  {%- set lead, turns = '', messages %}
{%- endif %}
{{- bos_token }}
{%- for message in turns %}
  {%- if message.role != ('user' if loop.index0 % 2 == 0 else 'assistant') %}
    {{- raise_exception('user and assistant must take turns') }}
  {%- endif %}
  {%- if message.role == 'user' %}
    {%- set is_last = loop.index0 == (turns | length - 1) // 2 * 2 %}
    {{- '[INST] ' + (lead if is_last else '') + message.content + ' [/INST]' }}
  {%- else %}
    {{- ' ' + message.content + eos_token }}
  {%- endif %}
{%- endfor %}
"""

THINKER = """\
{%- set ns = namespace(asked=-1) %}
{%- for message in messages if message.role == 'user' %}{% set ns.asked = loop.index %}{% endfor %}
{%- set ns.users = 0 %}
{%- if tools %}
  {{- '<|im_start|>system\\n' }}
  {%- if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}
  {{- '<tools>' }}
  {%- for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}
  {{- '\\n</tools><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
  {%- if message.role == 'system' and tools %}{% continue %}{% endif %}
  {%- if message.role == 'user' %}{% set ns.users = ns.users + 1 %}{% endif %}
  {%- if message.role == 'tool' %}
    {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
  {%- else %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.reasoning_content and ns.users == ns.asked %}
      {{- '<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>\\n\\n' }}
    {%- endif %}
    {{- message.content or '' }}
    {%- for tool_call in message.tool_calls or [] %}
      {%- set call = tool_call.function %}
      {{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
      {{- call.arguments if call.arguments is string else call.arguments | tojson }}
      {{- '}\\n</tool_call>' }}
    {%- endfor %}
  {%- endif %}
  {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""


@dataclass(frozen=True)
class Family:
    """A template, the control tokens it uses, and the tokenizer's configuration."""

    template: str
    special: tuple[str, ...]
    config: dict[str, Any]
    generation: dict[str, Any] = field(default_factory=dict)
    markup: tuple[str, ...] = ()
    adds_bos: bool = False


FAMILIES = {
    "chatml": Family(
        CHATML, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), {"eos_token": "<|im_end|>"}
    ),
    "llama3": Family(
        LLAMA3,
        ("<|begin|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>"),
        {"bos_token": "<|begin|>", "eos_token": "<|eot_id|>"},
        adds_bos=True,
    ),
    "gemma": Family(
        GEMMA,
        ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
        generation={"eos_token_id": [1, 4]},
        adds_bos=True,
    ),
    "mistral": Family(
        MISTRAL,
        ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        {"bos_token": "<s>", "eos_token": {"__type": "AddedToken", "content": "</s>"}},
    ),
    "thinker": Family(
        THINKER,
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        generation={"eos_token_id": [2, 0]},
        markup=("<think>", "</think>", "<tool_call>", "</tool_call>"),
    ),
}


def build_folder(name: str, folder: Path) -> Path:
    """Writes the family's tokenizer folder; `name` is a key of `FAMILIES`, or ``tiny``."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "tiny":
        tokenizer = _train(build_tiny_added_tokens())
        keep_markup_readable(tokenizer).save(str(folder / "tokenizer.json"))
        config = build_tiny_tokenizer_config(model_max_length=2048)
        template = TINY_TEMPLATE.read_text(encoding="utf-8")
    else:
        family = FAMILIES[name]
        tokenizer = _train([AddedToken(t, special=True, normalized=False) for t in family.special])
        tokenizer.add_tokens([AddedToken(t, special=False) for t in family.markup])
        tokenizer.post_processor = _post_processor(family, tokenizer)
        tokenizer.save(str(folder / "tokenizer.json"))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **family.config}
        template = family.template
        if family.generation:
            (folder / "generation_config.json").write_text(json.dumps(family.generation))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def _post_processor(family: Family, tokenizer: Tokenizer) -> Any:
    if not family.adds_bos:
        return processors.ByteLevel(trim_offsets=True)
    bos = family.config["bos_token"]
    return processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )


def _train(tokens: list[AddedToken]) -> Tokenizer:
    # A cached JSON per token list, since training is the slow part of these tests.
    return Tokenizer.from_str(_trained_json(tuple((t.content, t.special) for t in tokens)))


@cache
def _trained_json(tokens: tuple[tuple[str, bool], ...]) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken(t, special=s, normalized=False) for t, s in tokens],
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer.to_str()
