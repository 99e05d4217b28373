"""Measures a poll beside its peers: the cases, their stub server, the report that bench.py writes, the last results."""
