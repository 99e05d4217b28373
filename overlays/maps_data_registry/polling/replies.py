"""A reply in; a result, or one of `errors`, out. Everything from the wire is hostile until it has been here."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from attrs import frozen

from maps_data_registry.errors import (
    AuthenticationFailed,
    DataRegistryError,
    InvalidResponse,
    OperationNotFound,
    ServiceError,
    ServiceUnreachable,
)
from maps_data_registry.text import one_line, unset_to_none
from maps_data_registry.wire.failures import PermanentFailure
from maps_data_registry.wire.guard import REFRESH_PROBLEM
from maps_data_registry_client.models import LongRunningOperationResult, MapsErrorResponse

from .retry_after import has_retry_after, retry_after

Reply = httpx.Response | httpx.RequestError | DataRegistryError
"""What became of a request: a response, or what came instead of one."""

MAX_DEPTH = 32
"""Levels of a tree that are kept; no honest reply is that deep."""

MAX_DETAILS = 1000
"""Details that are kept of an error, on all levels together."""

_REFUSALS = {401: AuthenticationFailed, 403: AuthenticationFailed, 404: OperationNotFound}


@frozen
class Answer:
    """A reply of 200 that could be read."""

    result: LongRunningOperationResult
    retry_after: float | None
    """Seconds, or None if the reply does not say, or not readably."""
    asks_for_more: bool
    """Whether there is a Retry-After header, readable or not."""


def read_reply(reply: Reply, operation_id: str, now: Callable[[], float]) -> Answer | DataRegistryError:
    """What a reply about an operation says, as a value: an error is for the caller to raise or to retry.

    Members of a wrong type are dropped, unknown ones are kept, so that the models hold what they promise.
    *now* (seconds since the epoch) is for a Retry-After that is a date.
    """
    if isinstance(reply, InvalidResponse) and reply.status_code != 200:  # the status tells more
        headers = [item for item in reply.headers.raw if item[0].lower() != b"content-encoding"]
        reply = httpx.Response(reply.status_code, headers=headers)
    if isinstance(reply, DataRegistryError):
        return reply
    if isinstance(reply, httpx.RequestError):
        unreachable = ServiceUnreachable(reply)
        if isinstance(reply, PermanentFailure):
            unreachable.advice = reply.advice
        return unreachable
    if reply.status_code != 200:
        return refusal_of(reply, now)
    body = _read_object(reply)
    if isinstance(body, InvalidResponse):
        return body
    tidy = {name: _tidy(value) if name == "error" else _shallow(value) for name, value in body.items()}
    for name in ("id", "status"):
        if not isinstance(tidy.get(name, ""), str):
            del tidy[name]
    result = LongRunningOperationResult.from_dict(tidy)
    about = unset_to_none(result.id)
    if about is not None and about.strip().lower() != operation_id.lower():
        return _invalid(f"it is about the operation {one_line(about)}", reply)
    found = dict(reply.headers.items())  # once: httpx looks each one up from the start
    return Answer(result, retry_after(found, now), has_retry_after(found))


def refusal_of(response: httpx.Response, now: Callable[[], float]) -> ServiceError:
    """The error that a response with another status than 200 stands for."""
    try:
        body = _read_object(response)
    except httpx.StreamError:  # not read, as a response that the caller streams may be: the status says enough
        body = {}
    error = None  # a gateway's page, or nothing at all
    if isinstance(body, dict):
        error = unset_to_none(MapsErrorResponse.from_dict({"error": _tidy(body.get("error"))}).error)
    kind = _REFUSALS.get(response.status_code, ServiceError)
    refusal = kind(response, error, retry_after=retry_after(response.headers, now))
    refusal.__cause__ = response.extensions.get(REFRESH_PROBLEM)
    return refusal


def _read_object(response: httpx.Response) -> dict[str, Any] | InvalidResponse:
    try:
        # Decoded here, as json.loads would also take UTF-16 and UTF-32.
        value = json.loads(response.content.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError:  # in words that depend on the Python
        return _invalid("it is nested too deeply", response)
    except ValueError as error:
        return _invalid(f"it is not JSON: {error}" if response.content else "it is empty", response)
    return value if isinstance(value, dict) else _invalid("it is not a JSON object", response)


def _no_number(text: str) -> None:
    """What JSON does not have: NaN, Infinity and -Infinity are taken for null."""


def _invalid(fault: str, response: httpx.Response) -> InvalidResponse:
    return InvalidResponse(fault, status_code=response.status_code, headers=response.headers, body=response.content)


def _tidy(error: object, depth: int = 0, left: Iterator[int] | None = None) -> dict[str, Any] | None:
    """An error as the wire has it, with only members of the documented types left, of a bounded depth and size."""
    left = left or iter(range(MAX_DETAILS))
    if not isinstance(error, dict) or depth >= MAX_DEPTH or next(left, None) is None:
        return None
    trees = ("details", "innererror")
    tidy = {name: value if name in trees else _shallow(value) for name, value in error.items()}
    for name in ("code", "message", "target"):
        if not isinstance(tidy.get(name, ""), str):
            del tidy[name]
    if "innererror" in tidy:  # first, as there is one, and of the details there may be more than are kept
        tidy["innererror"] = _tidy(tidy["innererror"], depth + 1, left)
    if "details" in tidy:
        items = tidy["details"] if isinstance(tidy["details"], list) else None
        tidy["details"] = items and [detail for item in items if (detail := _tidy(item, depth + 1, left)) is not None]
    return tidy


def _shallow(value: Any, depth: int = 0) -> Any:
    """A member that the contract does not know, to a bounded depth, with numbers that JSON has."""
    if isinstance(value, float) and not math.isfinite(value):  # 1e999
        return None
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {name: _shallow(member, depth + 1) for name, member in value.items()}
    if isinstance(value, list):
        return [_shallow(item, depth + 1) for item in value]
    return value
