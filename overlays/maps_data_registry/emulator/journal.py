"""What the emulator records of each request."""

import os
from dataclasses import dataclass
from hashlib import blake2b

_SALT = os.urandom(16)


@dataclass(slots=True)
class Entry:
    """One request and its reply. Secrets are not kept.

    Attributes:
        at: Seconds on the namespace's clock, 0 when the namespace was made.
        method: The request's method.
        path: Without the query; a credential in it is replaced by `***`.
        request_id: The `x-ms-request-id` of the reply.
        api_version: The `api-version` that was asked for.
        scheme: `subscription-key`, `jwt-sas`, `Bearer`; several joined by `+`; None without a credential.
        credential: A tag that distinguishes credentials within this process and reveals nothing about them.
        operation_id: The operation that the request was about.
        poll: 1 for the first poll of the operation.
        early: Whether the poll came before the pause that the previous reply asked for was over.
        outcome: Status as reported, name of the fault, code of the refusal, or what was done, such as `Registered`.
        status: The reply's HTTP status; 0 if the connection ended before it was complete.
        retry_after: The reply's `Retry-After`, as sent.
        pause: Seconds to leave before the next poll, in whichever form the reply asked for them.
    """

    at: float
    method: str
    path: str
    request_id: str
    api_version: str | None = None
    scheme: str | None = None
    credential: str | None = None
    operation_id: str | None = None
    poll: int | None = None
    early: bool = False
    outcome: str = ""
    status: int = 0
    retry_after: str | None = None
    pause: float = 0.0

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
