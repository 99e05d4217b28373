"""Every exception of this package.

    DataRegistryError
    ├── OperationFailed         the operation ended without success
    ├── OperationTimeout        the wait's time was up first           (also a TimeoutError)
    ├── UnrecognizedStatus      it ended with a status that nobody knows
    ├── ServiceError            the service refused the request
    │   ├── AuthenticationFailed    401, 403
    │   └── OperationNotFound       404
    ├── ServiceUnreachable      no reply came                          (also an httpx.TransportError)
    ├── InvalidResponse         a reply came that cannot be read
    ├── TokenUnavailable        the Entra credential gave no token
    ├── InvalidOperation        no operation id or Operation-Location  (also a ValueError)
    ├── InvalidCredential       a key or token that cannot be right    (also a ValueError)
    └── UntrustedOrigin         a request to elsewhere, not sent       (also a ValueError)

Messages are one line, name the operation (if there is one) and the next step, and hold no credential. All pickle and
copy.
"""

import copyreg
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

import httpx

from maps_data_registry_client.models import LongRunningOperationResult, MapsErrorDetail, MapsInnerError
from maps_data_registry_client.types import Unset

from .text import MAX_TEXT, one_line, unset_to_none

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a refusal that may pass: a wait retries them."""

_MAX_LINES = 100  # lines of an error tree that are shown

# The generated code tests `is UNSET`, so an unpickled or copied model needs the one and only UNSET again.
copyreg.pickle(Unset, lambda _: "UNSET")


class DataRegistryError(Exception):
    """The base of everything that this package raises about the service and its operations.

    An error that ends a wait says how far the wait had come: `operation_id`, `last` (the last result that was read, or
    None), `polls` (requests sent) and `elapsed` (seconds since the wait began).
    """

    advice: str = ""
    operation_id: str | None = None
    last: LongRunningOperationResult | None = None
    polls: int = 0
    elapsed: float = 0.0

    def __init__(self, summary: str) -> None:
        super().__init__(one_line(summary))

    def with_progress(
        self, operation_id: str, last: LongRunningOperationResult | None, polls: int, elapsed: float
    ) -> Self:
        """Record how far the wait had come, and return this error."""
        self.operation_id, self.last, self.polls, self.elapsed = operation_id, last, polls, elapsed
        return self

    @property
    def next_step(self) -> str:
        """What to do or to call now, in a few words."""
        return self.advice.format(operation=self.operation_id) if self.operation_id or "{" not in self.advice else ""

    def __str__(self) -> str:
        subject = f"operation {self.operation_id}: " if self.operation_id else ""
        advice = f"; {self.next_step}" if self.next_step else ""
        return f"{subject}{str(self.args[0]).rstrip('.;,') if advice else self.args[0]}{advice}"

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self),), {**self.__dict__, "args": self.args}  # type: ignore[attr-defined]


RESUME = 'to resume: wait_for_operation(client, "{operation}")'
_NOT_THE_SERVICE = "check whether something between this machine and the service answers in its place"


class _ErrorTree(DataRegistryError):
    """What both kinds of refusal share: the error that the service described, if it did."""

    error: MapsErrorDetail | None
    """The whole error, nested details and inner errors included."""
    code: str | None
    """The service's code for what happened, meant for programs."""
    message: str | None
    """The service's sentence about it, meant for people."""

    def _set_error(self, error: MapsErrorDetail | None) -> None:
        self.error = error
        self.code = unset_to_none(error.code) if error else None
        self.message = unset_to_none(error.message) if error else None

    @property
    def tree(self) -> str:
        """The error, its details and its inner errors as an indented tree, a line each; "" if there is none."""
        return "\n".join(islice(_tree(self.error), _MAX_LINES)) if self.error else ""


class OperationFailed(_ErrorTree):
    """The operation ended without success. Polling again will not change that.

    `code`, `message`, `target` and `error` say why, in the service's words; `result` is its whole reply.
    The service reports this with status 200: https://learn.microsoft.com/rest/api/maps/data-registry/get-operation.
    """

    advice = "fix the data and register it again"

    def __init__(self, result: LongRunningOperationResult) -> None:
        self.result = self.last = result
        self._set_error(unset_to_none(result.error))
        self.target = unset_to_none(self.error.target) if self.error else None
        super().__init__(f"{unset_to_none(result.status)}: {_headline(self.error) or 'the service gave no reason'}")


class OperationTimeout(DataRegistryError, TimeoutError):
    """The wait's timeout has passed, or would pass before the next poll. The operation itself keeps running."""

    advice = RESUME


class UnrecognizedStatus(DataRegistryError):
    """The operation ended (no Retry-After asked for another poll) with a status that the policy does not know.

    The result is in `last`. If the status is new and you know what it means, add it to `PollingPolicy`.
    """

    advice = "the reply is in `last`; a status that you know can be added to PollingPolicy(succeeded=…) or (failed=…)"


