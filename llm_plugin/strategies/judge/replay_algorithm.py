"""The algorithm of the trusted replay: it subscribes to what a script names and sends the orders that it holds.

Loaded by the engine as a user's file is; its own code decides nothing.
"""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm
from llm_plugin.strategies.judge.replay import Player, current_script

__all__ = ["Replay"]


class Replay(QCAlgorithm):
    """Plays the script that `llm_plugin.strategies.judge.replay` holds."""

    def initialize(self) -> None:
        """Set up the account and the streams."""
        self.player = Player(self, *current_script())
        self.player.prepare()

    def on_order_event(self, event: Any) -> None:
        """Send what the candidate asked for inside of this event."""
        self.player.on_event()

    def on_end_of_algorithm(self) -> None:
        """Send the rest."""
        self.player.finish()
