"""What is traded, where and when: symbols, their properties, exchanges and their hours."""
