"""Which URL may see a credential: a client has one origin, and nothing of it goes anywhere else.

An origin is scheme, host and effective port (RFC 6454, section 4).
"""

import ipaddress
import re

import httpx

from maps_data_registry_contract import GEOGRAPHIES, SERVER_URL

Origin = tuple[str, str, int]

_HOST = re.compile(r"[\w.-]+|[\da-fA-F]*:[\da-fA-F:.]*(%[\w.-]+)?")


def origin_of(url: httpx.URL) -> Origin:
    """The scheme, host and effective port of a URL."""
    return url.scheme, url.host, {"https": 443, "http": 80}.get(url.scheme, 0) if url.port is None else url.port


def origin_text(origin: Origin) -> str:
    """An origin as the beginning of a URL."""
    scheme, host, port = origin
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def has_host(url: httpx.URL) -> bool:
    """Whether a URL names a host and a port that could be: httpx takes more."""
    try:
        is_name = _HOST.fullmatch(url.host) and all(map(_is_label, url.raw_host.split(b".")))
        return bool(is_name) and 0 <= (url.port or 0) < 2**16
    except UnicodeError:  # of a host in Punycode that is none
        return False


def _is_label(label: bytes) -> bool:
    if not label.startswith(b"xn--"):
        return True
    decoded = label[4:].decode("punycode")
    return decoded != "" and decoded.isprintable()


def endpoint(geography: str | None, base_url: str | None) -> httpx.URL:
    """The base URL of a geography, or the given one if a credential may go there.

    Raises:
        ValueError: unless exactly one of the two is given, and it is a geography of the contract, or an absolute https
            URL (http to loopback only) without user, query and fragment.
    """
    if (geography is None) == (base_url is None):
        raise ValueError('give either a geography ("us" or "eu") or base_url=…')
    if geography is not None:
        if geography not in GEOGRAPHIES:
            raise ValueError(f"geography must be one of {', '.join(GEOGRAPHIES)}; for another endpoint use base_url=…")
        return httpx.URL(SERVER_URL.format(geography=geography))
    try:
        url = httpx.URL(base_url or "")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"https", "http"} or not has_host(url):
        raise ValueError("base_url must be an absolute URL such as https://us.atlas.microsoft.com")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("base_url must not hold a user, a query or a fragment")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ValueError(
            f"base_url must be https: over http the credential would cross the network to {url.host} in the clear"
        )
    return url
