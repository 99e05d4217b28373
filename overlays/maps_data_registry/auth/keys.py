"""Subscription keys and SAS tokens, each an `httpx.Auth` that serves the sync and the async client.

A credential is validated when it is made, read anew for every request, and shows in no repr.
"""

import base64
import json
import logging
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

import httpx

from maps_data_registry.errors import InvalidCredential

_log = logging.getLogger("maps_data_registry")


class KeyHolder(Protocol):
    """The shape of azure-core's `AzureKeyCredential`."""

    @property
    def key(self) -> str:
        """The key of this moment."""


class SignatureHolder(Protocol):
    """The shape of azure-core's `AzureSasCredential`."""

    @property
    def signature(self) -> str:
        """The token of this moment."""


class Credential(httpx.Auth):
    """A credential that neither shows nor travels."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a credential is not pickled: make it where it is used")


class SubscriptionKey(Credential):
    """One of the account's shared keys, sent as `subscription-key`.

    *key* is the key, a callable that returns it, or azure-core's `AzureKeyCredential`; the last two are
    asked for every request, so that a key can be rotated on a live client.

    Raises:
        InvalidCredential: for a key that no account has; with a callable, when it is used.
    """

    def __init__(self, key: str | Callable[[], str] | KeyHolder) -> None:
        self._read = _source(key, "key", "the subscription key", str)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request."""
        request.headers["subscription-key"] = self._read()
        yield request


class SasToken(Credential):
    """A shared access signature of the account, sent as `Authorization: jwt-sas …`.

    *token* is the token, with or without the `jwt-sas ` prefix, a callable that returns it, or azure-core's
    `AzureSasCredential`. *now* (seconds since the epoch) judges its expiry when a token is first seen.

    Raises:
        InvalidCredential: for a token that is malformed as a header, or has expired; with a callable, when it is used.
    """

    def __init__(
        self, token: str | Callable[[], str] | SignatureHolder, *, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._checked = ""
        self._read = _source(token, "signature", "the SAS token", self._check, prefix="jwt-sas ")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request."""
        request.headers["Authorization"] = f"jwt-sas {self._read()}"
        yield request

    def _check(self, token: str) -> str:
        if token != self._checked:
            expiry = _expiry(token)
            if expiry is not None and expiry <= self._now():
                when = datetime.fromtimestamp(expiry, UTC).isoformat(" ", "seconds")
                raise InvalidCredential(f"the SAS token expired at {when}")
            self._checked = token
        return token


def _source(secret: Any, attribute: str, what: str, check: Callable[[str], str], prefix: str = "") -> Callable[[], str]:
    """A reader of a secret that is a string, a callable, or an object with that attribute."""

    def checked(text: object) -> str:
        return check(visible_ascii(text.removeprefix(prefix) if isinstance(text, str) else text, what))

    if callable(secret):
        return lambda: checked(secret())
    if hasattr(secret, attribute):
        checked(getattr(secret, attribute))
        return lambda: checked(getattr(secret, attribute))
    text = checked(secret)
    return lambda: text


def visible_ascii(text: object, what: str) -> str:
    """The text, if it can be a header's value as it stands. The message never shows it."""
    if not isinstance(text, str):
        raise InvalidCredential(f"{what} must be a string, not {type(text).__name__}")
    if not text.strip():
        raise InvalidCredential(f"{what} is empty")
    if text != text.strip():
        raise InvalidCredential(f"{what} begins or ends with white space, as text read from a file does: strip() it")
    if not text.isascii():
        raise InvalidCredential(f"{what} holds characters outside ASCII")
    if " " in text or not text.isprintable():
        raise InvalidCredential(f"{what} holds a space, a line break or another control character")
    return text


def _expiry(token: str) -> float | None:
    """The `exp` of a JSON Web Token (RFC 7519, section 4.1.4), if it can be read."""
    try:
        payload = token.split(".")[1]
        expiry = float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
        datetime.fromtimestamp(expiry, UTC)  # some year that a calendar has
    except (ArithmeticError, AttributeError, IndexError, KeyError, OSError, RecursionError, TypeError, ValueError):
        _log.warning("the SAS token is no readable JSON Web Token with an expiry: it is used as it is")
        return None
    return expiry
