"""Keys and SAS tokens: the flows stepped by hand, and what is refused when it is made."""

import base64
import json
import logging
import pickle
import traceback
from typing import Any

import httpx
import pytest
from azure.core.credentials import AzureKeyCredential, AzureSasCredential

from maps_data_registry import InvalidCredential, SasToken, SubscriptionKey, connect, credential_from_env, get_operation
from maps_data_registry.auth.entra import EntraToken
from maps_data_registry_client.api.data_registry import get_operation as generated
from tests.support import BASE_URL, ID, KEY, reply, scripted


def signed(auth: httpx.Auth) -> httpx.Headers:
    """What a flow puts on a request, stepped by hand; it must not ask for a second one."""
    request = httpx.Request("GET", BASE_URL)
    flow = auth.sync_auth_flow(request)
    assert next(flow) is request
    with pytest.raises(StopIteration):
        flow.send(httpx.Response(401))
    return request.headers


def jwt(payload: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256'})}.{part(payload)}.c2lnbmF0dXJl"


GOOD = jwt({"exp": 4_000_000_000})


def test_a_key_is_its_header() -> None:
    assert signed(SubscriptionKey(KEY))["subscription-key"] == KEY


@pytest.mark.parametrize("token", [GOOD, f"jwt-sas {GOOD}", lambda: GOOD, lambda: f"jwt-sas {GOOD}"])
def test_a_sas_token_has_its_prefix_once(token: Any) -> None:
    assert signed(SasToken(token))["Authorization"] == f"jwt-sas {GOOD}"


def test_a_key_rotates_on_a_live_client() -> None:
    key = AzureKeyCredential("first-key")
    keys = iter(["one", "two"])
    holder, called = SubscriptionKey(key), SubscriptionKey(lambda: next(keys))
    assert signed(holder)["subscription-key"] == "first-key"
    key.update("second-key")
    assert signed(holder)["subscription-key"] == "second-key"
    assert [signed(called)["subscription-key"] for _ in range(2)] == ["one", "two"]


def test_a_sas_token_rotates_on_a_live_client() -> None:
    token = AzureSasCredential(GOOD)
    auth = SasToken(token)
    newer = jwt({"exp": 4_100_000_000})
    assert signed(auth)["Authorization"] == f"jwt-sas {GOOD}"
    token.update(newer)
    assert signed(auth)["Authorization"] == f"jwt-sas {newer}"


MALFORMED = [
    ("", "empty"),
    ("  ", "empty"),
    ("\n", "empty"),
    (f" {KEY}", "white space"),
    (f"{KEY}\n", r"white space.*file.*strip"),
    (f"{KEY}\r\n", "white space"),
    (f"{KEY}\r\nx-evil: 1", "control"),
    (f"{KEY}\x00", "control"),
    (f"{KEY}\\", "ends with a backslash"),
    (f"{KEY} {KEY}", "space"),
    (f"Bearer {KEY}", "space"),
    (f"JWT-SAS {KEY}", "space"),
    (f"jwt-sas jwt-sas {KEY}", "space"),
    (f"{KEY}\x7f{KEY}", "control"),
    (f"{KEY}é", "ASCII"),
    (KEY.encode(), "bytes"),
    (None, "NoneType"),
    (42, "int"),
]


@pytest.mark.parametrize(("secret", "said"), MALFORMED)
@pytest.mark.parametrize("kind", [SubscriptionKey, SasToken, lambda text: EntraToken(AzureLike(), text)])
def test_what_cannot_be_right_is_refused_when_made(kind: Any, secret: Any, said: str) -> None:
    with pytest.raises(InvalidCredential, match=said) as caught:
        kind(secret)
    assert KEY not in str(caught.value)
    assert KEY not in locals_of_the_package(caught.value)


@pytest.mark.parametrize(("secret", "said"), MALFORMED)
@pytest.mark.parametrize("kind", [SubscriptionKey, SasToken])
def test_or_when_it_is_read(kind: Any, secret: Any, said: str) -> None:
    auth = kind(lambda: secret)
    with pytest.raises(InvalidCredential, match=said) as caught:
        signed(auth)
    assert KEY not in locals_of_the_package(caught.value)


def locals_of_the_package(error: BaseException) -> str:
    """What a crash reporter shows of the package's own frames."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if "overlays" in frame.f_code.co_filename]
    assert ours
    return repr([frame.f_locals for frame in ours])


class AzureLike:
    def get_token(self, *scopes: str) -> object:
        raise AssertionError("not asked in this test")


class InfoOnly:
    def get_token_info(self, *scopes: str) -> object:
        raise AssertionError("not asked in this test")


@pytest.mark.parametrize("padding", range(4))
def test_an_expiry_is_read_whatever_the_length_of_its_payload(padding: int) -> None:
    with pytest.raises(InvalidCredential, match="expired"):
        SasToken(jwt({"exp": 1_700_000_000, "for": "x" * padding}))


def test_an_expired_sas_token_is_refused() -> None:
    with pytest.raises(InvalidCredential, match=r"expired at 2023-11-14 22:13:20\+00:00"):
        SasToken(jwt({"exp": 1_700_000_000}), now=lambda: 1_700_000_000)
    rotating = SasToken(lambda: jwt({"exp": 1_700_000_000}))
    with pytest.raises(InvalidCredential, match="expired"):
        signed(rotating)


@pytest.mark.parametrize(
    "token",
    [
        "no-jwt",
        "a.b.c",
        "a.!!!.c",
        jwt({}),
        jwt([]),
        jwt({"exp": "soon"}),
        jwt({"exp": None}),
        jwt({"exp": 1e300}),
        jwt(7),
    ],
)
def test_a_malformed_sas_token_is_a_warning_once(token: str, caplog: pytest.LogCaptureFixture) -> None:
    auth = SasToken(token)
    with caplog.at_level(logging.WARNING, "maps_data_registry"):
        assert signed(auth)["Authorization"] == f"jwt-sas {token}"
        assert signed(auth)["Authorization"] == f"jwt-sas {token}"
    assert caplog.text.count("JSON Web Token") <= 1
    assert token not in caplog.text


@pytest.mark.parametrize("auth", [SubscriptionKey(KEY), SasToken(GOOD), EntraToken(AzureLike(), KEY)])
def test_a_credential_neither_shows_nor_travels(auth: Any) -> None:
    assert repr(auth) == f"{type(auth).__name__}(***)"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(auth)


def sent(credential: Any, **options: Any) -> httpx.Headers:
    """The headers that reach the wire through connect and a generated function."""
    seen: list[httpx.Request] = []
    client = connect(base_url=BASE_URL, credential=credential, transport=scripted([reply("Running")], seen), **options)
    assert generated.sync(ID, client=client) is not None
    return seen[0].headers


@pytest.mark.parametrize(
    ("credential", "headers"),
    [
        (SubscriptionKey(KEY), {"subscription-key": KEY}),
        (AzureKeyCredential(KEY), {"subscription-key": KEY}),
        (SasToken(GOOD), {"authorization": f"jwt-sas {GOOD}"}),
        (AzureSasCredential(GOOD), {"authorization": f"jwt-sas {GOOD}"}),
    ],
)
def test_connect_takes_azure_core_credentials_and_the_empty_bearer_stays_behind(
    credential: Any, headers: dict[str, str]
) -> None:
    found = sent(credential)
    names = ("subscription-key", "authorization", "x-ms-client-id")
    assert {name: found[name] for name in names if name in found} == headers
    assert found["user-agent"].startswith("maps-data-registry/")


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        (KEY, "bare string"),
        (object(), "object is not a credential"),
        (AzureLike(), "needs account_client_id"),
        (InfoOnly(), "needs account_client_id"),
        (7, "int"),
    ],
)
def test_connect_refuses_the_rest(credential: Any, said: str) -> None:
    with pytest.raises(InvalidCredential, match=said) as caught:
        connect("us", credential)
    assert KEY not in str(caught.value)
    assert KEY not in locals_of_the_package(caught.value)


def only(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Set these of the variables that hold credentials, and no others."""
    for name in ("AZURE_MAPS_SUBSCRIPTION_KEY", "AZURE_MAPS_SAS_TOKEN", "AZURE_MAPS_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, {"AZURE_MAPS_SAS_TOKEN": GOOD})
    assert signed(credential_from_env())["Authorization"] == f"jwt-sas {GOOD}"
    only(monkeypatch, {"AZURE_MAPS_CLIENT_ID": ID})
    entra = credential_from_env(scope="https://atlas.azure.us/.default")
    assert isinstance(entra, EntraToken)
    assert entra._scope == "https://atlas.azure.us/.default"
    only(monkeypatch, {"AZURE_MAPS_SUBSCRIPTION_KEY": KEY})
    assert signed(credential_from_env())["subscription-key"] == KEY
    assert sent(None)["subscription-key"] == KEY


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "no credential.*AZURE_MAPS_SUBSCRIPTION_KEY, AZURE_MAPS_SAS_TOKEN or AZURE_MAPS_CLIENT_ID"),
        ({"AZURE_MAPS_SUBSCRIPTION_KEY": ""}, "no credential"),
        (
            {"AZURE_MAPS_SUBSCRIPTION_KEY": KEY, "AZURE_MAPS_SAS_TOKEN": GOOD},
            "AZURE_MAPS_SUBSCRIPTION_KEY and AZURE_MAPS_SAS_TOKEN are",
        ),
        ({"AZURE_MAPS_SUBSCRIPTION_KEY": f"{KEY}\n"}, "white space"),
    ],
)
def test_an_environment_that_is_not_clear(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    only(monkeypatch, environment)
    with pytest.raises(InvalidCredential, match=said) as caught:
        credential_from_env()
    assert KEY not in str(caught.value)
    assert KEY not in locals_of_the_package(caught.value)


def test_entra_without_azure_identity_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "azure.identity", None)
    only(monkeypatch, {"AZURE_MAPS_CLIENT_ID": ID})
    with pytest.raises(ImportError, match=r"maps-data-registry\[entra\]"):
        credential_from_env()


def test_a_callers_own_httpx_auth_is_taken_as_it_is() -> None:
    class Signed(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            request.headers["x-gateway"] = "yes"
            yield request

    assert sent(Signed())["x-gateway"] == "yes"


def test_the_client_works_for_a_wait_too() -> None:
    with connect(base_url=BASE_URL, credential=SubscriptionKey(KEY), transport=scripted([reply("Running")])) as client:
        assert get_operation(client, ID).status == "Running"
