"""What decisions led to: the durable store, replays, shadow trades and exit rules."""
