"""Recipes, as a user writes them, in modules of their own; `tests/test_examples.py` runs each."""
