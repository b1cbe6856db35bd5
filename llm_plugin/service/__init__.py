"""The validator as a service: one core object in plain Python, and HTTP, MCP and metrics around it."""
