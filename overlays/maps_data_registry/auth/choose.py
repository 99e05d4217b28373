"""A credential by its shape, or out of the environment."""

import os
from typing import Any

import httpx

from maps_data_registry.errors import InvalidCredential
from maps_data_registry_contract import AAD_TOKEN_SCOPES

from .keys import SasToken, SubscriptionKey
from .protocols import KeyHolder, SignatureHolder, TokenCredential, TokenInfoCredential

AnyCredential = httpx.Auth | KeyHolder | SignatureHolder | TokenCredential | TokenInfoCredential

SCOPE: str = AAD_TOKEN_SCOPES[0]
"""The contract's scope, right for the public cloud."""

_VARIABLES = ("AZURE_MAPS_SUBSCRIPTION_KEY", "AZURE_MAPS_SAS_TOKEN", "AZURE_MAPS_CLIENT_ID")


def auth_of(credential: Any, account_client_id: str | None, scope: str) -> httpx.Auth:
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
                "which the service requires beside the token"
            )
        from .entra import EntraToken  # not before it is needed

        return EntraToken(credential, account_client_id, scope=scope)
    if hasattr(credential, "key"):
        return SubscriptionKey(credential)
    if hasattr(credential, "signature"):
        return SasToken(credential)
    kind = type(credential)
    del credential  # a traceback may show the arguments of its frames
    if kind is str:
        raise InvalidCredential("a bare string could be a key or a token: say SubscriptionKey(…) or SasToken(…)")
    raise InvalidCredential(f"{kind.__name__} is not a credential that this package knows")


def credential_from_env(*, scope: str = SCOPE) -> httpx.Auth:
    """The credential that the environment names.

    `AZURE_MAPS_SUBSCRIPTION_KEY`, `AZURE_MAPS_SAS_TOKEN`, or `AZURE_MAPS_CLIENT_ID` (the Maps account's client id)
    with azure-identity's default chain and *scope*.

    Raises:
        InvalidCredential: if none of the three is set, or more than one, or its value is not a valid header value.
        ImportError: for `AZURE_MAPS_CLIENT_ID` without azure-identity.
    """
    found = [name for name in _VARIABLES if os.environ.get(name)]
    if len(found) != 1:
        names = ", ".join(_VARIABLES[:-1]) + " or " + _VARIABLES[-1]
        problem = f"{' and '.join(found)} are set" if found else "no credential in the environment"
        raise InvalidCredential(f"{problem}: set exactly one of {names}")
    if found[0] == "AZURE_MAPS_SUBSCRIPTION_KEY":
        return SubscriptionKey(os.environ[found[0]])
    if found[0] == "AZURE_MAPS_SAS_TOKEN":
        return SasToken(os.environ[found[0]])
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise ImportError("AZURE_MAPS_CLIENT_ID needs: pip install 'maps-data-registry[entra]'") from error
    return auth_of(DefaultAzureCredential(), os.environ[found[0]], scope)
