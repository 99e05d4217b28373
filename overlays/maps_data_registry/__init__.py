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

if TYPE_CHECKING:  # `as`: the names that type checkers take for public
    from .auth.choose import credential_from_env as credential_from_env
    from .auth.entra import EntraToken as EntraToken
    from .auth.keys import SasToken as SasToken
    from .auth.keys import SubscriptionKey as SubscriptionKey
    from .connection import connect as connect
    from .errors import AuthenticationFailed as AuthenticationFailed
    from .errors import DataRegistryError as DataRegistryError
    from .errors import InvalidCredential as InvalidCredential
    from .errors import InvalidOperation as InvalidOperation
    from .errors import InvalidResponse as InvalidResponse
    from .errors import OperationFailed as OperationFailed
    from .errors import OperationNotFound as OperationNotFound
    from .errors import OperationTimeout as OperationTimeout
    from .errors import ServiceError as ServiceError
    from .errors import ServiceUnreachable as ServiceUnreachable
    from .errors import TokenUnavailable as TokenUnavailable
    from .errors import UnrecognizedStatus as UnrecognizedStatus
    from .errors import UntrustedOrigin as UntrustedOrigin
    from .polling.location import Operation as Operation
    from .polling.many import AsyncOutcomes as AsyncOutcomes
    from .polling.many import Outcomes as Outcomes
    from .polling.many import wait_for_operations as wait_for_operations
    from .polling.many import wait_for_operations_async as wait_for_operations_async
    from .polling.operations import get_operation as get_operation
    from .polling.operations import get_operation_async as get_operation_async
    from .polling.operations import wait_for_operation as wait_for_operation
    from .polling.operations import wait_for_operation_async as wait_for_operation_async
    from .polling.operations import watch_operation as watch_operation
    from .polling.operations import watch_operation_async as watch_operation_async
    from .polling.options import WaitOptions as WaitOptions
    from .polling.policy import DEFAULT as DEFAULT
    from .polling.policy import Clock as Clock
    from .polling.policy import OperationUpdate as OperationUpdate
    from .polling.policy import PollingPolicy as PollingPolicy
    from .polling.policy import Timeout as Timeout
    from .polling.scheduler import Outcome as Outcome

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


__all__ = sorted(_MODULES, key=lambda name: (not name.isupper(), name.islower(), name))
