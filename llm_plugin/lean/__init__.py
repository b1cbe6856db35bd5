"""The plugin inside LEAN."""
