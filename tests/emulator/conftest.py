from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from maps_data_registry.emulator import Namespace
from maps_data_registry_contract import API_VERSION

TLS = httpx.create_ssl_context()  # not used, but httpx would make one for each client, and nothing takes longer
request = partial(httpx.request, verify=TLS)
get = partial(request, "GET")
post = partial(request, "POST")
put = partial(request, "PUT")
KEY = "marker-secret-0123456789"


@pytest.fixture
def emulator(data_registry_emulator: Namespace) -> Namespace:
    return data_registry_emulator


@pytest.fixture
def http(emulator: Namespace) -> Iterator[httpx.Client]:
    """Plain httpx with what every request needs, so that a test says only what it changes."""
    with httpx.Client(
        base_url=emulator.url, headers={"subscription-key": KEY}, params={"api-version": API_VERSION}, verify=TLS
    ) as client:
        yield client
