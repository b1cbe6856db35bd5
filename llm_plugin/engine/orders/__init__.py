"""From an order's request to its fill."""
