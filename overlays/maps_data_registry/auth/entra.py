"""Tokens of Microsoft Entra, by the shape of azure-identity's credentials."""

import functools
import inspect
import logging
import math
import os
import re
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import anyio
import anyio.to_thread
import httpx
from anyio.lowlevel import RunVar

from maps_data_registry.errors import InvalidCredential, TokenUnavailable
from maps_data_registry.text import one_line
from maps_data_registry.wire.guard import DEADLINE, REFRESH_PROBLEM
from maps_data_registry_contract import AAD_TOKEN_SCOPES, CLIENT_ID_HEADER

from .challenge import claims_of
from .keys import Credential, header_fault
from .protocols import TokenCredential, TokenInfoCredential

_REFRESH_AHEAD = 300.0  # seconds before expiry, where the credential names no time to refresh
_RETRY_REFRESH = 30.0  # seconds until the next try, where a refresh failed but the token still serves
_LONGEST_LOGIN = 900.0  # seconds for a token where nothing sets a deadline: a person may have to enter a code

# By name, in the classes that an exception descends from: none of these packages is imported here.
_NETWORK_FAULTS = frozenset(
    {"ServiceRequestError", "ServiceResponseError", "TransportError", "ClientConnectionError", "ConnectionError",
     "TimeoutError", "Timeout", "gaierror"}
)  # fmt: skip

# What a credential's own text must not show: the value of a parameter or header that is a secret, a JSON Web Token, and
# a password in a URL.
_SECRETS = re.compile(
    r"""(?isx)
    ((?:secret|assertion|password|[a-z_]token(?:_hint)?|(?:device|authorization)_code|\bcode(?=\\*["'=%])|code_verifier
      |authorization)
     (?:\\*["'])?\s*(?:[=:]|%3d)\s*)
    (?:(\\*)(["']).*?(?:(?<!\\)\2\3|$)|(?:bearer|basic)\s+[^\s"']+|[^\s&"',;]+)
    |\b(?:eyJ[\w-]+(?:\.[\w-]*)*|(?<=bearer\s)[\w.~+/=-]{16,})|(?<=://)[^/\s@]+(?=@)"""
)
_LONGEST_CHAIN = 100  # causes of an error that are looked at

_log = logging.getLogger("maps_data_registry")


