"""Similar past trades, as of a time: an exact local index, or Weaviate. Nothing heavy is imported with it."""

from llm_plugin.memory.local import LocalMemory
from llm_plugin.memory.opening import open_memory
from llm_plugin.memory.records import MemoryHit, MemoryRecord, TradeMemory
from llm_plugin.memory.vector import VectorTransform

__all__ = ["LocalMemory", "MemoryHit", "MemoryRecord", "TradeMemory", "VectorTransform", "open_memory"]
