"""What the emulator remembers of each request."""

import os
from dataclasses import dataclass
from hashlib import blake2b

_SALT = os.urandom(16)


@dataclass(slots=True)
class Entry:
    """One request and its reply. Secrets are not kept."""

    at: float
    """Seconds on the emulator's clock, 0 when it started."""
    method: str
    path: str
    request_id: str
    """The `x-ms-request-id` of the reply."""
    api_version: str | None = None
    scheme: str | None = None
    """`subscription-key`, `jwt-sas`, `Bearer`; several joined by `+`; None without a credential."""
    credential: str | None = None
    """A tag that tells one credential from another within this process, and nothing else about it."""
    operation_id: str | None = None
    poll: int | None = None
    """1 for the first poll of the operation."""
    early: bool = False
    """Whether the poll came before the pause was over that the reply before it had asked for."""
    outcome: str = ""
    """The operation's status as told, `Registered`, the name of the fault, or the code of the refusal."""
    status: int = 0
    """The reply's HTTP status; 0 if the connection ended before it was whole."""
    retry_after: str | None = None
    """The reply's `Retry-After`, as sent."""
    pause: float = 0.0
    """Seconds to leave before the next poll, as the reply asked for in one way or another."""


def tag(secret: str) -> str:
    """Tells equal secrets from different ones without telling what they are."""
    return blake2b(secret.encode(), key=_SALT, digest_size=4).hexdigest()
