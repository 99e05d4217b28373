"""Know when an Azure Maps data register or replace operation is done, or why it failed."""

from importlib import import_module
from typing import TYPE_CHECKING

_MODULES = {
    name: module
    for module, names in {
        "auth.choose": "credential_from_env",
        "auth.entra": "EntraToken",
        "auth.keys": "SasToken SubscriptionKey",
        "connection": "connect",
        "errors": "AuthenticationFailed DataRegistryError InvalidCredential InvalidOperation InvalidResponse "
        "OperationFailed OperationNotFound OperationTimeout ServiceError ServiceUnreachable TokenUnavailable "
        "UnrecognizedStatus UntrustedOrigin",
        "polling.location": "Operation",
        "polling.many": "AsyncOutcomes Outcomes wait_for_operations wait_for_operations_async",
        "polling.operations": "get_operation get_operation_async wait_for_operation wait_for_operation_async "
        "watch_operation watch_operation_async",
        "polling.options": "WaitOptions",
        "polling.policy": "DEFAULT Clock OperationUpdate PollingPolicy Timeout",
        "polling.scheduler": "Outcome",
    }.items()
    for name in names.split()
}

if TYPE_CHECKING:
    from .auth.choose import credential_from_env
    from .auth.entra import EntraToken
    from .auth.keys import SasToken, SubscriptionKey
    from .connection import connect
    from .errors import (
        AuthenticationFailed,
        DataRegistryError,
        InvalidCredential,
        InvalidOperation,
        InvalidResponse,
        OperationFailed,
        OperationNotFound,
        OperationTimeout,
        ServiceError,
        ServiceUnreachable,
        TokenUnavailable,
        UnrecognizedStatus,
        UntrustedOrigin,
    )
    from .polling.location import Operation
    from .polling.many import AsyncOutcomes, Outcomes, wait_for_operations, wait_for_operations_async
    from .polling.operations import (
        get_operation,
        get_operation_async,
        wait_for_operation,
        wait_for_operation_async,
        watch_operation,
        watch_operation_async,
    )
    from .polling.options import WaitOptions
    from .polling.policy import DEFAULT, Clock, OperationUpdate, PollingPolicy, Timeout
    from .polling.scheduler import Outcome

    __version__: str
else:

    def __getattr__(name: str) -> object:
        """Import a name's module on first use: the command's help need not wait for httpx, nor a key for Entra."""
        if name == "__version__":
            from importlib.metadata import version

            return version("maps-data-registry")
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, getattr(import_module(f".{_MODULES[name]}", __name__), name))


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "DEFAULT",
    "AsyncOutcomes",
    "AuthenticationFailed",
    "Clock",
    "DataRegistryError",
    "EntraToken",
    "InvalidCredential",
    "InvalidOperation",
    "InvalidResponse",
    "Operation",
    "OperationFailed",
    "OperationNotFound",
    "OperationTimeout",
    "OperationUpdate",
    "Outcome",
    "Outcomes",
    "PollingPolicy",
    "SasToken",
    "ServiceError",
    "ServiceUnreachable",
    "SubscriptionKey",
    "Timeout",
    "TokenUnavailable",
    "UnrecognizedStatus",
    "UntrustedOrigin",
    "WaitOptions",
    "connect",
    "credential_from_env",
    "get_operation",
    "get_operation_async",
    "wait_for_operation",
    "wait_for_operation_async",
    "wait_for_operations",
    "wait_for_operations_async",
    "watch_operation",
    "watch_operation_async",
]
