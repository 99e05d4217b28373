"""The shapes of other packages' credentials, which are never imported here."""

from collections.abc import Callable
from typing import Any, Protocol


class KeyHolder(Protocol):
    """The shape of azure-core's `AzureKeyCredential`."""

    @property
    def key(self) -> str:
        """The current key."""


class SignatureHolder(Protocol):
    """The shape of azure-core's `AzureSasCredential`."""

    @property
    def signature(self) -> str:
        """The current token."""


class TokenCredential(Protocol):
    """The shape of azure-identity's credentials, sync and async."""

    @property
    def get_token(self) -> Callable[..., Any]:
        """Returns, or awaits, an object with `token` and `expires_on`."""


class TokenInfoCredential(Protocol):
    """The newer shape of azure-identity's credentials."""

    @property
    def get_token_info(self) -> Callable[..., Any]:
        """Returns, or awaits, an object with `token` and `expires_on`."""
