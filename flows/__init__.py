"""Prefect flows: thin, typed, one file each; all logic is in `llm_plugin`."""
