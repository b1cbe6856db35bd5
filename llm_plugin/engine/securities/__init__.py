"""Securities: prices, models, sessions, and the manager that holds them."""
