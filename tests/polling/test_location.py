from http import HTTPStatus
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps_data_registry import InvalidOperation
from maps_data_registry.polling.location import OPERATION_ID, parse_operation_id
from maps_data_registry.wire.origin import endpoint
from maps_data_registry_client.types import Response
from tests.support import ID

OTHER = "11111111-2222-3333-4444-555555555555"
PATH = f"/dataRegistries/operations/{ID}"
US = httpx.URL("https://us.atlas.microsoft.com")


@pytest.mark.parametrize(
    ("operation", "base_url"),
    [
        (ID, US),
        (ID.upper(), US),
        (f"https://us.atlas.microsoft.com{PATH}", US),
        (f"https://US.Atlas.Microsoft.com{PATH}", US),
        (f"https://us.atlas.microsoft.com:443{PATH}", US),
        (f"https://us.atlas.microsoft.com{PATH}?api-version=2023-06-01", US),
        (f"http://127.0.0.1:8080{PATH}", httpx.URL("http://127.0.0.1:8080/")),
        (f"http://[::1]:8080{PATH}", httpx.URL("http://[::1]:8080")),
        (f"https://maps.test/a/b-c{PATH}", httpx.URL("https://maps.test/a/b-c/")),
        (f"https://apim.test/maps/v1.0/a%20b{PATH}", httpx.URL("https://apim.test/maps/v1.0/a%20b")),
        (httpx.Response(201, headers={"Operation-Location": f"https://us.atlas.microsoft.com{PATH}"}), US),
        (httpx.Response(201, headers={"Operation-Id": ID}), US),
        (httpx.Response(201, headers={"Operation-Id": OTHER, "Operation-Location": f" {ID} "}), US),
        (Response(HTTPStatus.CREATED, b"", {"operation-location": f"{US}{PATH}"}, None), US),
        (SimpleNamespace(location=f"{US}{PATH}"), US),
        (UUID(ID), US),
        (httpx.URL(f"https://us.atlas.microsoft.com{PATH}"), US),
        (f"HTTPS://us.atlas.microsoft.com{PATH}", US),
        (f"https://us.atlas.microsoft.com{PATH}/", US),
        (f"https://us.atlas.microsoft.com{PATH}?api-version=2023-06-01&id={OTHER}", US),
        (f" {ID}\n", US),
        (f"\thttps://us.atlas.microsoft.com{PATH} \n", US),
    ],
)
def test_an_operation_names_an_id(operation: Any, base_url: httpx.URL) -> None:
    assert parse_operation_id(operation, base_url).lower() == ID


FOREIGN = [
    f"https://us.atlas.microsoft.com.evil.test{PATH}",
    f"https://evil.test{PATH}",
    f"https://evil.test/us.atlas.microsoft.com{PATH}",
    f"https://us.atlas.microsoft.com@evil.test{PATH}",
    f"https://user:secret@us.atlas.microsoft.com{PATH}",
    f"https://us.atlas.microsoft.com:8443{PATH}",
    f"https://us.atlas.microsoft.com:99999{PATH}",
    f"https://us.atlas.microsoft.com.{PATH}",
    f"http://us.atlas.microsoft.com{PATH}",
    f"ftp://us.atlas.microsoft.com{PATH}",
    f"//us.atlas.microsoft.com{PATH}",
    PATH,
    f"https:/us.atlas.microsoft.com{PATH}",
    f"https:\\\\us.atlas.microsoft.com{PATH}",
    f"https://us.atlas.microsoft.com\\@evil.test{PATH}",
    f"https://us.atlas.microsoft.com/prefix{PATH}",
    f"https://us.atlas.microsoft.com/x/..{PATH}",
    f"https://us.atlas.microsoft.com/dataRegistries/../dataRegistries/operations/{ID}",
    f"https://us.atlas.microsoft.com/dataRegistries/operations/../{ID}",
    f"https://us.atlas.microsoft.com/dataRegistries/operations//{ID}",
    f"https://us.atlas.microsoft.com/dataRegistries%2Foperations/{ID}",
    f"https://us.atlas.microsoft.com/dataRegistries/operations%2f{ID}",
    "https://us.atlas.microsoft.com/dataRegistries/operations/..",
    "https://us.atlas.microsoft.com/dataRegistries/operations/",
    "https://us.atlas.microsoft.com/dataRegistries/operations",
    f"https://us.atlas.microsoft.com/dataRegistries/{ID}",
    f"https://us.atlas.microsoft.com/dataregistries/operations/{ID}",
    f"https://us.atlas.microsoft.com{PATH}/{ID}",
    f"https://us.atlas.microsoft.com{PATH}#fragment",
    f"https://us.atlas.microsoft.com{PATH}?a b",
    f"https://us.atlas.microsoft.com{PATH}\x00",
    f"https://uѕ.atlas.microsoft.com{PATH}",  # noqa: RUF001 - a Cyrillic letter
    f"https://[::1{PATH}",
    f"https://[::::]{PATH}",
    f"https://999.1.1.1{PATH}",
    f"https://xn--{PATH}",
    f"https://xn--a{PATH}",
    f"https://us.atlas.microsoft.com:0{PATH}",
    "https://us.atlas.microsoft.com",
]


