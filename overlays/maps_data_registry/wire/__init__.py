"""What may leave, and what may come in."""
