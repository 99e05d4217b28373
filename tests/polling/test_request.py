"""Requests of many operations share nothing that may change."""

import httpx

from maps_data_registry.polling.decision import Polling
from maps_data_registry.polling.request import request_factory
from tests.support import BASE_URL, ID


def test_each_request_has_headers_of_its_own() -> None:
    build = request_factory(httpx.AsyncClient(base_url=BASE_URL))
    first, second = (build(Polling(operation_id=ID)) for _ in range(2))
    first.headers["Authorization"] = "Bearer first"
    first.extensions["mark"] = "first"
    assert "Authorization" not in second.headers
    assert "mark" not in second.extensions
    assert "Authorization" not in build(Polling(operation_id=ID)).headers
