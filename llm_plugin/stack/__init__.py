"""The local parts that work together: Prefect, its worker, Weaviate, MLflow and the validator service.

Each is a process of its own, known by a file under the plugin's home; nothing here imports Prefect or MLflow.
"""

from __future__ import annotations

from llm_plugin.stack.control import PartState, down, status, up
from llm_plugin.stack.events import deliver_events
from llm_plugin.stack.flows_folder import flows_folder, write_flows

__all__ = ["PartState", "deliver_events", "down", "flows_folder", "status", "up", "write_flows"]
