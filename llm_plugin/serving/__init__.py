"""Language models on servers: Ollama, vLLM, anything OpenAI-compatible; scored, swapped, honest about what they can.

What it does not do: start a server, train, or import a model library (merging an adapter for Ollama excepted).
"""

from llm_plugin.serving.http import JsonClient
from llm_plugin.serving.ollama import OllamaModel, OllamaSwapper, upload_model
from llm_plugin.serving.openai import CompletionsModel, FixedSwapper, VllmSwapper
from llm_plugin.serving.opening import open_generations, open_model

__all__ = [
    "CompletionsModel",
    "FixedSwapper",
    "JsonClient",
    "OllamaModel",
    "OllamaSwapper",
    "VllmSwapper",
    "open_generations",
    "open_model",
    "upload_model",
]
