"""What the environment says about reaching the service: a proxy, and the certificate authorities to trust."""

import errno
import functools
import os
import ssl
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import httpx

from .origin import has_host, is_loopback


def proxy_of(url: httpx.URL, ssl_context: ssl.SSLContext | None = None) -> tuple[httpx.Proxy, str] | None:
    """The proxy that the environment names for a URL, as httpx would choose it; never one for loopback.

    With it comes the name of the variable, or `the system's settings`. *ssl_context* is for an https proxy too.

    Raises:
        ValueError: for one that cannot work. The message names the variable, not its value.
    """
    if is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    scheme = url.scheme if proxies.get(url.scheme) else "all"
    if not (address := proxies.get(scheme)):
        return None
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    source = next((name for name in names if os.environ.get(name)), "the system's settings")
    proxy = _proxy(address if "://" in address else f"http://{address}", ssl_context)
    if proxy is None:
        raise ValueError(f"{source} is not the URL of a proxy, such as http://proxy.example:3128")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ValueError(f"{source} names a SOCKS proxy, which needs: pip install 'maps-data-registry[socks]'")
    return proxy, source


def _proxy(address: str, ssl_context: ssl.SSLContext | None) -> httpx.Proxy | None:
    try:
        url = httpx.URL(address)
        return httpx.Proxy(url, ssl_context=ssl_context if url.scheme == "https" else None) if has_host(url) else None
    except (httpx.InvalidURL, ValueError):  # the latter for a scheme that is no proxy's
        return None


def default_ssl_context() -> ssl.SSLContext:
    """Httpx's default, which heeds `SSL_CERT_FILE` and `SSL_CERT_DIR`.

    Raises:
        ValueError: for a variable that names no certificates. The message names both.
    """
    name = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
    try:
        return _ssl_context(name, os.environ.get(name, ""))
    except OSError as error:  # ssl.SSLError is one
        if not name:
            raise
        raise ValueError(f"{name}={os.environ[name]} holds no certificates: {error.strerror or error}") from None


@functools.lru_cache(maxsize=4)
def _ssl_context(name: str, value: str) -> ssl.SSLContext:
    if name == "SSL_CERT_DIR" and not any(Path(value).iterdir()):  # of which httpx says nothing
        raise FileNotFoundError(errno.ENOENT, "it is empty")
    return httpx.create_ssl_context()  # 20 ms, so once for all clients
