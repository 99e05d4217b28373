"""What the emulator records of each request."""

import os
from dataclasses import dataclass
from hashlib import blake2b

_SALT = os.urandom(16)


@dataclass(slots=True)
class Entry:
    """One request and its reply. Secrets are not kept."""

    at: float
    """Seconds on the namespace's clock, 0 when the namespace was made."""
    method: str
    path: str
    """Without the query; a credential in it is replaced by `***`."""
    request_id: str
    """The `x-ms-request-id` of the reply."""
    api_version: str | None = None
    scheme: str | None = None
    """`subscription-key`, `jwt-sas`, `Bearer`; several joined by `+`; None without a credential."""
    credential: str | None = None
    """A tag that distinguishes credentials within this process and reveals nothing about them."""
    operation_id: str | None = None
    poll: int | None = None
    """1 for the first poll of the operation."""
    early: bool = False
    """Whether the poll came before the pause that the previous reply asked for was over."""
    outcome: str = ""
    """Status as reported, name of the fault, code of the refusal, or what was done, such as `Registered`."""
    status: int = 0
    """The reply's HTTP status; 0 if the connection ended before it was complete."""
    retry_after: str | None = None
    """The reply's `Retry-After`, as sent."""
    pause: float = 0.0
    """Seconds to leave before the next poll, in whichever form the reply asked for them."""

    def __str__(self) -> str:
        """One line for a terminal."""
        parts = [f"{self.status or 'no status'} {self.outcome}"]
        if self.retry_after is not None:
            parts.append(f"Retry-After: {self.retry_after[:40]}")
        if self.early:
            parts.append("too early")
        line = f"{self.at:9.2f} s  {self.method:6} {self.path}  {', '.join(parts)}"
        return "".join(character if character.isprintable() else "?" for character in line)


def tag(secret: str) -> str:
    """Equal for equal secrets, different for different ones, and nothing else is known from it."""
    return blake2b(secret.encode(), key=_SALT, digest_size=4).hexdigest()
