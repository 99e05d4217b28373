"""Tokens of Microsoft Entra, by the shape of azure-identity's credentials, which are never imported here."""

import base64
import contextlib
import functools
import inspect
import logging
import math
import re
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import Any, Protocol

import anyio
import anyio.to_thread
import httpx
from anyio.lowlevel import RunVar

from maps_data_registry.errors import InvalidCredential, TokenUnavailable

from .keys import Credential, visible_ascii

SCOPE = "https://atlas.microsoft.com/.default"
"""The contract's scope, right for the public cloud."""

_REFRESH_AHEAD = 300.0  # seconds before expiry, where the credential names no time to refresh
_RETRY_REFRESH = 30.0  # seconds until the next try, where a refresh failed but the token still serves

_log = logging.getLogger("maps_data_registry")


class TokenCredential(Protocol):
    """The shape of azure-identity's credentials, sync and async."""

    @property
    def get_token(self) -> Callable[..., Any]:
        """Returns, or awaits, an object with `token` and `expires_on`."""


class EntraToken(Credential):
    """Tokens of a Microsoft Entra credential, sent as `Authorization: Bearer …` with `x-ms-client-id`.

    *credential* is any of azure-identity's, sync or async, or anything with their `get_token_info` or `get_token`.
    *account_client_id* is the unique id of the Maps account ("Client ID" in the portal), not that of an app
    registration. *scope* differs in sovereign clouds.

    The token is kept until `refresh_on`, or five minutes before it expires; one caller refreshes it, the others
    wait. A 401 is answered once with a new token, with the claims that it asks for if it does. A sync credential
    on the async client runs in a worker thread, as it would block the event loop; an async credential on the
    sync client is refused. On the sync client nothing can cut short a `get_token` that takes longer than a wait may.

    Raises:
        InvalidCredential: when made from something without `get_token`, or an id that cannot be a header; on the
            sync client, for an async credential.
        TokenUnavailable: by a request, when the credential gives no token.
    """

    def __init__(
        self,
        credential: TokenCredential,
        account_client_id: str,
        *,
        scope: str = SCOPE,
        now: Callable[[], float] = time.time,
    ) -> None:
        get = getattr(credential, "get_token_info", None) or getattr(credential, "get_token", None)
        if get is None:
            raise InvalidCredential(f"{type(credential).__name__} has neither get_token_info nor get_token")
        self._get: Callable[..., Any] = get
        self._takes_options = hasattr(credential, "get_token_info")
        self._is_async = inspect.iscoroutinefunction(self._get)
        self._account_client_id = visible_ascii(account_client_id, "account_client_id")
        self._scope = scope
        self._now = now
        self._token = ""
        self._expires_on = self._refresh_on = -math.inf
        self._lock = threading.Lock()
        self._async_lock = RunVar[anyio.Lock]("lock")  # one for each event loop: a lock cannot serve two

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request; once more with a new token after a 401."""
        if self._is_async:
            raise InvalidCredential("the credential is async: use it with the functions that end in _async")
        self._refresh()
        token = self._sign(request)
        response = yield request
        if response.status_code == 401:
            self._refresh(rejected=token, claims=_claims(response))
            if self._sign(request) != token:
                yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign the request; once more with a new token after a 401."""
        await self._refresh_async(request)
        token = self._sign(request)
        response = yield request
        if response.status_code == 401:
            await self._refresh_async(request, rejected=token, claims=_claims(response))
            if self._sign(request) != token:
                yield request

    def _refresh(self, rejected: str | None = None, claims: str | None = None) -> None:
        if self._is_due(rejected):
            with self._lock:
                if self._is_due(rejected):  # still: nobody else did it meanwhile
                    with self._obtaining(rejected):
                        self._keep(self._get(self._scope, **self._options(claims)))

    async def _refresh_async(
        self, request: httpx.Request, rejected: str | None = None, claims: str | None = None
    ) -> None:
        if not self._is_due(rejected):
            return
        try:
            with anyio.fail_after(request.extensions.get("deadline", math.inf) - anyio.current_time()):
                async with self._lock_of_this_loop():
                    if self._is_due(rejected):
                        with self._obtaining(rejected):
                            call = functools.partial(self._get, self._scope, **self._options(claims))
                            self._keep(await (call() if self._is_async else _in_thread(call)))
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no Entra token in time", request=request) from error

    def _lock_of_this_loop(self) -> anyio.Lock:
        try:
            return self._async_lock.get()
        except LookupError:
            self._async_lock.set(lock := anyio.Lock())
            return lock

    def _is_due(self, rejected: str | None) -> bool:
        return self._refresh_on <= self._now() if rejected is None else self._token == rejected

    def _options(self, claims: str | None) -> dict[str, Any]:
        options = {"claims": claims, "enable_cae": True} if claims else {}
        return {"options": options} if options and self._takes_options else options

    @contextlib.contextmanager
    def _obtaining(self, rejected: str | None) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a stranger's code: its exceptions are of types that cannot be known here
            if rejected is not None or self._expires_on <= self._now():
                raise TokenUnavailable(f"no Entra token: {type(error).__name__}") from error
            self._refresh_on = min(self._now() + _RETRY_REFRESH, self._expires_on)
            _log.warning("no new Entra token (%s); the present one still serves", type(error).__name__)

    def _keep(self, found: Any) -> None:
        self._token = visible_ascii(found.token, "the Entra token")
        self._expires_on = float(found.expires_on)
        refresh_on = getattr(found, "refresh_on", None)
        ahead = self._expires_on - _REFRESH_AHEAD if refresh_on is None else float(refresh_on)
        self._refresh_on = min(ahead, self._expires_on)

    def _sign(self, request: httpx.Request) -> str:
        token = self._token
        request.headers["Authorization"] = f"Bearer {token}"
        request.headers["x-ms-client-id"] = self._account_client_id
        return token


async def _in_thread(call: Callable[[], Any]) -> Any:
    found = await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    return await found if inspect.isawaitable(found) else found


def _claims(response: httpx.Response) -> str | None:
    """The claims that a 401 demands (Continuous Access Evaluation), decoded."""
    challenge = re.search(r'\bBearer\b.*?\bclaims="([A-Za-z0-9+/_=\-]+)"', response.headers.get("www-authenticate", ""))
    if challenge is None:
        return None
    claims = challenge[1]
    try:
        return base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).decode()
    except ValueError:
        return None
