"""Who signs a request."""
