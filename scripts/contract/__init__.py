"""Reads, judges and compares the document, and runs the generators: what regenerate.py and review.py consist of."""
