"""Messages and tools to token ids and an exact loss mask; the only code that renders a template.

It imports neither transformers nor torch, and knows nothing of files of data or of packing.
"""

from assay.chat.examples import (
    Boundary,
    RenderedConversation,
    RenderedExample,
    render_completion,
    render_conversation,
    render_example,
    render_plain,
)
from assay.chat.messages import Message, Tool, message_text, message_weight
from assay.chat.render import (
    are_tools_lost,
    find_control_texts,
    find_lost_messages,
    render_prompt,
    render_text,
)
from assay.chat.tokenizer import ChatTokenizer, load_chat_tokenizer, parse_chat_tokenizer

__all__ = [
    "Boundary",
    "ChatTokenizer",
    "Message",
    "RenderedConversation",
    "RenderedExample",
    "Tool",
    "are_tools_lost",
    "find_control_texts",
    "find_lost_messages",
    "load_chat_tokenizer",
    "message_text",
    "message_weight",
    "parse_chat_tokenizer",
    "render_completion",
    "render_conversation",
    "render_example",
    "render_plain",
    "render_prompt",
    "render_text",
]
