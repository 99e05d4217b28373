"""Every public failure, driven with a marker for a secret, and everything that a person may see of it searched."""

import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

import maps_data_registry as m
from maps_data_registry_client import AuthenticatedClient

from .support import BASE_URL, ID, KEY, LOCATION, VirtualClock, failed, reply, running, scripted
from .test_entra import ACCOUNT, Issuer

MARKER = KEY


class Token(Issuer):
    def get_token(self, *_: str) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(MARKER, 4_000_000_000)


CREDENTIALS: dict[str, Callable[[], Any]] = {
    "key": lambda: m.SubscriptionKey(MARKER),
    "rotating key": lambda: m.SubscriptionKey(lambda: MARKER),
    "sas": lambda: m.SasToken(MARKER),
    "entra": lambda: Token(),
}
ECHO = {"error": {"code": MARKER, "message": f"Wrong: {MARKER}", "target": f"Bearer {MARKER}"}}
SCRIPTS: dict[str, list[httpx.Response | Exception]] = {
    "failed": [running(retry_after="1"), failed(code="InvalidData", message=f"echo {MARKER}")],
    "401": [reply(code=401, body=ECHO)],
    "403": [reply(code=403, body=ECHO)] * 2,
    "404": [reply(code=404, body=ECHO)],
    "500": [reply(code=500, body=ECHO)] * 9,
    "html": [httpx.Response(200, html=f"<pre>Authorization: jwt-sas {MARKER}\nsubscription-key: {MARKER}</pre>")],
    "unknown status": [reply(f"Odd {MARKER}")],
    "timeout": [running(retry_after="9999")],
    "connect": [httpx.ConnectError("refused")] * 9,
    "protocol": [httpx.UnsupportedProtocol("no")],
    "large": [httpx.Response(200, content=MARKER.encode() * 100_000)],
    "large, of no known length": [
        httpx.Response(200, stream=httpx.ByteStream(MARKER.encode() * 100_000), headers={"x-echo": f"jwt-sas {MARKER}"})
    ],
    "named as the encoding": [
        httpx.Response(200, stream=httpx.ByteStream(b"{}"), headers={"content-encoding": f"odd {MARKER}"})
    ],
    "encoding": [httpx.Response(200, stream=httpx.ByteStream(MARKER.encode()), headers={"content-encoding": "br"})],
}
OPERATIONS: dict[str, Any] = {
    "foreign location": f"https://evil.test/dataRegistries/operations/{ID}",
    "key for id": MARKER * 2,
    "user in location": LOCATION.replace("https://", f"https://user:{MARKER}@"),
}


def visible(error: BaseException) -> str:
    """What a log, a console or a bug report would hold of an exception and of all it came from."""
    shown = ["".join(traceback.format_exception(error))]
    found: BaseException | None = error
    while found is not None:
        shown += [str(found), repr(found), repr(vars(found))]
        found = found.__cause__ or found.__context__
    shown.append(repr(pickle.dumps(error)))
    return "\n".join(shown)


def drive(client: AuthenticatedClient, operation: Any, asynchronous: bool) -> None:
    clock = VirtualClock().clock
    if asynchronous:
        anyio.run(lambda: m.wait_for_operation_async(client, operation, clock=clock))
    else:
        m.wait_for_operation(client, operation, clock=clock)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("case", [*SCRIPTS, *OPERATIONS])
def test_no_failure_shows_a_secret(
    credential: str, case: str, asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    client = m.connect(
        base_url=BASE_URL, credential=CREDENTIALS[credential](), account_client_id=ACCOUNT,
        transport=scripted(SCRIPTS.get(case, [])),
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG), pytest.raises(m.DataRegistryError) as caught:
        drive(client, OPERATIONS.get(case, ID), asynchronous)
    logging.getLogger().removeHandler(handler)
    for place, text in {"error": visible(caught.value), "client": repr(client), "log": stream.getvalue()}.items():
        assert MARKER.lower() not in text.lower(), place


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_no_result_shows_a_secret(credential: str) -> None:
    seen: list[httpx.Request] = []
    transport = scripted([reply(body={"id": MARKER, "status": "Completed"})], seen)
    client = m.connect(
        base_url=BASE_URL, credential=CREDENTIALS[credential](), account_client_id=ACCOUNT, transport=transport
    )
    result = m.get_operation(client, ID)
    assert MARKER not in json.dumps(result.to_dict())
    assert MARKER in str(seen[0].headers.multi_items())  # it did go where it belongs
    assert MARKER not in str(seen[0].url)
