"""connect(): the one place that builds a client."""

import functools
import ssl

import httpx

from maps_data_registry_client import AuthenticatedClient
from maps_data_registry_contract import Geography

from .auth.choose import SCOPE, AnyCredential, auth_of, credential_from_env
from .wire.guard import Guard
from .wire.incoming import MAX_REPLY_BYTES
from .wire.origin import endpoint

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""Seconds for one step of a request: connecting, one read, one write."""


def connect(
    geography: Geography | None = None,
    credential: AnyCredential | None = None,
    *,
    base_url: str | None = None,
    account_client_id: str | None = None,
    scope: str = SCOPE,
    timeout: float | httpx.Timeout = TIMEOUT,
    ssl_context: ssl.SSLContext | None = None,
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    max_reply_bytes: int = MAX_REPLY_BYTES,
) -> AuthenticatedClient:
    """Make a client of the service: a context manager, sync (`with`) and async (`async with`).

    Returns the generated client, which every generated function accepts. Both of its httpx clients
    sign each request, talk to their own origin only, never follow a redirect, keep no cookie, never wait for ever, and
    keep an idle connection for five minutes. A reply's headers are bounded at 64 KiB, its body at
    *max_reply_bytes*. A forked child opens connections of its own. Nothing is sent yet.

    Args:
        geography: `us` or `eu`, where the Maps account is.
        credential: a `SubscriptionKey`, `SasToken` or `EntraToken`; azure-core's `AzureKeyCredential` or
            `AzureSasCredential`; any azure-identity credential; without one, `credential_from_env()`.
        base_url: another endpoint instead of a geography, such as a private one or the emulator's.
        account_client_id: the Maps account's client id, which an azure-identity credential needs.
        scope: the scope of an azure-identity credential's tokens, which differs in sovereign clouds.
        timeout: seconds for one step of a request, by default 10 to connect, 30 for any other. The whole request
            is bounded too, by a minute and by the wait's deadline, and getting an Entra token by 15 minutes and that
            deadline. Only a sync credential's `get_token` cannot be cut short in sync code.
        ssl_context: what to trust instead of the certificate authorities of `SSL_CERT_FILE` or, without that, the
            default: certifi's with httpx, and the system's with httpx2 in its place.
        transport: sends the requests instead of httpx's own transports, behind the same guard. A sync one serves the
            sync functions, an async one the async functions and both `wait_for_operations`, for which
            `httpx_aiohttp.AiohttpTransport()` is faster still.
        max_reply_bytes: the longest body of a reply that is read, 1 MiB by default.

    Raises:
        ValueError: unless exactly one of *geography* and *base_url* is given and usable; for a *max_reply_bytes* below
            1; for an unusable proxy or certificate file in the environment.
        InvalidCredential: for a credential that cannot be right.
        ImportError: for an Entra credential from the environment without the `entra` extra.

    Without a `with`, `client.get_httpx_client().close()` or `await client.get_async_httpx_client().aclose()` closes it.
    A client that was closed, or left its `with`, raises httpx's RuntimeError when it is used again.
    """
    try:
        url = endpoint(geography, base_url)
        auth = credential_from_env(scope=scope) if credential is None else auth_of(credential, account_client_id, scope)
    finally:
        del credential, account_client_id  # a traceback may show the arguments of its frames
    guard = Guard(url, inner=transport, ssl_context=ssl_context, max_reply_bytes=max_reply_bytes)
    return AuthenticatedClient(
        base_url=str(url),
        token="",  # auth adds the credential, anew for every request
        prefix="",
        timeout=httpx.Timeout(timeout),
        headers={"Accept-Encoding": "identity", "User-Agent": _user_agent()},
        httpx_args={"auth": auth, "transport": guard},
    )


@functools.cache
def _user_agent() -> str:
    from importlib import metadata

    return f"maps-data-registry/{metadata.version('maps-data-registry')} python-httpx/{httpx.__version__}"
