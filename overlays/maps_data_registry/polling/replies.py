"""Reply in, value out, or one of `errors` raised. Everything from the wire is hostile until it has been here."""

import json
from typing import Any

import httpx

from maps_data_registry.errors import (
    AuthenticationFailed,
    DataRegistryError,
    InvalidResponse,
    OperationNotFound,
    ServiceError,
    ServiceUnreachable,
    known,
)
from maps_data_registry_client.models import LongRunningOperationResult, MapsErrorDetail, MapsErrorResponse

Reply = httpx.Response | httpx.RequestError | DataRegistryError
"""What became of a question: an answer, or what came instead of one."""

MAX_DEPTH = 32
"""Levels of a tree that are kept; no honest reply is that deep."""

_REFUSALS = {401: AuthenticationFailed, 403: AuthenticationFailed, 404: OperationNotFound}


def read_result(reply: Reply) -> LongRunningOperationResult:
    """The operation's state out of a 200 reply.

    Members of a wrong type are dropped, unknown ones are kept, so that the models hold what they promise.

    Raises:
        ServiceError: for every other status; its subclasses for 401, 403 and 404.
        InvalidResponse: for a body that is not a JSON object.
        ServiceUnreachable: for a failure of httpx.
    """
    if isinstance(reply, httpx.RequestError) and not isinstance(reply, DataRegistryError):
        raise ServiceUnreachable(reply) from reply
    if isinstance(reply, InvalidResponse) and reply.status_code != 200:  # the status tells more
        headers = [item for item in reply.headers.raw if item[0].lower() != b"content-encoding"]
        reply = httpx.Response(reply.status_code, headers=headers)
    if isinstance(reply, DataRegistryError):
        raise reply
    if reply.status_code != 200:
        raise _REFUSALS.get(reply.status_code, ServiceError)(reply, _read_refusal(reply))
    body = _read_object(reply)
    tidy = {name: _tidy(value) if name == "error" else _shallow(value) for name, value in body.items()}
    for name in ("id", "status"):
        if not isinstance(tidy.get(name, ""), str):
            del tidy[name]
    return LongRunningOperationResult.from_dict(tidy)


def _read_refusal(response: httpx.Response) -> MapsErrorDetail | None:
    try:
        body = _read_object(response)
    except (InvalidResponse, httpx.StreamError):
        return None  # a gateway's page, nothing at all, or not read: the status says enough
    return known(MapsErrorResponse.from_dict({"error": _tidy(body.get("error"))}).error)


def _read_object(response: httpx.Response) -> dict[str, Any]:
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        fault = str(error) if response.content else "it is empty"
    else:
        if isinstance(value, dict):
            return value
        fault = "it is not a JSON object"
    raise InvalidResponse(fault, status_code=response.status_code, headers=response.headers, body=response.content)


def _tidy(error: object, depth: int = 0) -> dict[str, Any] | None:
    """An error as the wire has it, with only members of the documented types left, to a bounded depth."""
    if not isinstance(error, dict) or depth >= MAX_DEPTH:
        return None
    trees = ("details", "innererror")
    tidy = {name: value if name in trees else _shallow(value) for name, value in error.items()}
    for name in ("code", "message", "target"):
        if not isinstance(tidy.get(name, ""), str):
            del tidy[name]
    if "details" in tidy:
        items = tidy["details"] if isinstance(tidy["details"], list) else None
        tidy["details"] = items and [detail for item in items if (detail := _tidy(item, depth + 1)) is not None]
    if "innererror" in tidy:
        tidy["innererror"] = _tidy(tidy["innererror"], depth + 1)
    return tidy


def _shallow(value: Any, depth: int = 0) -> Any:
    """A member that the contract does not know, to a bounded depth."""
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {name: _shallow(member, depth + 1) for name, member in value.items()}
    if isinstance(value, list):
        return [_shallow(item, depth + 1) for item in value]
    return value