class ServiceError(_ErrorTree):
    """The service, or a gateway in front of it, answered with a status other than 200.

    `status_code` is that status, `code` the value of `x-ms-error-code` or of the body, `error` the body's
    error tree, `headers` the reply's, `request_id` the id that support will ask for, `retry_after` the seconds to wait,
    if given.
    """

    advice = RESUME

    def __init__(
        self, response: httpx.Response, error: MapsErrorDetail | None = None, *, retry_after: float | None = None
    ) -> None:
        self.status_code = response.status_code
        if response.is_redirect:
            self.advice = "no redirect is followed, as a credential goes to its own endpoint only: check the endpoint"
        elif response.status_code < 400:
            self.advice = _NOT_THE_SERVICE
        elif self.advice is RESUME and response.status_code not in TRANSIENT_STATUSES and response.is_client_error:
            self.advice = "the service refuses this request: waiting again will not change that"
        self.headers = httpx.Headers(response.headers)
        self.retry_after = retry_after
        self.request_id: str | None = response.headers.get("x-ms-request-id") or response.headers.get("request-id")
        self._set_error(error)
        self.code = response.headers.get("x-ms-error-code") or self.code
        message = f": {self.message}" if self.message else ""
        super().__init__(f"HTTP {self.status_code}{f' {self.code}' if self.code else ''}{message}")


class AuthenticationFailed(ServiceError):
    """401 or 403: the credential is missing, wrong, disabled on the account, or not allowed to do this.

    `__cause__` is a `TokenUnavailable` where the Entra credential gave no new token after a 401.
    """

    advice = (
        "check that the credential belongs to an account of this geography, that keys or SAS tokens are not switched "
        "off on the account, and that account_client_id is the Maps account's client id, not the app's"
    )


class OperationNotFound(ServiceError):
    """404: no such operation in this geography on this account; old ones are forgotten."""

    advice = "check the id, and that the client is connected to the geography that the data was registered in"


class ServiceUnreachable(DataRegistryError, httpx.TransportError):
    """No reply came: the connection was refused, reset, cut off or too slow, or a certificate is not trusted.

    A wait retries the former as often as its policy says. `__cause__` is the httpx exception.
    """

    advice = RESUME

    def __init__(self, error: httpx.RequestError) -> None:
        self.__cause__ = error
        super().__init__(f"no reply from {error}" if str(error) else f"no reply: {type(error).__name__}")
        self._request = None  # httpx would keep the request here, and with it the credential


class InvalidResponse(DataRegistryError):
    """A reply came that cannot be read: not JSON in UTF-8, not an object, about another operation, or too long.

    `status_code` and `headers` are the reply's; `excerpt` is the beginning of its body, at most 300 characters.
    """

    advice = _NOT_THE_SERVICE

    def __init__(self, fault: str, *, status_code: int, headers: httpx.Headers, body: bytes = b"") -> None:
        self.status_code = status_code
        self.headers = httpx.Headers(headers)
        self.excerpt = one_line(body[: 4 * MAX_TEXT].decode("utf-8", "replace"))
        super().__init__(f"HTTP {status_code}, but the reply cannot be read: {fault}")


class TokenUnavailable(DataRegistryError):
    """The Entra credential returned no token. The message includes the credential's own reason.

    `is_transient` is true if the network was at fault; a wait then retries.
    """

    advice = "call the credential's get_token directly to see why it fails"

    def __init__(self, summary: str, *, is_transient: bool = False) -> None:
        self.is_transient = is_transient
        super().__init__(summary)


class InvalidOperation(DataRegistryError, ValueError):
    """Neither an operation id, nor an Operation-Location of this client's endpoint, nor a response with one."""


class InvalidCredential(DataRegistryError, ValueError):
    """A credential that cannot be right. The message says what is wrong with it and never shows it."""


class UntrustedOrigin(DataRegistryError, ValueError):
    """A request to another scheme, host or port than the client's, refused before anything was sent."""

    advice = "a credential goes to its own endpoint only; connect() makes a client for another one"


def _headline(error: MapsErrorDetail | MapsInnerError | None) -> str:
    if error is None:
        return ""
    message = unset_to_none(error.message) if isinstance(error, MapsErrorDetail) else None
    return ": ".join(one_line(text) for text in (unset_to_none(error.code), message) if text)


def _tree(error: MapsErrorDetail | MapsInnerError, lead: str = "", below: str = "") -> Iterator[str]:
    target = unset_to_none(error.target) if isinstance(error, MapsErrorDetail) else None
    yield f"{lead}{_headline(error) or '(no code)'}" + (f" [{one_line(target)}]" if target else "")
    details = unset_to_none(error.details) if isinstance(error, MapsErrorDetail) else None
    inner = unset_to_none(error.innererror)
    children: list[MapsErrorDetail | MapsInnerError] = [*(details or ()), *([inner] if inner else ())]
    for index, child in enumerate(children, start=1):
        last = index == len(children)
        yield from _tree(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
