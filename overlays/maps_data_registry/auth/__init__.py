"""Credentials, which sign each request."""
