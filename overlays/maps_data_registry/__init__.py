"""Know when an Azure Maps data register or replace operation is done, or why it failed."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .auth.entra import EntraToken
    from .auth.keys import SasToken, SubscriptionKey
    from .connection import connect, credential_from_env
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
    from .polling.many import wait_for_operations, wait_for_operations_async
    from .polling.operations import (
        get_operation,
        get_operation_async,
        wait_for_operation,
        wait_for_operation_async,
        watch_operation,
        watch_operation_async,
    )
    from .polling.policy import DEFAULT, Clock, OperationUpdate, PollingPolicy
    from .polling.scheduler import Outcome
else:

    def __getattr__(name: str) -> object:
        """Import the modules when a name is first used, so that the command's help need not wait for httpx."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        modules = (import_module(f".{module}", __name__) for module in _MODULES)
        return globals().setdefault(name, next(vars(module)[name] for module in modules if name in vars(module)))


def __dir__() -> list[str]:
    return __all__


# In the order that loads least: a name is looked for from left to right.
_MODULES = (
    "errors",
    "polling.policy",
    "auth.keys",
    "auth.entra",
    "connection",
    "polling.operations",
    "polling.scheduler",
    "polling.many",
)

__all__ = [
    "DEFAULT",
    "AuthenticationFailed",
    "Clock",
    "DataRegistryError",
    "EntraToken",
    "InvalidCredential",
    "InvalidOperation",
    "InvalidResponse",
    "OperationFailed",
    "OperationNotFound",
    "OperationTimeout",
    "OperationUpdate",
    "Outcome",
    "PollingPolicy",
    "SasToken",
    "ServiceError",
    "ServiceUnreachable",
    "SubscriptionKey",
    "TokenUnavailable",
    "UnrecognizedStatus",
    "UntrustedOrigin",
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
