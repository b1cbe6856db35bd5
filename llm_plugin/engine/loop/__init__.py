"""The time loop: LEAN's order of work of each moment, and the faster ways through moments that need less."""
