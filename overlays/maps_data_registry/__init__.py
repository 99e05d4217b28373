"""Know when an Azure Maps data register or replace operation is done, or why it failed."""

from .auth import SasToken, SubscriptionKey
from .connection import connect, credential_from_env
from .entra import EntraToken
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
from .operations import (
    get_operation,
    get_operation_async,
    wait_for_operation,
    wait_for_operation_async,
    watch_operation,
    watch_operation_async,
)
from .policy import DEFAULT, Clock, OperationUpdate, PollingPolicy

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
    "watch_operation",
    "watch_operation_async",
]
