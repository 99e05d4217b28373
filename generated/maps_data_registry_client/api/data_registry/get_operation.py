# Generated from spec/data-registry.yaml by scripts/regenerate.py: change the spec, not this file.
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...models.long_running_operation_result import LongRunningOperationResult
from ...models.maps_error_response import MapsErrorResponse
from ...types import UNSET, Response


def _get_kwargs(
    operation_id: str,
    *,
    api_version: str = "2023-06-01",
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["api-version"] = api_version

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/dataRegistries/operations/{operation_id}".format(
            operation_id=quote(str(operation_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> LongRunningOperationResult | MapsErrorResponse:
    if response.status_code == 200:
        response_200 = LongRunningOperationResult.from_dict(response.json())

        return response_200

    response_default = MapsErrorResponse.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[LongRunningOperationResult | MapsErrorResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    operation_id: str,
    *,
    client: AuthenticatedClient,
    api_version: str = "2023-06-01",
) -> Response[LongRunningOperationResult | MapsErrorResponse]:
    """Get the status of a register or replace operation.

     Poll no more often than `Retry-After` suggests. While the operation is running the reply is a 200
    with `Retry-After`; the last reply is a 200 without it. A failed operation is *also* a 200: only
    `status` in the body distinguishes success from failure.

    Args:
        operation_id (str):
        api_version (str):  Default: '2023-06-01'.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[LongRunningOperationResult | MapsErrorResponse]
    """

    kwargs = _get_kwargs(
        operation_id=operation_id,
        api_version=api_version,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    operation_id: str,
    *,
    client: AuthenticatedClient,
    api_version: str = "2023-06-01",
) -> LongRunningOperationResult | MapsErrorResponse | None:
    """Get the status of a register or replace operation.

     Poll no more often than `Retry-After` suggests. While the operation is running the reply is a 200
    with `Retry-After`; the last reply is a 200 without it. A failed operation is *also* a 200: only
    `status` in the body distinguishes success from failure.

    Args:
        operation_id (str):
        api_version (str):  Default: '2023-06-01'.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        LongRunningOperationResult | MapsErrorResponse
    """

    return sync_detailed(
        operation_id=operation_id,
        client=client,
        api_version=api_version,
    ).parsed


async def asyncio_detailed(
    operation_id: str,
    *,
    client: AuthenticatedClient,
    api_version: str = "2023-06-01",
) -> Response[LongRunningOperationResult | MapsErrorResponse]:
    """Get the status of a register or replace operation.

     Poll no more often than `Retry-After` suggests. While the operation is running the reply is a 200
    with `Retry-After`; the last reply is a 200 without it. A failed operation is *also* a 200: only
    `status` in the body distinguishes success from failure.

    Args:
        operation_id (str):
        api_version (str):  Default: '2023-06-01'.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[LongRunningOperationResult | MapsErrorResponse]
    """

    kwargs = _get_kwargs(
        operation_id=operation_id,
        api_version=api_version,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    operation_id: str,
    *,
    client: AuthenticatedClient,
    api_version: str = "2023-06-01",
) -> LongRunningOperationResult | MapsErrorResponse | None:
    """Get the status of a register or replace operation.

     Poll no more often than `Retry-After` suggests. While the operation is running the reply is a 200
    with `Retry-After`; the last reply is a 200 without it. A failed operation is *also* a 200: only
    `status` in the body distinguishes success from failure.

    Args:
        operation_id (str):
        api_version (str):  Default: '2023-06-01'.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        LongRunningOperationResult | MapsErrorResponse
    """

    return (
        await asyncio_detailed(
            operation_id=operation_id,
            client=client,
            api_version=api_version,
        )
    ).parsed
