"""Which URL may see a credential, and which operation a URL names.

An origin is scheme, host and effective port (RFC 6454, section 4). A client has one, and nothing of it
goes anywhere else.
"""

import ipaddress
import re

import httpx

from maps_data_registry.errors import InvalidOperation, one_line

GEOGRAPHIES = ("us", "eu")
"""The values of the contract's server variable."""

_HOST = "{geography}.atlas.microsoft.com"
_GUID = "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}"
OPERATION_ID = re.compile(_GUID)
"""The contract's pattern of an operation id, to be matched in full."""

# Matched against the text as it came: a URL parser would resolve dot segments and percent-encoding first.
_LOCATION = re.compile(
    rf"(?P<origin>https?://[A-Za-z0-9.\-]+(?::[0-9]{{1,5}})?|https?://\[[0-9A-Fa-f:.]+\](?::[0-9]{{1,5}})?)"
    rf"(?P<prefix>/[!-~]*)?/dataRegistries/operations/(?P<id>{_GUID})(?:\?api-version=[0-9A-Za-z.\-]+)?"
)

_MALFORMED = "not an Operation-Location (https://HOST/dataRegistries/operations/GUID)"

Origin = tuple[str, str, int]


def origin_of(url: httpx.URL) -> Origin:
    """The scheme, host and effective port of a URL."""
    return url.scheme, url.host, {"https": 443, "http": 80}.get(url.scheme, 0) if url.port is None else url.port


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def endpoint(geography: str | None, base_url: str | None) -> httpx.URL:
    """The base URL of a geography, or the given one if a credential may go there.

    Raises:
        ValueError: unless exactly one of the two is given, and it is `us` or `eu`, or an absolute https URL
            (http to loopback only) without user, query and fragment.
    """
    if (geography is None) == (base_url is None):
        raise ValueError('give a geography ("us" or "eu") or base_url=…, one of the two')
    if geography is not None:
        if geography not in GEOGRAPHIES:
            raise ValueError(f"geography must be one of {', '.join(GEOGRAPHIES)}; for another endpoint use base_url=…")
        return httpx.URL(f"https://{_HOST.format(geography=geography)}")
    try:
        url = httpx.URL(base_url or "")
        host = url.host
    except (httpx.InvalidURL, UnicodeError):
        url, host = httpx.URL(""), ""
    if url.scheme not in {"https", "http"} or not host:
        raise ValueError("base_url must be an absolute URL such as https://us.atlas.microsoft.com")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("base_url must not hold a user, a query or a fragment")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ValueError(
            f"base_url must be https: over http the credential would cross the network to {url.host} in clear"
        )
    return url


def operation_id(operation: str | httpx.Response, base_url: httpx.URL) -> str:
    """The id out of an operation id, an Operation-Location URL or the response that carries one.

    Raises:
        InvalidOperation: if it is none of them, or names an operation of another endpoint than *base_url*.
    """
    if isinstance(operation, httpx.Response):
        location = operation.headers.get("operation-location")
        if location is None:
            raise InvalidOperation("the response has no Operation-Location: is it of a register or replace request?")
        operation = location
    if not isinstance(operation, str):
        raise InvalidOperation(f"an operation is a str or an httpx.Response, not {type(operation).__name__}")
    if OPERATION_ID.fullmatch(operation):
        return operation
    if "/" not in operation:
        # What is longer than an id may be a key in the wrong place: it is not shown.
        shown = f": {operation!r}" if len(operation) <= 40 else ""
        raise InvalidOperation(f"not an operation id (a GUID){one_line(shown)}")
    match = _LOCATION.fullmatch(operation)
    if match is None:
        raise InvalidOperation(_MALFORMED)
    try:
        found, wanted = origin_of(httpx.URL(match["origin"])), origin_of(base_url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidOperation(_MALFORMED) from error
    if found != wanted:
        raise InvalidOperation(_elsewhere(found, wanted))
    if (match["prefix"] or "") != base_url.raw_path.decode().rstrip("/"):
        raise InvalidOperation(f"the Operation-Location is of another path than the client's {base_url.path}")
    return match["id"]


def _elsewhere(found: Origin, wanted: Origin) -> str:
    hosts = {_HOST.format(geography=name): name for name in GEOGRAPHIES}
    if found[1] in hosts and wanted[1] in hosts and found[1] != wanted[1]:
        there, here = hosts[found[1]], hosts[wanted[1]]
        return (
            f'the operation is in geography "{there}", the client is connected to "{here}": use connect("{there}", …)'
        )
    return f"the Operation-Location is of {origin_text(found)}, the client is connected to {origin_text(wanted)}"


def origin_text(origin: Origin) -> str:
    """An origin as the beginning of a URL."""
    scheme, host, port = origin
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
