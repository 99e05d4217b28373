"""connect(): the one place that builds a client, and the choice of its credential."""

import functools
import os
import ssl
from collections.abc import Mapping
from typing import Any, Literal

import httpx

from maps_data_registry_client import AuthenticatedClient

from .auth.entra import SCOPE, EntraToken, TokenCredential
from .auth.keys import KeyHolder, SasToken, SignatureHolder, SubscriptionKey
from .errors import InvalidCredential
from .wire.guard import GuardedTransport
from .wire.origin import endpoint

_ENVIRONMENT = ("AZURE_MAPS_SUBSCRIPTION_KEY", "AZURE_MAPS_SAS_TOKEN", "AZURE_MAPS_CLIENT_ID")

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""Seconds for one step of a request: connecting, one read, one write."""


def connect(
    geography: Literal["us", "eu"] | None = None,
    credential: httpx.Auth | KeyHolder | SignatureHolder | TokenCredential | None = None,
    *,
    base_url: str | None = None,
    account_client_id: str | None = None,
    scope: str = SCOPE,
    timeout: httpx.Timeout = TIMEOUT,
    ssl_context: ssl.SSLContext | None = None,
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
) -> AuthenticatedClient:
    """Make a client of the service: a context manager, sync (`with`) and async (`async with`).

    What comes back is the generated client, and every generated function takes it. Both of its httpx clients
    sign each request, talk to their own origin only, never follow a redirect, never wait for ever, read no
    reply over 1 MiB and keep a connection for longer than the time between two polls. Nothing is sent yet.

    Args:
        geography: `us` or `eu`, where the Maps account is.
        credential: a `SubscriptionKey`, `SasToken` or `EntraToken`; azure-core's `AzureKeyCredential` or
            `AzureSasCredential`; any azure-identity credential; without one, `credential_from_env()`.
        base_url: another endpoint instead of a geography, such as a private one or the emulator's.
        account_client_id: the Maps account's client id, which an azure-identity credential needs.
        scope: the scope of an azure-identity credential's tokens, which differs in sovereign clouds.
        timeout: seconds for one step of a request. A wait and the transport bound the whole of it besides.
        ssl_context: what to trust instead of the default certificate authorities.
        transport: sends the requests instead of httpx and aiohttp, behind the same guard.

    Raises:
        ValueError: unless exactly one of *geography* and *base_url* is given, and is usable; for a proxy in the
            environment that is not.
        InvalidCredential: for a credential that cannot be right.
        ImportError: for an Entra credential out of the environment without the `entra` extra.
    """
    url = endpoint(geography, base_url)
    auth = credential_from_env(scope=scope) if credential is None else _as_auth(credential, account_client_id, scope)
    return AuthenticatedClient(
        base_url=str(url),
        token="",  # the credential is signed in by auth, for every request anew
        prefix="",
        timeout=timeout,
        headers={"Accept-Encoding": "identity", "User-Agent": _user_agent()},
        httpx_args={"auth": auth, "transport": GuardedTransport(url, inner=transport, ssl_context=ssl_context)},
    )


def _as_auth(credential: Any, account_client_id: str | None, scope: str) -> httpx.Auth:
    """The credential itself if it is an `httpx.Auth`, as this package's are, else the one that fits its shape.

    Raises:
        InvalidCredential: for a bare string, an unknown shape, or an Entra credential without *account_client_id*.
    """
    if isinstance(credential, httpx.Auth):
        return credential
    if hasattr(credential, "get_token") or hasattr(credential, "get_token_info"):
        if account_client_id is None:
            raise InvalidCredential(
                "an Entra credential needs account_client_id=…: the Maps account's client id, "
                "which the service asks for beside the token"
            )
        return EntraToken(credential, account_client_id, scope=scope)
    if hasattr(credential, "key"):
        return SubscriptionKey(credential)
    if hasattr(credential, "signature"):
        return SasToken(credential)
    if isinstance(credential, str):
        raise InvalidCredential("a bare string could be a key or a token: say SubscriptionKey(…) or SasToken(…)")
    raise InvalidCredential(f"{type(credential).__name__} is no credential that this package knows")


def credential_from_env(environ: Mapping[str, str] = os.environ, *, scope: str = SCOPE) -> httpx.Auth:
    """The credential that the environment names.

    `AZURE_MAPS_SUBSCRIPTION_KEY`, `AZURE_MAPS_SAS_TOKEN`, or `AZURE_MAPS_CLIENT_ID` (the Maps account's client id)
    with azure-identity's default chain and *scope*.

    Raises:
        InvalidCredential: if none of the three is set, or more than one, or its value cannot be right.
        ImportError: for `AZURE_MAPS_CLIENT_ID` without azure-identity.
    """
    found = [name for name in _ENVIRONMENT if environ.get(name)]
    if len(found) != 1:
        names = ", ".join(_ENVIRONMENT[:-1]) + " or " + _ENVIRONMENT[-1]
        problem = f"{' and '.join(found)} are both set" if found else "no credential in the environment"
        raise InvalidCredential(f"{problem}: set exactly one of {names}")
    value = environ[found[0]]
    if found[0] == "AZURE_MAPS_SUBSCRIPTION_KEY":
        return SubscriptionKey(value)
    if found[0] == "AZURE_MAPS_SAS_TOKEN":
        return SasToken(value)
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise ImportError("AZURE_MAPS_CLIENT_ID needs: pip install 'maps-data-registry[entra]'") from error
    return EntraToken(DefaultAzureCredential(), value, scope=scope)


@functools.cache
def _user_agent() -> str:
    from importlib import metadata

    return f"maps-data-registry/{metadata.version('maps-data-registry')} python-httpx/{httpx.__version__}"
