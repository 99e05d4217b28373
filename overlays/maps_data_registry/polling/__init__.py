"""Retry-After polling."""
