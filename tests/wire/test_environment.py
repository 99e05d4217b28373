"""What the environment says: proxies, certificate authorities, and that nothing public shows its values."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

import maps_data_registry
from maps_data_registry import SubscriptionKey, connect
from maps_data_registry.wire import environment
from maps_data_registry.wire.environment import default_ssl_context, proxy_of
from maps_data_registry.wire.guard import Guard
from maps_data_registry.wire.origin import origin_of, origin_text
from tests.support import BASE_URL, KEY

from .conftest import Certificates
from .drivers import Driver, client_at
from .proxies import http_proxy, socks5_proxy
from .server import GOOD, sends, serve

US = "https://us.atlas.microsoft.com"


def named(url: str) -> str | None:
    """The proxy for a URL, and where it was named."""
    found = proxy_of(httpx.URL(url))
    return f"{origin_text(origin_of(found[0].url))} ({found[1]})" if found else None


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, US, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, US, "http://proxy.test:3128 (HTTPS_PROXY)"),
        ({"https_proxy": "proxy.test:3128"}, US, "http://proxy.test:3128 (https_proxy)"),
        ({"HTTPS_PROXY": "https://proxy.test"}, US, "https://proxy.test:443 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, US, "http://[::1]:3128 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "http://user:password@proxy.test"}, US, "http://proxy.test:80 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "HTTP://PROXY.test/"}, US, "http://proxy.test:80 (HTTPS_PROXY)"),
        ({"ALL_PROXY": "http://proxy.test"}, US, "http://proxy.test:80 (ALL_PROXY)"),
        ({"all_proxy": "socks5://proxy.test:1080"}, US, "socks5://proxy.test:1080 (all_proxy)"),
        ({"HTTPS_PROXY": "socks5h://proxy.test:1080"}, US, "socks5h://proxy.test:1080 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "http://one.test", "ALL_PROXY": "http://two.test"}, US, "http://one.test:80 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "http://two.test"}, US, "http://two.test:80 (ALL_PROXY)"),
        ({"HTTP_PROXY": "http://proxy.test"}, US, None),
        ({"HTTPS_PROXY": "http://proxy.test", "NO_PROXY": "microsoft.com"}, US, None),
        ({"HTTPS_PROXY": "http://proxy.test", "no_proxy": "*"}, US, None),
        ({"HTTPS_PROXY": "http://proxy.test", "NO_PROXY": "example.com"}, US, "http://proxy.test:80 (HTTPS_PROXY)"),
        ({"ALL_PROXY": "http://proxy.test", "HTTP_PROXY": "http://proxy.test"}, "http://127.0.0.1:8080", None),
        ({"ALL_PROXY": "http://proxy.test"}, "https://localhost", None),
        ({"ALL_PROXY": "nonsense://"}, "https://[::1]", None),
    ],
)
def test_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert named(url) == proxy


def test_a_proxy_that_the_system_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy.test:3128"})
    assert named(US) == "http://proxy.test:3128 (the system's settings)"


NO_PROXY_AT_ALL = [
    "http://proxy:abc",
    "http://proxy:99999",
    "http://proxy:-1",
    "http://",
    "http://:3128",
    "://",
    "http://[::1",
    "http://xn--/",
    "http://a b",
    "http://proxy.test\n",
    "http://proxy.test:31\x0028",
    "gopher://proxy.test",
    "ftp://proxy.test",
    "socks4://proxy.test",
    "socks://proxy.test",
    "unix:///run/proxy",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "!",
    "@",
    ":",
    "user:hidden@",
    "http://user:hidden@proxy:abc",
    "http://user:hidden@proxy.test:99999",
]


@pytest.mark.parametrize("address", NO_PROXY_AT_ALL)
def test_what_is_no_proxy_is_one_line_of_connect_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": address})
    monkeypatch.setenv("HTTPS_PROXY", address.replace("\0", ""))
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY ") as caught:
        connect("us", SubscriptionKey(KEY))
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_the_extra_a_socks_proxy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.test")
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^ALL_PROXY names a SOCKS proxy, .*maps-data-registry\[socks\]"):
        connect("us", SubscriptionKey(KEY))


@pytest.mark.parametrize(
    ("kind", "has_password"),
    [("http", True), ("https", False), ("https", True), ("socks5", False), ("socks5", True), ("socks5h", False)],
)
def test_through_a_proxy(
    driver: Driver, kind: str, has_password: bool, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = (b"user", "pa:ss wörd".encode()) if has_password else None
    with serve(sends(GOOD), tls=certificates.server) as wire:
        if kind.startswith("socks"):
            proxy = socks5_proxy(wire.port, credential)
        else:
            basic = b"Basic dXNlcjpwYTpzcyB3w7ZyZA==" if has_password else None
            proxy = http_proxy(wire.port, tls=certificates.server if kind == "https" else None, credential=basic)
        with proxy as between:
            at = "user:pa%3Ass%20w%C3%B6rd@" if has_password else ""
            monkeypatch.setenv("HTTPS_PROXY", f"{kind}://{at}127.0.0.1:{between.port}")
            assert driver.wait(client_at(BASE_URL, certificates.client)).status == "Completed"
        assert b"maps.test" in between.requests[0]
        assert KEY.encode() not in between.requests[0]
    assert KEY.encode() in wire.requests[0]
    assert b"proxy-authorization" not in wire.requests[0].lower()


def test_a_connection_through_a_proxy_is_kept(
    driver: Driver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .drivers import SWIFT
    from .test_connections import RUNNING

    for make in (http_proxy, socks5_proxy):
        with (
            serve(sends(RUNNING), sends(RUNNING), sends(GOOD), tls=certificates.server) as wire,
            make(wire.port) as between,
        ):
            monkeypatch.setenv("HTTPS_PROXY", between.url)
            assert driver.wait(client_at(BASE_URL, certificates.client), policy=SWIFT).status == "Completed"
        assert (len(wire.requests), wire.connections, between.connections) == (3, 1, 1)


def test_the_password_of_a_proxy_is_masked(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    password = "hidden-0123456789"
    reply = f"HTTP/1.1 407 Not dXNlcjpoaWRkZW4tMDEyMzQ1Njc4OQ== {password}\r\n\r\n"
    with serve(sends(reply.encode())) as wire:
        monkeypatch.setenv("HTTPS_PROXY", wire.url.replace("://", f"://user:{password}@"))
        error = driver.failure(client_at(BASE_URL), policy=maps_data_registry.PollingPolicy(retries=0))
    assert "ProxyError: 407 Not ***" in str(error)
    assert b"proxy-authorization: basic dxnlcjpoawrkzw4tmdeymzq1njc4oq==" in wire.requests[0].lower()
    from .search import places_of, shown_by

    assert places_of(password, shown_by(error)) == []


def test_an_authority_from_the_environment(
    driver: Driver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "authority.pem"
    certificates.authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with serve(sends(GOOD), tls=certificates.server) as wire:
        assert driver.wait(client_at(wire.url)).status == "Completed"
        with http_proxy(wire.port, tls=certificates.server) as between:
            monkeypatch.setenv("HTTPS_PROXY", between.url)
            assert driver.wait(client_at(BASE_URL)).status == "Completed"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("place", ["nowhere", "empty", "text"])
def test_an_authority_that_is_none_is_named(
    name: str, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir() if name == "SSL_CERT_DIR" else (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no certificate\n")
    monkeypatch.setenv(name, path := str(tmp_path / place))
    with pytest.raises(ValueError, match="holds no certificates") as caught:
        connect("us", SubscriptionKey(KEY))
    assert str(caught.value).startswith(f"{name}={path} ")
    assert "\n" not in str(caught.value)
    connect(base_url="http://127.0.0.1:1", credential=SubscriptionKey(KEY))  # which needs none


def test_one_tls_context_for_all_clients_unless_one_is_given(certificates: Certificates) -> None:
    url = httpx.URL(US)
    first, second = (Guard(url)._transports for _ in range(2))
    assert vars(first)["_ssl_context"] is vars(second)["_ssl_context"] is default_ssl_context()
    own = vars(Guard(url, ssl_context=certificates.client)._transports)
    assert own["_ssl_context"] is certificates.client


def test_a_system_without_certificates_is_not_blamed_on_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise FileNotFoundError("certifi's file")

    environment._ssl_context.cache_clear()
    monkeypatch.setattr(httpx, "create_ssl_context", fail)
    with pytest.raises(FileNotFoundError, match="certifi"):
        default_ssl_context()


MARKED = """
import inspect, io, json, pydoc
import maps_data_registry
shown = {}
for name in maps_data_registry.__all__:
    value = getattr(maps_data_registry, name)
    parts = [repr(value), str(inspect.getdoc(value)), pydoc.render_doc(value, renderer=pydoc.plaintext)]
    for member in [value, *(vars(value).values() if inspect.isclass(value) else ())]:
        if callable(member):
            try:
                parts.append(str(inspect.signature(member)))
            except ValueError:
                continue
            parts += [repr(item.default) for item in inspect.signature(member).parameters.values()]
        parts += [repr(getattr(member, "__defaults__", "")), repr(getattr(member, "__kwdefaults__", ""))]
    shown[name] = "\\n".join(parts)
print(json.dumps(shown))
"""


def test_nothing_public_shows_a_value_of_the_environment() -> None:
    """Neither signature, nor default, nor docstring, nor what `help` prints."""
    marker = "marked-value-0123456789"
    marked = {
        **os.environ,
        "AZURE_MAPS_SUBSCRIPTION_KEY": marker,
        "SOME_SECRET": marker,
        "HTTPS_PROXY": f"http://{marker}",
    }
    done = subprocess.run([sys.executable, "-c", MARKED], env=marked, capture_output=True, check=True, timeout=120)
    shown = json.loads(done.stdout)
    assert sorted(shown) == sorted(maps_data_registry.__all__)
    assert "credential" in shown["connect"]
    assert not [name for name, text in shown.items() if marker in text]
