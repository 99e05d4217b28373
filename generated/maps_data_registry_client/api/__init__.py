# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
"""Contains methods for accessing the API"""
