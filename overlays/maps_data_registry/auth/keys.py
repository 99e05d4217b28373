"""Subscription keys and SAS tokens, each an `httpx.Auth` that serves the sync and the async client.

A credential is validated when it is made, read anew for every request, and shown in no repr. When one is rejected, the
traceback holds it in no frame of this package; the caller's own frames may have it.
"""

import base64
import json
import logging
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any, NoReturn

import httpx

from maps_data_registry.errors import InvalidCredential
from maps_data_registry_contract import SAS_TOKEN_HEADER, SUBSCRIPTION_KEY_HEADER

from .protocols import KeyHolder, SignatureHolder

_log = logging.getLogger("maps_data_registry")


class Credential(httpx.Auth):
    """A credential that shows in no repr and does not pickle."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a credential cannot be pickled: create it where it is used")


class SubscriptionKey(Credential):
    """One of the account's shared keys, sent as `subscription-key`.

    *key* is the key, a callable that returns it, or azure-core's `AzureKeyCredential`. The last two are called or read
    for every request, so that a key can be rotated on a live client.

    Raises:
        InvalidCredential: if the key is not a valid header value; with a callable, when it is used.
    """

    def __init__(self, key: str | Callable[[], str] | KeyHolder) -> None:
        self._read = _reader(key, "key")
        is_known = not callable(key)
        del key  # a traceback may show the arguments of its frames
        if is_known:
            self._key()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request."""
        request.headers[SUBSCRIPTION_KEY_HEADER] = self._key()
        yield request

    def _key(self) -> str:
        return _checked(self._read, "the subscription key", header_fault)


class SasToken(Credential):
    """A shared access signature of the account, sent as `Authorization: jwt-sas …`.

    *token* is the token, with or without the `jwt-sas ` prefix, a callable that returns it, or azure-core's
    `AzureSasCredential`. *now* (seconds since the epoch) is compared with its expiry when a token is first seen.

    Raises:
        InvalidCredential: if the token is not a valid header value, or has expired; with a callable, when it is used.
    """

    def __init__(
        self, token: str | Callable[[], str] | SignatureHolder, *, now: Callable[[], float] = time.time
    ) -> None:
        self._read = _reader(token, "signature", prefix="jwt-sas ")
        self._now = now
        self._accepted: object = ""
        is_known = not callable(token)
        del token  # a traceback may show the arguments of its frames
        if is_known:
            self._token()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request."""
        request.headers[SAS_TOKEN_HEADER] = f"jwt-sas {self._token()}"
        yield request

    def _token(self) -> str:
        return _checked(self._read, "the SAS token", self._fault)

    def _fault(self, token: object) -> str | None:
        if token and token == self._accepted:
            return None
        fault = header_fault(token)
        if fault is not None:
            return fault
        expiry = _expiry(str(token))
        if expiry is not None and expiry <= self._now():
            return f"expired at {datetime.fromtimestamp(expiry, UTC).isoformat(' ', 'seconds')}"
        self._accepted = token
        return None


def _reader(secret: Any, attribute: str, prefix: str = "") -> Callable[[], object]:
    """Reads a secret that is a string, a callable, or an object with that attribute."""

    def read() -> object:
        found = secret() if callable(secret) else getattr(secret, attribute, secret)
        return found.removeprefix(prefix) if isinstance(found, str) else found

    return read


def _checked(read: Callable[[], object], what: str, fault_of: Callable[[object], str | None]) -> str:
    """The secret that *read* returns.

    Raises:
        InvalidCredential: with what is wrong with it. Neither the message nor this frame shows it.
    """
    secret = read()
    fault = fault_of(secret)
    if fault is None and isinstance(secret, str):
        return secret
    del secret
    raise InvalidCredential(f"{what} {fault}")


def header_fault(text: object) -> str | None:
    """Why a text cannot be a header's value as it is, or None if it can."""
    if not isinstance(text, str):
        return f"must be a string, not {type(text).__name__}"
    if not text.strip():
        return "is empty"
    if text != text.strip():
        return "begins or ends with white space, as text read from a file does: strip() it"
    if text.endswith("\\"):  # and what follows it in a text would read as escaped
        return "ends with a backslash, as a line that goes on in the next one does"
    if not text.isascii():
        return "contains characters outside ASCII"
    if " " in text or not text.isprintable():
        return "contains a space or a control character, such as a line break"
    return None


def _expiry(token: str) -> float | None:
    """The `exp` of a JSON Web Token (RFC 7519, section 4.1.4), if it can be read."""
    try:
        payload = token.split(".")[1]
        expiry = float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
        datetime.fromtimestamp(expiry, UTC)  # some year that a calendar has
    except (ArithmeticError, AttributeError, IndexError, KeyError, OSError, RecursionError, TypeError, ValueError):
        _log.warning("the SAS token is not a readable JSON Web Token with an expiry: it is used as it is")
        return None
    return expiry
