"""Which operation is meant: an operation id out of an id, an Operation-Location, or a register response."""

import re
from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import httpx

from maps_data_registry.errors import InvalidOperation
from maps_data_registry.text import one_line
from maps_data_registry.wire.origin import Origin, origin_of, origin_text
from maps_data_registry_contract import GEOGRAPHIES, GET_OPERATION, OPERATION_ID_PATTERN, SERVER_URL


class RegisterResponse(Protocol):
    """The response to a register or replace request: an `httpx.Response`, or a generated call's `Response`."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, among them `Operation-Location` or `Operation-Id`."""


class StartedOperation(Protocol):
    """What knows its Operation-Location, such as an operation that the emulator has started."""

    @property
    def location(self) -> str:
        """The URL."""


Operation = str | UUID | httpx.URL | RegisterResponse | StartedOperation
"""An operation id, an Operation-Location URL, or the response or object that carries one."""

_ID = OPERATION_ID_PATTERN.removeprefix("^").removesuffix("$")
OPERATION_ID = re.compile(_ID)
"""The contract's pattern of an operation id, to be matched in full."""

# Matched against the text as it came: a URL parser would resolve dot segments and percent-encoding first. Compiled on
# first use, as an id needs neither.
_URL = (
    r"(?P<origin>(?i:https?)://(?P<user>[^/?#@\s]*@)?(?:[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)"
    r"(?P<path>/[!-\"$->@-~]*)?(?:\?[!-\"$-~]*)?(?P<fragment>#.*)?"
)
_BEFORE, _, _AFTER = GET_OPERATION.path.partition("{operationId}")
_PATH = rf"(?P<prefix>.*){re.escape(_BEFORE)}(?P<id>{_ID}){re.escape(_AFTER)}/?"


def as_response(operation: object) -> httpx.Response | None:
    """What has a status code and headers as an `httpx.Response`; None for anything else."""
    if operation is None or isinstance(operation, httpx.Response):
        return operation
    if not (hasattr(operation, "status_code") and hasattr(operation, "headers")):
        return None
    content = getattr(operation, "content", b"")
    headers = httpx.Headers(operation.headers)
    headers.pop("content-encoding", None)  # it has been decoded
    return httpx.Response(int(operation.status_code), headers=headers, content=content)


def parse_operation_id(operation: Operation, base_url: httpx.URL) -> str:
    """The operation id that an operation is known by.

    Raises:
        InvalidOperation: if it names no operation, or one of another endpoint than *base_url*.
    """
    operation = getattr(operation, "location", operation)
    if isinstance(operation, str | UUID | httpx.URL):
        return _of_text(str(operation).strip(), base_url)
    response = as_response(operation)
    if response is None:
        kind = type(operation).__name__
        raise InvalidOperation(f"operation must be an id, a URL, or a register or replace response, not {kind}")
    found = response.headers.get("operation-location") or response.headers.get("operation-id")
    if found is None:
        raise InvalidOperation(
            "the response has neither Operation-Location nor Operation-Id: "
            "is it the response to a register or replace request?"
        )
    return _of_text(found.strip(), base_url)


def _of_text(text: str, base_url: httpx.URL) -> str:
    if OPERATION_ID.fullmatch(text):
        return text
    if "/" not in text:
        # What is longer than an id may be a key in the wrong place: it is not shown.
        shown = f": {text!r}" if len(text) <= 40 else ""
        raise InvalidOperation(f"not an operation id (a GUID){one_line(shown)}")
    url = re.fullmatch(_URL, text)
    if url is None:
        raise InvalidOperation(f"not an Operation-Location, which is a URL such as {_example(base_url)}")
    if url["user"] or url["fragment"]:
        raise InvalidOperation("the Operation-Location holds a user or a password, or a fragment (#…): remove it")
    path = re.fullmatch(_PATH, url["path"] or "")
    if path is None:
        raise InvalidOperation(f"the Operation-Location names no operation id, as {_example(base_url)} does")
    _check_endpoint(url["origin"], path["prefix"], base_url)
    return path["id"]


def _check_endpoint(origin: str, prefix: str, base_url: httpx.URL) -> None:
    try:
        found = origin_of(httpx.URL(origin))
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidOperation("the Operation-Location has no valid host and port") from error
    if found != origin_of(base_url):
        raise InvalidOperation(_elsewhere(found, origin_of(base_url)))
    if prefix != base_url.raw_path.decode().rstrip("/"):
        raise InvalidOperation(f"the Operation-Location has another path prefix than the client's {base_url.path}")


def _example(base_url: httpx.URL) -> str:
    return f"{str(base_url).rstrip('/')}{GET_OPERATION.path}"


def _elsewhere(found: Origin, wanted: Origin) -> str:
    hosts = {httpx.URL(SERVER_URL.format(geography=name)).host: name for name in GEOGRAPHIES}
    if found[1] in hosts and wanted[1] in hosts and found[1] != wanted[1]:
        there, here = hosts[found[1]], hosts[wanted[1]]
        return (
            f'the operation is in geography "{there}", the client is connected to "{here}": use connect("{there}", …)'
        )
    return f"the Operation-Location belongs to {origin_text(found)}, the client is connected to {origin_text(wanted)}"
