"""Scheduled events and their rules for dates and times."""
