# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
"""What the contract says that is neither a call nor a model: version, hosts, paths, patterns, header names."""

from typing import Final, Literal, NamedTuple, TypeAlias


class Operation(NamedTuple):
    """An operation of the API: its operationId, its HTTP method and the template of its path."""

    id: str
    method: str
    path: str


API_VERSION: Final = "2023-06-01"
SERVER_URL: Final = "https://{geography}.atlas.microsoft.com"
Geography: TypeAlias = Literal["us", "eu"]
GEOGRAPHIES: Final[tuple[Geography, ...]] = ("us", "eu")
AAD_TOKEN_SCOPES: Final = ("https://atlas.microsoft.com/.default",)
CLIENT_ID_HEADER: Final = "x-ms-client-id"
SUBSCRIPTION_KEY_HEADER: Final = "subscription-key"
SAS_TOKEN_HEADER: Final = "Authorization"
OPERATION_ID_PATTERN: Final = "^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$"
GET_OPERATION: Final = Operation("getOperation", "GET", "/dataRegistries/operations/{operationId}")
OPERATIONS: Final[tuple[Operation, ...]] = (
    GET_OPERATION,
)