class EntraToken(Credential):
    """Tokens of a Microsoft Entra credential, sent as `Authorization: Bearer …` with `x-ms-client-id`.

    *credential* is any of azure-identity's, sync or async, or anything with their `get_token_info` or `get_token`.
    *account_client_id* is the unique id of the Maps account ("Client ID" in the portal), not that of an app
    registration. *scope* differs in sovereign clouds.

    The token is kept until `refresh_on`, or five minutes before it expires; one caller refreshes it, the others
    wait. A 401 is retried once with a new token, with the claims that the 401 demands, if any. A sync credential
    on the async client runs in a worker thread, as it would block the event loop; an async credential on the
    sync client is refused. Getting a token may take as long as the wait, and 15 minutes at most; on the sync client
    nothing can cut short a `get_token` that takes longer. *now* (seconds since the epoch) is compared with a token's
    expiry.

    Raises:
        InvalidCredential: when made from something without `get_token`, or if the id is not a valid header value; on
            the sync client, for an async credential.
        TokenUnavailable: from a request, if the credential returns no token.
    """

    def __init__(
        self,
        credential: TokenCredential | TokenInfoCredential,
        account_client_id: str,
        *,
        scope: str = AAD_TOKEN_SCOPES[0],
        now: Callable[[], float] = time.time,
    ) -> None:
        get = getattr(credential, "get_token_info", None) or getattr(credential, "get_token", None)
        if get is None:
            raise InvalidCredential(f"{type(credential).__name__} has neither get_token_info nor get_token")
        self._get: Callable[..., Any] = get
        self._takes_options = hasattr(credential, "get_token_info")
        self._is_async = inspect.iscoroutinefunction(self._get)
        if (fault := header_fault(account_client_id)) is not None:
            del account_client_id  # which may be a key in the wrong place
            raise InvalidCredential(f"account_client_id {fault}")
        self._account_client_id = account_client_id
        self._scope = scope
        self._now = now
        self._current = "", 0  # the token and its number, which counts the different ones: read and replaced at once
        self._expires_on = self._refresh_on = -math.inf
        self._locks: dict[int, threading.Lock] = {}  # one per process: a forked child's copy may stay locked
        self._async_lock = RunVar[anyio.Lock]("lock")  # one for each event loop: a lock cannot serve two

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request; once more with a new token after a 401."""
        if self._is_async:
            raise InvalidCredential("the credential is async: use it with the functions that end in _async")
        if (failure := self._refresh(request)) is not None:
            raise failure
        serial = self._sign(request)
        response = yield request
        if response.status_code == 401:
            response.extensions[REFRESH_PROBLEM] = self._refresh(request, serial, _claims(response))
            if self._sign(request) != serial:
                yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign the request; once more with a new token after a 401."""
        if (failure := await self._refresh_async(request)) is not None:
            raise failure
        serial = self._sign(request)
        response = yield request
        if response.status_code == 401:
            response.extensions[REFRESH_PROBLEM] = await self._refresh_async(request, serial, _claims(response))
            if self._sign(request) != serial:
                yield request

    def _refresh(
        self, request: httpx.Request, rejected: int | None = None, claims: str | None = None
    ) -> TokenUnavailable | None:
        """Get a new token if one is due; return why there is none. Raised here, it would carry a stranger's error."""
        if not self._is_due(rejected):
            return None
        lock = self._locks.setdefault(os.getpid(), threading.Lock())
        if not lock.acquire(timeout=_time_left(request)):
            return _too_late()
        try:
            if not self._is_due(rejected):  # another thread did it meanwhile
                return None
            return self._store(self._get(self._scope, **self._options(claims)))
        except Exception as error:  # a stranger's code: its exceptions are of types that cannot be known here
            return self._failure(error, rejected)
        finally:
            lock.release()

    async def _refresh_async(
        self, request: httpx.Request, rejected: int | None = None, claims: str | None = None
    ) -> TokenUnavailable | None:
        if not self._is_due(rejected):
            return None
        with anyio.move_on_after(_time_left(request)):
            async with self._lock_of_this_loop():
                if not self._is_due(rejected):  # another task did it meanwhile
                    return None
                try:
                    call = functools.partial(self._get, self._scope, **self._options(claims))
                    return self._store(await (call() if self._is_async else _in_thread(call)))
                except Exception as error:  # as above
                    return self._failure(error, rejected)
        return _too_late()

    def _lock_of_this_loop(self) -> anyio.Lock:
        try:
            return self._async_lock.get()
        except LookupError:
            self._async_lock.set(lock := anyio.Lock())
            return lock

    def _is_due(self, rejected: int | None) -> bool:
        return self._refresh_on <= self._now() if rejected is None else self._current[1] == rejected

    def _options(self, claims: str | None) -> dict[str, Any]:
        options = {"claims": claims, "enable_cae": True} if claims else {}
        return {"options": options} if options and self._takes_options else options

    def _store(self, found: Any) -> TokenUnavailable | None:
        """Keep a new token, or return why it cannot be sent."""
        fault = header_fault(found.token)
        if fault is not None:
            return TokenUnavailable(f"the Entra token {fault}")
        expires_on, refresh_on = float(found.expires_on), getattr(found, "refresh_on", None)
        ahead = expires_on - _REFRESH_AHEAD if refresh_on is None else float(refresh_on)
        if math.isnan(expires_on + ahead):
            return TokenUnavailable("the Entra token does not say when it expires")
        token, serial = self._current
        self._current = found.token, serial + (found.token != token)
        self._expires_on, self._refresh_on = expires_on, min(ahead, expires_on)
        return None

    def _failure(self, error: Exception, rejected: int | None) -> TokenUnavailable | None:
        """What to raise after `get_token` failed, or None while the current token still serves."""
        text = str(error).replace(self._current[0] or "\0", "***")[:4000]
        text = one_line(_SECRETS.sub(lambda found: f"{found[1] or ''}***", text))
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
        if rejected is not None or self._expires_on <= self._now():
            return TokenUnavailable(f"no Entra token: {reason}", is_transient=_is_network_fault(error))
        self._refresh_on = min(self._now() + _RETRY_REFRESH, self._expires_on)
        _log.warning("no new Entra token (%s); the current one is still valid", reason)
        return None

    def _sign(self, request: httpx.Request) -> int:
        token, serial = self._current
        request.headers["Authorization"] = f"Bearer {token}"
        request.headers[CLIENT_ID_HEADER] = self._account_client_id
        return serial


async def _in_thread(call: Callable[[], Any]) -> Any:
    found = await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    return await found if inspect.isawaitable(found) else found


def _claims(response: httpx.Response) -> str | None:
    return claims_of(response.headers.get("www-authenticate", ""))


def _time_left(request: httpx.Request) -> float:
    left: float = request.extensions.get(DEADLINE, math.inf) - time.monotonic()
    return min(max(left, 0.0), _LONGEST_LOGIN)


def _too_late() -> TokenUnavailable:
    return TokenUnavailable("no Entra token in time", is_transient=True)


def _is_network_fault(error: BaseException) -> bool:
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):  # it may be a circle: `raise error from error`
        if link is None:
            break
        if _NETWORK_FAULTS & {kind.__name__ for kind in type(link).__mro__}:
            return True
        link = link.__cause__
    return False
