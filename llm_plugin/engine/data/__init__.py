"""LEAN-format files as columns, and the data types that user code sees."""
