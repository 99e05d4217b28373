"""The guarded transport: what may leave for the service, and what may come back."""
