"""Streams of data points in order of time, and what is subscribed."""
