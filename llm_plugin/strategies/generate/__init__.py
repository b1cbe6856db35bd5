"""From a prompt to a project folder: plan, code, gates, repair, fallback, record. Imports nothing heavy."""
