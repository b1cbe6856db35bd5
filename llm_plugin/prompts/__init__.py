"""Prompts: templates with checked fields, rendering, and the strict parser of answers."""

from __future__ import annotations

from llm_plugin.prompts.fields import FIELDS, Field, PromptContext, trading_session
from llm_plugin.prompts.parser import AnswerParser, ParsedAnswer, format_answer, parse_answer
from llm_plugin.prompts.renderer import Prompt, PromptRenderer
from llm_plugin.prompts.templates import TEMPLATE_VERSION, Template

__all__ = [
    "FIELDS",
    "TEMPLATE_VERSION",
    "AnswerParser",
    "Field",
    "ParsedAnswer",
    "Prompt",
    "PromptContext",
    "PromptRenderer",
    "Template",
    "format_answer",
    "parse_answer",
    "trading_session",
]
