# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
"""Contains endpoint functions for accessing the API"""
