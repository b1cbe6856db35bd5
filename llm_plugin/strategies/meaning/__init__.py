"""Gate 4: whether a run did what its task asked for."""

from llm_plugin.strategies.meaning.check import check_meaning

__all__ = ["check_meaning"]
