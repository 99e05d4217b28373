"""Twenty faults as a person reads them: one line that says what happened, to whom, and what to do."""
# ruff: noqa: E501 - each message on one line, as it is read

import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from maps_data_registry import DataRegistryError, PollingPolicy
from tests.support import ID, Driver, VirtualClock, failed, reply, running

ONCE = PollingPolicy(retries=0, jitter=0)
WHO = f"operation {ID}: "
RESUME = f'; to resume: wait_for_operation(client, "{ID}")'
FINAL = "; the service refuses this request: waiting again will not change that"
GATEWAY = "; check whether something between this machine and the service answers in its place"
CREDENTIAL = (
    "; check that the credential belongs to an account of this geography, that keys or SAS tokens are not switched off on "
    "the account, and that account_client_id is the Maps account's client id, not the app's"
)
GEOGRAPHY = "; check the id, and that the client is connected to the geography that the data was registered in"
HOST = "no reply from https://maps.test:443: "


def refused(code: int, **headers: str) -> httpx.Response:
    return reply(code=code, body={"error": {"code": "No", "message": "Not today."}}, **headers)


def untrusted() -> Exception:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


def because(cause: Exception) -> Callable[[], Exception]:
    def error() -> Exception:
        found = httpx.ConnectError("all attempts failed")
        found.__cause__ = cause
        return found

    return error


FAULTS: list[tuple[list[Any], dict[str, Any], str]] = [
    ([failed(code="InvalidData", message="Bad GeoJSON.")], {}, f"{WHO}Failed: InvalidData: Bad GeoJSON; fix the data and register it again"),
    ([reply("Failed")], {}, f"{WHO}Failed: the service gave no reason; fix the data and register it again"),
    ([running(retry_after="700")], {"timeout": 600}, f"{WHO}timed out after 0 s, last seen as Running, and the next poll in 700 s would come too late{RESUME}"),
    ([refused(503, retry_after="70")], {"timeout": 60, "policy": PollingPolicy(jitter=0)}, f"{WHO}timed out after 0 s, no status seen, and the next poll in 70 s would come too late; last problem: HTTP 503 No: Not today{RESUME}"),
    ([reply("Paused")], {}, f"{WHO}ended with the unknown status 'Paused' (no Retry-After came); the reply is in `last`; a status that you know can be added to PollingPolicy(succeeded=…) or (failed=…)"),
    ([reply(body={"id": ID})], {}, f"{WHO}ended with no status (no Retry-After came); the reply is in `last`; a status that you know can be added to PollingPolicy(succeeded=…) or (failed=…)"),
    ([refused(400)], {}, f"{WHO}HTTP 400 No: Not today{FINAL}"),
    ([refused(501)], {}, f"{WHO}HTTP 501 No: Not today{RESUME}"),
    ([httpx.Response(204)], {}, f"{WHO}HTTP 204{GATEWAY}"),
    ([httpx.Response(307, headers={"location": "https://elsewhere.test"})], {}, f"{WHO}HTTP 307; no redirect is followed, as a credential goes to its own endpoint only: check the endpoint"),
    ([refused(401)], {}, f"{WHO}HTTP 401 No: Not today{CREDENTIAL}"),
    ([httpx.Response(403)], {}, f"{WHO}HTTP 403{CREDENTIAL}"),
    ([refused(404)], {}, f"{WHO}HTTP 404 No: Not today{GEOGRAPHY}"),
    ([running(), refused(404)], {}, f"{WHO}HTTP 404 No: Not today, though it was seen as Running before{GEOGRAPHY}"),
    ([httpx.Response(502, html="<h1>Bad gateway</h1>")], {}, f"{WHO}HTTP 502{RESUME}"),
    ([because(ConnectionRefusedError(111, "refused"))()], {}, f"{WHO}{HOST}connection refused{RESUME}"),
    ([because(ConnectionResetError(104, "reset"))()], {}, f"{WHO}{HOST}connection reset{RESUME}"),
    ([httpx.RemoteProtocolError("Server disconnected without sending a response.")], {}, f"{WHO}{HOST}RemoteProtocolError: Server disconnected without sending a response{RESUME}"),
    ([because(untrusted())()], {}, f"{WHO}{HOST}its certificate is not trusted: self-signed certificate; set SSL_CERT_FILE to the authority's certificate (in Python also connect(ssl_context=…))"),
    ([httpx.Response(200)], {}, f"{WHO}HTTP 200, but the reply cannot be read: it is empty{GATEWAY}"),
    ([httpx.Response(200, html="<h1>Log in</h1>")], {}, f"{WHO}HTTP 200, but the reply cannot be read: it is not JSON: Expecting value: line 1 column 1 (char 0){GATEWAY}"),
    ([httpx.Response(200, json=[])], {}, f"{WHO}HTTP 200, but the reply cannot be read: it is not a JSON object{GATEWAY}"),
    ([httpx.Response(200, content='{"status": "Completed"}'.encode("utf-16"))], {}, f"{WHO}HTTP 200, but the reply cannot be read: it is not UTF-8{GATEWAY}"),
    ([reply(body={"id": "other", "status": "Completed"})], {}, f"{WHO}HTTP 200, but the reply cannot be read: it is about the operation other{GATEWAY}"),
    ([], {"operation": refused(400)}, "the register or replace request was refused: HTTP 400 No: Not today; no operation was started: correct the request, or send it again"),
    ([], {"operation": refused(404)}, "the register or replace request was refused: HTTP 404 No: Not today; no operation was started: correct the request, or send it again"),
    ([], {"operation": refused(401)}, f"the register or replace request was refused: HTTP 401 No: Not today{CREDENTIAL}"),
    ([], {"operation": "nonsense"}, "not an operation id (a GUID): 'nonsense'"),
    ([], {"operation": f"https://evil.test/dataRegistries/operations/{ID}"}, "the Operation-Location belongs to https://evil.test:443, the client is connected to https://maps.test:443"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "options", "message"), FAULTS)
def test_a_message(drive: Driver, time: VirtualClock, script: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataRegistryError) as caught:
        drive.wait(script, **{"policy": ONCE, "clock": time.clock, **options})
    assert str(caught.value) == message
