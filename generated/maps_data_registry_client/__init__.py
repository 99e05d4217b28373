# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
"""A client library for accessing Azure Maps Data Registry"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)
