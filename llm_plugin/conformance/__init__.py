"""LEAN's own regression algorithms, run on the embedded engine and held against LEAN's published results."""