@pytest.mark.parametrize("location", FOREIGN)
def test_a_location_elsewhere_is_refused(location: str) -> None:
    with pytest.raises(InvalidOperation) as caught:
        parse_operation_id(location, US)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("there", "here"), [("eu", "us"), ("us", "eu")])
def test_the_wrong_geography_is_called_that(there: str, here: str) -> None:
    with pytest.raises(InvalidOperation, match=f'geography "{there}".*connected to "{here}".*connect\\("{there}"'):
        parse_operation_id(f"https://{there}.atlas.microsoft.com{PATH}", endpoint(here, None))


def test_another_path_is_called_that() -> None:
    with pytest.raises(InvalidOperation, match="another path prefix than the client's /a"):
        parse_operation_id(f"https://maps.test/b{PATH}", httpx.URL("https://maps.test/a"))


def test_another_port_is_called_that() -> None:
    with pytest.raises(InvalidOperation, match=r"belongs to http://\[::1\]:2, .* connected to http://\[::1\]:1"):
        parse_operation_id(f"http://[::1]:2{PATH}", httpx.URL("http://[::1]:1"))


@pytest.mark.parametrize(
    "operation",
    ["", "..", ".", "*", "x", ID[:-1], f"{ID}0", f"{ID} {ID}", f"{{{ID}}}", f"urn:uuid:{ID}", "g" * 36, ID + ID],
)
def test_an_id_is_a_guid(operation: str) -> None:
    with pytest.raises(InvalidOperation) as caught:
        parse_operation_id(operation, US)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("location", "said"),
    [
        (f"https://evil.test{PATH}", "belongs to https://evil.test:443, the client is connected to https://us"),
        ("https://us.atlas.microsoft.com/dataRegistries", "names no operation id"),
        (f"https://us.atlas.microsoft.com{PATH}#top", "fragment"),
        (f"https://user:secret@us.atlas.microsoft.com{PATH}", "user or a password"),
        (f"https://[::::]{PATH}", "no valid host and port"),
        (PATH, "which is a URL such as https://us.atlas.microsoft.com/dataRegistries/operations/{operationId}"),
    ],
)
def test_a_refusal_names_what_is_wrong(location: str, said: str) -> None:
    with pytest.raises(InvalidOperation) as caught:
        parse_operation_id(location, US)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_in_the_wrong_place_is_not_shown() -> None:
    with pytest.raises(InvalidOperation) as caught:
        parse_operation_id("k" * 43, US)
    assert "k" * 43 not in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (httpx.Response(201), "neither Operation-Location nor Operation-Id"),
        (None, "NoneType"),
        (b"x", "bytes"),
        (42, "int"),
        (SimpleNamespace(location=None), "NoneType"),
    ],
)
def test_something_else(operation: Any, said: str) -> None:
    with pytest.raises(InvalidOperation, match=said):
        parse_operation_id(operation, US)


@given(st.text())
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        assert OPERATION_ID.fullmatch(parse_operation_id(text, US))
    except InvalidOperation as refused:
        assert "\n" not in str(refused)


@given(st.from_regex(OPERATION_ID, fullmatch=True))
def test_any_guid_comes_back(guid: str) -> None:
    assert parse_operation_id(guid, US) == guid
    assert parse_operation_id(f"https://us.atlas.microsoft.com/dataRegistries/operations/{guid}", US) == guid
