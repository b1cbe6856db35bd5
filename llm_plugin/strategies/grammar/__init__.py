"""A compositional grammar of strategies: code, several descriptions and checkable requirements from a seed.

`strategies` yields them without end; `grammar_tasks` gives benchmark tasks from compositions held out of training.
"""

from llm_plugin.strategies.grammar.catalogue import FAMILIES, draw, strategies
from llm_plugin.strategies.grammar.draft import SPLITS, Strategy
from llm_plugin.strategies.grammar.tasks import grammar_tasks

__all__ = ["FAMILIES", "SPLITS", "Strategy", "draw", "grammar_tasks", "strategies"]
