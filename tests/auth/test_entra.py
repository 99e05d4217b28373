"""Entra tokens: azure-identity's and azure-core's real classes, one refresh at a time, challenges answered once."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define, field
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline.transport import HttpTransport
from azure.identity import ClientAssertionCredential, EnvironmentCredential
from trio.testing import MockClock

from maps_data_registry import (
    AuthenticationFailed,
    EntraToken,
    InvalidCredential,
    OperationUpdate,
    TokenUnavailable,
    connect,
    get_operation,
    get_operation_async,
    wait_for_operation,
    wait_for_operation_async,
)
from maps_data_registry.wire.guard import DEADLINE
from maps_data_registry_client import AuthenticatedClient
from tests.support import BASE_URL, ID, VirtualClock, reply, scripted

ACCOUNT = "11111111-2222-3333-4444-555555555555"
NOW = 1_700_000_000.0
SAID = "AADSTS7000215: Invalid client secret: client_secret=secret-of-the-app&x, token eyJhbGciOi.eyJzdWIi.c2ln"


@define
class Issuer:
    """Hands out token-1, token-2, …; each lives an hour."""

    clock: VirtualClock = field(factory=VirtualClock)
    lifetime: float = 3600.0
    calls: list[tuple[Any, ...]] = field(factory=list)
    failing: Exception | None = None
    same: bool = False
    delay: float = 0.0

    def issue(self, *call: Any) -> tuple[str, int]:
        self.calls.append(call)
        if self.delay:
            time.sleep(self.delay)
        if self.failing:
            raise self.failing
        return f"token-{1 if self.same else len(self.calls)}", int(NOW + self.clock.now + self.lifetime)


class WithGetToken(Issuer):
    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(*self.issue(scopes, options))


class WithInfo(Issuer):
    refresh_in: float | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        raise AssertionError("get_token_info is preferred")

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        token, expires_on = self.issue(scopes, options)
        refresh_on = None if self.refresh_in is None else int(NOW + self.clock.now + self.refresh_in)
        return AccessTokenInfo(token, expires_on, refresh_on=refresh_on)


@define
class Fixed:
    """Returns the issuer's token until it is an hour old, as azure-identity's caches do."""

    issuer: Issuer
    token: AccessToken | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if self.token is None or self.token.expires_on - NOW - self.issuer.clock.now < 300:
            self.token = AccessToken(*self.issuer.issue(scopes, options))
        return self.token


class Async(Issuer):
    async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        await anyio.lowlevel.checkpoint()
        return AccessTokenInfo(*self.issue(scopes, options))


def caused_by(cause: Exception) -> Exception:
    error = ClientAuthenticationError("Authentication failed")
    error.__cause__ = cause
    return error


def entra(issuer: Any, **options: Any) -> EntraToken:
    return EntraToken(issuer, ACCOUNT, now=lambda: NOW + issuer.clock.now, **options)


def step_sync(auth: httpx.Auth, *statuses: httpx.Response) -> list[dict[str, str]]:
    """The headers of each request that the flow makes, answered with these replies."""
    flow = auth.sync_auth_flow(httpx.Request("GET", BASE_URL))
    found = [dict(next(flow).headers)]
    for status in statuses:
        try:
            found.append(dict(flow.send(status).headers))
        except StopIteration:
            return found
    flow.close()
    return found


def step_async(auth: httpx.Auth, *statuses: httpx.Response, backend: str = "asyncio") -> list[dict[str, str]]:
    async def main() -> list[dict[str, str]]:
        flow = auth.async_auth_flow(httpx.Request("GET", BASE_URL))
        found = [dict((await anext(flow)).headers)]
        for status in statuses:
            try:
                found.append(dict((await flow.asend(status)).headers))
            except StopAsyncIteration:
                return found
        await flow.aclose()
        return found

    return anyio.run(main, backend=backend)


Step = Callable[..., list[dict[str, str]]]
step = pytest.mark.parametrize("step", [step_sync, step_async], ids=["sync", "async"])
OK, REFUSED = httpx.Response(200), httpx.Response(401)


def challenge(claims: str) -> httpx.Response:
    value = f'Bearer realm="", error="insufficient_claims", claims="{claims}"'
    return httpx.Response(401, headers={"www-authenticate": value})


CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1726077595"}}}'
ENCODED = base64.urlsafe_b64encode(CLAIMS.encode()).rstrip(b"=").decode()


@step
@pytest.mark.parametrize("kind", [WithGetToken, WithInfo])
def test_both_headers_and_the_default_scope(step: Step, kind: type[Issuer]) -> None:
    issuer = kind()
    (headers,) = step(entra(issuer), OK)
    assert headers["authorization"] == "Bearer token-1"
    assert headers["x-ms-client-id"] == ACCOUNT
    assert issuer.calls[0][0] == ("https://atlas.microsoft.com/.default",)


def test_the_scope_is_settable() -> None:
    issuer = WithInfo()
    step_sync(entra(issuer, scope="https://atlas.azure.us/.default"), OK)
    assert issuer.calls[0][0] == ("https://atlas.azure.us/.default",)


@step
def test_a_token_is_kept_until_five_minutes_before_it_expires(step: Step) -> None:
    issuer = WithInfo()
    auth = entra(issuer)
    for now, token in [(0, 1), (3299, 1), (3300, 2), (3301, 2), (90_000, 3)]:
        issuer.clock.now = now
        assert step(auth, OK)[0]["authorization"] == f"Bearer token-{token}"


@step
def test_or_until_the_time_that_it_names(step: Step) -> None:
    issuer = WithInfo()
    issuer.refresh_in = 600
    auth = entra(issuer)
    for now, token in [(0, 1), (599, 1), (600, 2)]:
        issuer.clock.now = now
        assert step(auth, OK)[0]["authorization"] == f"Bearer token-{token}"


@step
def test_a_refresh_that_fails_leaves_the_token_that_still_serves(step: Step, caplog: pytest.LogCaptureFixture) -> None:
    issuer = WithInfo()
    auth = entra(issuer)
    step(auth, OK)
    issuer.clock.now, issuer.failing = 3400, ClientAuthenticationError(SAID)
    assert step(auth, OK)[0]["authorization"] == "Bearer token-1"
    assert step(auth, OK)[0]["authorization"] == "Bearer token-1"
    assert len(issuer.calls) == 2  # not tried again for each request
    assert caplog.text.count("no new Entra token") == 1
    assert "secret-of-the-app" not in caplog.text
    issuer.clock.now = 3600  # now it has expired, and is not sent
    with pytest.raises(TokenUnavailable) as caught:
        step(auth, OK)
    assert "ClientAuthenticationError: AADSTS7000215: Invalid client secret" in str(caught.value)
    assert not caught.value.is_transient
    assert caught.value.__cause__ is caught.value.__context__ is None  # whose frames hold the credential's secrets
    for secret in ("secret-of-the-app", "eyJhbGciOi"):
        assert secret not in str(caught.value)


def test_what_a_credential_says_of_the_current_token_is_masked() -> None:
    issuer = WithInfo()
    auth = entra(issuer)
    step_sync(auth, OK)
    issuer.clock.now, issuer.failing = 3600, RuntimeError("rejected token-1!")
    with pytest.raises(TokenUnavailable) as caught:
        step_sync(auth, OK)
    assert caught.value.args[0] == "no Entra token: RuntimeError: rejected ***!"


@step
def test_a_401_is_answered_once_with_a_fresh_token(step: Step) -> None:
    found = step(entra(WithInfo()), REFUSED, REFUSED, OK)
    assert [headers["authorization"] for headers in found] == ["Bearer token-1", "Bearer token-2"]


@step
def test_but_not_with_the_same_token_again(step: Step) -> None:
    issuer = WithInfo(same=True)
    assert len(step(entra(issuer), REFUSED, OK)) == 1
    assert len(issuer.calls) == 2


@step
@pytest.mark.parametrize("kind", [WithGetToken, WithInfo])
def test_a_claims_challenge_is_answered_once(step: Step, kind: type[Issuer]) -> None:
    issuer = kind()
    found = step(entra(issuer), challenge(ENCODED), challenge(ENCODED), OK)
    assert [headers["authorization"] for headers in found] == ["Bearer token-1", "Bearer token-2"]
    assert issuer.calls[1][1] == {"claims": CLAIMS, "enable_cae": True}


@pytest.mark.parametrize("claims", ["!!", "", "_", "gICA"])
def test_a_challenge_that_makes_no_sense_is_a_plain_401(claims: str) -> None:
    issuer = WithGetToken()
    assert len(step_sync(entra(issuer), challenge(claims), OK)) == 2
    assert issuer.calls[1][1] == {}


def get(client: AuthenticatedClient, backend: str | None) -> OperationUpdate:
    if backend is None:
        return get_operation(client, ID)
    return anyio.run(get_operation_async, client, ID, backend=backend)


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_a_refresh_that_fails_after_a_401_leaves_the_401_with_its_cause(backend: str | None) -> None:
    issuer = WithInfo()

    def refuse(_: httpx.Request) -> httpx.Response:
        issuer.failing = ClientAuthenticationError(SAID)
        return reply(code=401, body={"error": {"code": "Unauthorized", "message": "Expired."}})

    client = connect(base_url=BASE_URL, credential=entra(issuer), transport=httpx.MockTransport(refuse))
    with pytest.raises(AuthenticationFailed, match="Unauthorized: Expired") as caught:
        get(client, backend)
    assert isinstance(caught.value.__cause__, TokenUnavailable)
    assert "AADSTS7000215" in str(caught.value.__cause__)


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
@pytest.mark.parametrize(
    "fault",
    [
        ServiceRequestError("no route"),
        ConnectionResetError("reset"),
        TimeoutError(),
        caused_by(socket.gaierror("no name")),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_network_fault_while_a_token_is_fetched_is_retried(backend: str | None, fault: Exception) -> None:
    issuer = WithInfo(failing=fault)
    time = VirtualClock()

    def note(_: OperationUpdate) -> None:
        issuer.failing = None

    client = connect(base_url=BASE_URL, credential=entra(issuer), transport=scripted([reply("Completed")]))
    options: dict[str, Any] = {"clock": time.clock, "on_update": note}
    if backend is None:
        result = wait_for_operation(client, ID, **options)
    else:
        result = anyio.run(lambda: wait_for_operation_async(client, ID, **options), backend=backend)
    assert result.status == "Completed"
    issuer.failing, issuer.clock.now = ClientAuthenticationError(SAID), 90_000
    with pytest.raises(TokenUnavailable) as caught:
        wait_for_operation(client, ID, clock=time.clock)
    assert caught.value.polls == 1


def test_a_failure_that_is_its_own_cause_is_the_credentials() -> None:
    class Circular(WithInfo):
        def issue(self, *call: Any) -> tuple[str, int]:
            try:
                return super().issue(*call)
            except RuntimeError as error:
                raise error from error

    client = connect(
        base_url=BASE_URL, credential=entra(Circular(failing=RuntimeError("round"))), transport=scripted([])
    )
    with pytest.raises(TokenUnavailable, match="round") as caught:
        wait_for_operation(client, ID)
    assert not caught.value.is_transient


def test_a_new_token_of_another_thread_is_not_taken_for_the_one_that_was_sent() -> None:
    """It comes while a request is signed with the old one; after the 401 the new one is sent."""
    issuer = Issuer()
    auth = EntraToken(Fixed(issuer), ACCOUNT, now=lambda: NOW + issuer.clock.now)

    class Headers(httpx.Headers):
        def __setitem__(self, name: str, value: str) -> None:
            super().__setitem__(name, value)
            if name == "Authorization" and issuer.clock.now == 0:
                issuer.clock.now = 3500  # the other thread finds that it is time for a new one
                assert step_sync(auth)[0]["authorization"] == "Bearer token-2"

    step_sync(auth)
    request = httpx.Request("GET", BASE_URL)
    request.headers = Headers(request.headers)
    flow = auth.sync_auth_flow(request)
    assert next(flow).headers["authorization"] == "Bearer token-1"
    assert flow.send(httpx.Response(401)).headers["authorization"] == "Bearer token-2"


@pytest.mark.parametrize("when", [float("nan"), "nan"])
def test_a_token_that_does_not_say_when_it_expires_is_refused(when: Any) -> None:
    class Vague:
        def get_token(self, *_: str) -> AccessToken:
            return AccessToken("token", when)

    with pytest.raises(TokenUnavailable, match="does not say when it expires"):
        step_sync(EntraToken(Vague(), ACCOUNT), OK)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"{\"refresh_token\": \"0.AX-secret\"}", r"{\"refresh_token\": ***}"),
        ("client_secret%3Dsecret~1&x=2", "client_secret%3D***&x=2"),
        ('{"accessToken": "secret, with spaces"}', '{"accessToken": ***}'),
        ('"clientSecret":"secret"', '"clientSecret":***'),
        ('{"refresh_token": "secret', '{"refresh_token": ***'),
        ("password='secret", "password=***"),
        (r'"password": "a\"secret" x', '"password": *** x'),
        (r"password=ab\secret x", "password=*** x"),
        ("AZURE_CLIENT_SECRET=secret", "AZURE_CLIENT_SECRET=***"),
        ("Authorization: Basic secret=", "Authorization: ***"),
        ("sent Bearer secret.secret-secret_secret", "sent Bearer ***"),
        ("device_code=secret&code=secret&code_verifier=secret", "device_code=***&code=***&code_verifier=***"),
        ("http://user:secret@proxy.test:80 is down", "http://***@proxy.test:80 is down"),
        ("Status code: 401, error_code: 7000215", "Status code: 401, error_code: 7000215"),
        ("a token: expired", "a token: expired"),
    ],
)
def test_what_a_credential_says_of_a_secret_is_masked(text: str, shown: str) -> None:
    with pytest.raises(TokenUnavailable) as caught:
        step_sync(entra(WithInfo(failing=RuntimeError(text))))
    assert caught.value.args[0] == f"no Entra token: RuntimeError: {shown}"


@pytest.mark.parametrize("token", ["", "two words\n", "é", None])
def test_a_token_that_cannot_be_a_header(token: Any) -> None:
    class Odd:
        def get_token(self, *_: str) -> AccessToken:
            return AccessToken(token, 1)

    with pytest.raises(TokenUnavailable, match="the Entra token"):
        step_sync(EntraToken(Odd(), ACCOUNT), OK)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_credential(backend: str) -> None:
    issuer = Async()
    auth = entra(issuer)
    assert step_async(auth, OK, backend=backend)[0]["authorization"] == "Bearer token-1"
    with pytest.raises(InvalidCredential, match="_async"):
        step_sync(auth, OK)


def test_a_sync_credential_does_not_block_the_event_loop() -> None:
    threads = []

    class Noting(WithInfo):
        def issue(self, *call: Any) -> tuple[str, int]:
            threads.append(threading.current_thread())
            return super().issue(*call)

    step_async(entra(Noting()), OK)
    assert threads != [threading.main_thread()]


def test_one_credential_in_several_event_loops_at_once() -> None:
    auth = entra(Async(delay=0.02))

    async def many() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(use)

    async def use() -> None:
        async with aclosing(auth.async_auth_flow(httpx.Request("GET", BASE_URL))) as flow:
            assert (await anext(flow)).headers["authorization"].startswith("Bearer token-")

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(lambda name: anyio.run(many, backend=name), name) for name in ("asyncio", "trio") * 2]
    assert [run.result() for run in runs] == [None] * 4


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", [Async, WithInfo])
def test_the_time_for_a_request_covers_its_token(backend: str, kind: type[Issuer]) -> None:
    class Slow(kind):  # type: ignore[valid-type, misc] # one of two classes
        async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
            await anyio.sleep_forever()
            raise AssertionError

    auth = entra(Slow() if kind is Async else WithInfo(delay=1))

    async def main() -> None:
        request = httpx.Request("GET", BASE_URL, extensions={DEADLINE: time.monotonic() + 0.05})
        async with aclosing(auth.async_auth_flow(request)) as flow:
            await anext(flow)

    begin = time.monotonic()
    with pytest.raises(TokenUnavailable, match="in time") as caught:
        anyio.run(main, backend=backend)
    assert caught.value.is_transient
    assert time.monotonic() - begin < 0.9


def test_a_request_without_a_deadline_does_not_wait_for_ever_for_its_token() -> None:
    class Hanging(Async):
        async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
            await anyio.sleep_forever()
            raise AssertionError

    async def main() -> float:
        begin = anyio.current_time()
        client = connect(base_url=BASE_URL, credential=entra(Hanging()), transport=scripted([]))
        with pytest.raises(TokenUnavailable, match="in time"):
            await get_operation_async(client, ID)
        return anyio.current_time() - begin

    options = {"clock": MockClock(autojump_threshold=0)}
    assert anyio.run(main, backend="trio", backend_options=options) == pytest.approx(900)


def test_a_thread_does_not_wait_for_anothers_get_token_past_its_deadline() -> None:
    hanging, leave = threading.Event(), threading.Event()

    class Hanging(WithInfo):
        def issue(self, *call: Any) -> tuple[str, int]:
            hanging.set()
            leave.wait()
            return super().issue(*call)

    auth = entra(Hanging())
    request = httpx.Request("GET", BASE_URL, extensions={DEADLINE: time.monotonic()})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(step_sync, auth, OK)
        hanging.wait()
        with pytest.raises(TokenUnavailable, match="in time"):
            next(auth.sync_auth_flow(request))
        leave.set()
        assert first.result()[0]["authorization"] == "Bearer token-1"


def test_a_function_that_returns_an_awaitable() -> None:
    class Wrapped:
        def get_token(self, *scopes: str) -> Any:
            return WithCoroutine().get_token(*scopes)

    class WithCoroutine:
        async def get_token(self, *_: str) -> AccessToken:
            return AccessToken("token-1", 4_000_000_000)

    assert step_async(EntraToken(Wrapped(), ACCOUNT), OK)[0]["authorization"] == "Bearer token-1"


@step
@pytest.mark.parametrize("refresh_in", [None, 7200.0])
def test_an_expired_token_is_never_sent(step: Step, refresh_in: float | None) -> None:
    issuer = WithInfo(lifetime=310)
    issuer.refresh_in = refresh_in
    auth = entra(issuer)
    step(auth, OK)
    issuer.clock.now, issuer.failing = 301, ClientAuthenticationError(SAID)
    step(auth, OK)  # the refresh fails, and would be tried again only after the expiry
    issuer.clock.now = 310
    with pytest.raises(TokenUnavailable):
        step(auth, OK)


def test_neither_method() -> None:
    with pytest.raises(InvalidCredential, match="object has neither"):
        EntraToken(object(), ACCOUNT)  # type: ignore[arg-type] # that is the point


def test_fifty_threads_with_one_expired_token_refresh_it_once() -> None:
    issuer = WithInfo(delay=0.02)
    auth = entra(issuer)
    step_sync(auth, OK)
    issuer.clock.now = 90_000
    barrier = threading.Barrier(50)

    def use(_: int) -> str:
        barrier.wait()
        return step_sync(auth, OK)[0]["authorization"]

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(use, range(50))) == {"Bearer token-2"}
    assert len(issuer.calls) == 2


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", [Async, WithInfo])
@pytest.mark.parametrize("answer", [OK, REFUSED], ids=["expired", "revoked"])
def test_a_thousand_tasks_with_one_bad_token_refresh_it_once(
    backend: str, kind: type[Issuer], answer: httpx.Response
) -> None:
    issuer = kind()
    auth = entra(issuer)
    found = set()

    async def use() -> None:
        flow = auth.async_auth_flow(httpx.Request("GET", BASE_URL))
        request = await anext(flow)
        if answer is REFUSED:
            await anyio.lowlevel.checkpoint()  # so that all of them have sent the first token
            request = await flow.asend(answer)
        found.add(request.headers["authorization"])
        await flow.aclose()

    async def main() -> None:
        async with aclosing(auth.async_auth_flow(httpx.Request("GET", BASE_URL))) as flow:
            await anext(flow)
        if answer is OK:
            issuer.clock.now = 90_000
        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(use)

    anyio.run(main, backend=backend)
    assert found == {"Bearer token-2"}
    assert len(issuer.calls) == 2


class LoginReply:
    status_code, reason, content_type = 200, "OK", "application/json"

    def __init__(self, request: Any, body: dict[str, Any]) -> None:
        self.request = request
        self.headers = {"content-type": self.content_type}
        self._text = json.dumps(body)

    def text(self, encoding: str | None = None) -> str:
        return self._text


class Login(HttpTransport[Any, Any]):
    """The last hop of azure-core's pipeline, answering like Microsoft's login service."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def open(self) -> None: ...
    def close(self) -> None: ...
    def __exit__(self, *args: object) -> None: ...

    def send(self, request: Any, **_: Any) -> LoginReply:
        self.asked.append(request.url)
        tenant = "https://login.microsoftonline.com/tenant"
        discovery = {
            "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
            "token_endpoint": f"{tenant}/oauth2/v2.0/token",
            "issuer": f"{tenant}/v2.0",
        }
        token = {"access_token": "real-token", "expires_in": 3600, "token_type": "Bearer"}
        return LoginReply(request, discovery if "openid-configuration" in request.url else token)


def test_a_real_azure_identity_credential() -> None:
    login = Login()
    credential = ClientAssertionCredential(
        "tenant", "app", lambda: "assertion", transport=login, disable_instance_discovery=True
    )
    seen: list[httpx.Request] = []
    transport = scripted([reply("Running"), reply("Running")], seen)
    with connect(base_url=BASE_URL, credential=credential, account_client_id=ACCOUNT, transport=transport) as client:
        get_operation(client, ID)
        get_operation(client, ID)
    assert [request.headers["authorization"] for request in seen] == ["Bearer real-token"] * 2
    assert sum(url.endswith("/token") for url in login.asked) == 1


def test_a_real_credential_that_cannot() -> None:
    async def main() -> None:
        async with connect("us", EnvironmentCredential(), account_client_id=ACCOUNT) as client:
            await get_operation_async(client, ID)

    with pytest.raises(TokenUnavailable, match="CredentialUnavailableError"):
        anyio.run(main)
