"""The rules of a wait, each a table, through every driver."""

import logging
import ssl
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from time import monotonic
from typing import Any

import anyio
import httpx
import pytest

from maps_data_registry import (
    DEFAULT,
    Clock,
    DataRegistryError,
    InvalidResponse,
    OperationFailed,
    OperationNotFound,
    OperationTimeout,
    OperationUpdate,
    Outcome,
    PollingPolicy,
    ServiceError,
    ServiceUnreachable,
    UnrecognizedStatus,
    watch_operation_async,
)
from maps_data_registry.polling.decision import Polling
from maps_data_registry.wire.guard import DEADLINE
from maps_data_registry_client.models import LongRunningOperationResult
from maps_data_registry_client.types import Response
from tests.support import (
    BASE_URL,
    EPOCH,
    ID,
    LOCATION,
    Driver,
    VirtualClock,
    client_of,
    failed,
    reply,
    running,
    scripted,
)

OTHER = "11111111-2222-3333-4444-555555555555"
STEADY = PollingPolicy(interval=5, growth=1, min_interval=0, jitter=0, backoff=1, retries=3)


def registered(**headers: str) -> httpx.Response:
    return httpx.Response(201, headers={"operation-location": LOCATION, **headers})


def generated_response(**headers: str) -> Response[object]:
    """What a generated register call returns."""
    raw = registered(**headers)
    return Response(HTTPStatus(raw.status_code), raw.content, raw.headers, None)


def untrusted() -> httpx.ConnectError:
    error = httpx.ConnectError("certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    return error


# Rule 1: when the first poll is sent.
@pytest.mark.parametrize(
    ("operation", "sleeps"),
    [
        (ID, []),
        (ID.upper(), []),
        (LOCATION, []),
        (registered(), []),
        (registered(**{"retry-after": "7"}), [7]),
        (registered(**{"retry-after-ms": "250"}), [0.25]),
        (registered(**{"retry-after": "0"}), []),
        (registered(**{"retry-after": "Tue, 14 Nov 2023 22:13:27 GMT"}), [7]),  # EPOCH + 7
        (generated_response(**{"retry-after": "7"}), [7]),
    ],
    ids=["id", "ID", "location", "response", "seconds", "milliseconds", "zero", "date", "generated"],
)
def test_rule_1_the_first_poll(drive: Driver, time: VirtualClock, operation: Any, sleeps: list[float]) -> None:
    assert EPOCH == 1_700_000_000
    assert drive.wait([reply("Completed")], operation, clock=time.clock).status == "Completed"
    assert time.sleeps == sleeps


# Rules 2 and 3: what ends a wait, and what it costs until then.
@pytest.mark.parametrize(
    ("script", "sleeps"),
    [
        ([reply("Completed")], []),
        ([reply("Completed", retry_after="10")], []),  # a terminal word wins over Retry-After
        ([running(retry_after="10"), reply("Completed")], [10]),
        ([running(retry_after="0"), running(retry_after="0"), reply("Completed")], []),
        ([running(), running(), reply("Completed")], [5, 5]),
        ([running(retry_after="junk"), reply("Completed")], [5]),
        ([running(retry_after="-1"), reply("Completed")], [5]),
        ([running(retry_after="2"), running(retry_after="30"), reply("Completed")], [2, 30]),  # each says its own
    ],
)
def test_rules_2_and_3_success(drive: Driver, time: VirtualClock, script: Any, sleeps: list[float]) -> None:
    assert drive.wait(script, policy=STEADY, clock=time.clock).status == "Completed"
    assert time.sleeps == sleeps


def test_rule_2_failure_comes_as_200(drive: Driver, time: VirtualClock) -> None:
    script = [running(retry_after="10"), failed(code="InvalidData", message="The data is not a valid GeoJSON.")]
    with pytest.raises(OperationFailed) as caught:
        drive.wait(script, clock=time.clock)
    assert (caught.value.code, caught.value.message) == ("InvalidData", "The data is not a valid GeoJSON.")
    assert caught.value.result.status == "Failed"


def test_rule_2_the_words_are_data(drive: Driver, time: VirtualClock) -> None:
    policy = PollingPolicy(succeeded={"Done", "Completed"}, failed="Cancelled", in_progress=["Queued"])
    assert drive.wait([reply("Queued"), reply("Done")], policy=policy, clock=time.clock).status == "Done"
    with pytest.raises(OperationFailed, match="Cancelled"):
        drive.wait([reply("Cancelled")], policy=policy, clock=time.clock)


def test_rule_3_the_interval_grows_gently_and_is_bounded(drive: Driver, time: VirtualClock) -> None:
    policy = PollingPolicy(interval=4, growth=2, max_interval=10, jitter=0)
    drive.wait([*(running() for _ in range(4)), reply("Completed")], policy=policy, clock=time.clock)
    assert time.sleeps == [4, 8, 10, 10]


@pytest.mark.parametrize(("chance", "waited"), [(0.0, 10), (0.5, 10.5), (1.0, 11)])
def test_rule_3_jitter_only_adds(drive: Driver, time: VirtualClock, chance: float, waited: float) -> None:
    time.chance = chance
    script = [running(retry_after="10"), running(retry_after="0"), reply("Completed")]
    drive.wait(script, policy=PollingPolicy(jitter=0.1, min_interval=0), clock=time.clock)
    assert time.sleeps == [waited]


@pytest.mark.parametrize(
    ("header", "waited"),
    [("0", 0.2), ("0.1", 0.2), ("Tue, 14 Nov 2023 22:13:19 GMT", 0.2), ("1", 1)],  # the date has passed
)
def test_rule_3_two_polls_are_never_too_close(drive: Driver, time: VirtualClock, header: str, waited: float) -> None:
    drive.wait([running(retry_after=header), reply("Completed")], policy=PollingPolicy(jitter=0), clock=time.clock)
    assert time.sleeps == [waited]


# Rule 2: how a status is compared.
@pytest.mark.parametrize("status", ["completed", "COMPLETED", " Completed ", "Completed\t"])
def test_rule_2_case_and_surrounding_space_do_not_matter(drive: Driver, time: VirtualClock, status: str) -> None:
    result = drive.wait([reply(" running"), reply(status)], policy=STEADY, clock=time.clock)
    assert result.status == status  # kept as it came
    with pytest.raises(OperationFailed, match="FAILED"):
        drive.wait([reply("FAILED")], clock=time.clock)


# Rule 4: statuses that nobody knows.
@pytest.mark.parametrize("status", ["Paused", "Complete", "", None])
@pytest.mark.parametrize(("header", "waited"), [("3", 3), ("soon", 5)])  # what cannot be read is there all the same
def test_rule_4_unknown_with_retry_after_goes_on(
    drive: Driver, time: VirtualClock, status: str | None, header: str, waited: float, caplog: pytest.LogCaptureFixture
) -> None:
    script = [reply(status, retry_after=header), reply(status, retry_after=header), reply("Completed")]
    with caplog.at_level(logging.WARNING, "maps_data_registry"):
        drive.wait(script, policy=STEADY, clock=time.clock)
    assert time.sleeps == [waited, waited]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("status", "named"), [("Paused", "'Paused'"), (None, "no status"), ("a\nb\x1b[2J", "'a b")])
def test_rule_4_unknown_without_retry_after_is_over(
    drive: Driver, time: VirtualClock, status: str | None, named: str
) -> None:
    with pytest.raises(UnrecognizedStatus, match=named) as caught:
        drive.wait([reply(status)], clock=time.clock)
    assert caught.value.last is not None
    assert caught.value.last.status == status or status is None
    assert str(caught.value).isprintable()


# Rule 5: what is retried, and what is not.
TRANSIENT = {
    **{str(code): httpx.Response(code) for code in (408, 429, 500, 502, 503, 504)},
    "html": httpx.Response(502, html="<h1>Bad gateway</h1>"),
    "connect": httpx.ConnectError("refused"),
    "reset": httpx.ReadError("reset"),
    "truncated": httpx.RemoteProtocolError("peer closed connection"),
    "read timeout": httpx.ReadTimeout("slow"),
    "pool timeout": httpx.PoolTimeout("busy"),
    "proxy": httpx.ProxyError("down"),
}
LASTING = {
    **{
        str(code): httpx.Response(code)
        for code in (201, 202, 204, 301, 302, 307, 400, 401, 403, 404, 409, 418, 501, 520)
    },
    "scheme": httpx.UnsupportedProtocol("gopher"),
    "illegal": httpx.LocalProtocolError("illegal header"),
    "certificate": untrusted(),
    "not json": httpx.Response(200, html="<h1>Log in</h1>"),
    "empty": httpx.Response(200),
}


@pytest.mark.parametrize("problem", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_rule_5_transient(drive: Driver, time: VirtualClock, problem: Any) -> None:
    time.chance = 0.5
    updates = drive.watch([problem] * 3 + [reply("Completed")], policy=STEADY, clock=time.clock)
    assert time.sleeps == [0.5, 1, 2]  # half of 1, 2, 4: full jitter
    assert [update.status for update in updates] == [None, None, None, "Completed"]
    assert all(isinstance(update.problem, DataRegistryError) for update in updates[:-1])
    assert updates[-1].problem is None


@pytest.mark.parametrize("problem", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_rule_5_the_budget_is_of_failures_in_a_row(drive: Driver, time: VirtualClock, problem: Any) -> None:
    script = [problem, problem, problem, running(), problem, problem, problem, reply("Completed")]
    drive.wait(script, policy=STEADY, clock=time.clock)
    with pytest.raises(ServiceError if isinstance(problem, httpx.Response) else ServiceUnreachable) as caught:
        drive.wait([problem] * 4, policy=STEADY, clock=time.clock)
    assert caught.value.polls == 4


@pytest.mark.parametrize("problem", LASTING.values(), ids=LASTING.keys())
def test_rule_5_lasting(drive: Driver, time: VirtualClock, problem: Any) -> None:
    with pytest.raises(DataRegistryError) as caught:
        drive.wait([running(retry_after="1"), problem], policy=STEADY, clock=time.clock)
    assert (caught.value.operation_id, caught.value.polls) == (ID, 2)
    assert time.sleeps == [1]


def test_rule_5_retry_after_is_honoured_but_zero_leaves_the_backoff(drive: Driver, time: VirtualClock) -> None:
    time.chance = 0.5
    script = [reply(code=429, body={}, retry_after="20"), reply(code=503, body={}, retry_after="0"), reply("Completed")]
    drive.wait(script, policy=STEADY, clock=time.clock)
    assert time.sleeps == [20, 1]  # half of 2, the second backoff


def test_rule_5_an_operation_that_vanishes_says_that_it_was_there(drive: Driver, time: VirtualClock) -> None:
    with pytest.raises(OperationNotFound, match="HTTP 404, though it was seen as Running before"):
        drive.wait([running(retry_after="1"), httpx.Response(404)], clock=time.clock)


@pytest.mark.slow
def test_rule_5_the_backoff_is_bounded(drive: Driver, time: VirtualClock) -> None:
    time.chance = 1.0
    policy = PollingPolicy(backoff=1, max_backoff=5, retries=2000, min_interval=0)
    drive.wait(
        [httpx.ConnectError("refused")] * 1200 + [reply("Completed")], policy=policy, timeout=None, clock=time.clock
    )
    assert time.sleeps[:5] == [1, 2, 4, 5, 5]
    assert max(time.sleeps) == 5


def test_rule_5_the_first_failure_of_a_wait_and_each_tenth_are_warnings(
    drive: Driver, time: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[httpx.Response | Exception] = [httpx.ConnectError("refused")] * 6
    script = [*refused, running(retry_after="0"), *refused, reply("Completed")]
    with caplog.at_level(logging.INFO, "maps_data_registry"):
        drive.wait(script, policy=PollingPolicy(min_interval=2), clock=time.clock)
    logged = [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "maps_data_registry"]
    assert len(logged) == 12
    assert [message for level, message in logged if level == "WARNING"] == [
        f"operation {ID}: no reply from {BASE_URL}:443: ConnectError: refused; retry 1 of 8 in 2.0 s",
        f"operation {ID}: no reply from {BASE_URL}:443: ConnectError: refused; retry 4 of 8 in 2.0 s",
    ]


# Rule 6: the deadline.
@pytest.mark.parametrize(
    ("timeout", "script", "sleeps"),
    [
        (25, [running(retry_after="10")] * 3, [10, 10]),  # 30 would be too late: raised at 20, not slept first
        (20, [running(retry_after="10")] * 2, [10]),
        (3, [httpx.Response(503, headers={"retry-after": "5"})], []),
        (1e-3, [running(retry_after="10")], []),
    ],
)
def test_rule_6_raised_before_the_sleep(
    drive: Driver, time: VirtualClock, timeout: float, script: Any, sleeps: list[float]
) -> None:
    with pytest.raises(OperationTimeout) as caught:
        drive.wait(script, timeout=timeout, policy=STEADY, clock=time.clock)
    assert time.sleeps == sleeps
    assert caught.value.elapsed == sum(sleeps)
    assert isinstance(caught.value, TimeoutError)
    assert f'wait_for_operation(client, "{ID}")' in str(caught.value)


def test_rule_6_the_last_retry_cut_short_is_a_timeout(drive: Driver, time: VirtualClock) -> None:
    class Late(httpx.ReadTimeout):
        def __init__(self) -> None:
            super().__init__("cut short")

    def late() -> httpx.ReadTimeout:
        time.now = 30
        return Late()

    class Script(list[Any]):
        def __iter__(self) -> Any:
            yield late()

    with pytest.raises(
        OperationTimeout, match=r"last problem: no reply from https://maps\.test:443: .*cut short"
    ) as caught:
        drive.wait(Script(), timeout=30, policy=PollingPolicy(retries=0), clock=time.clock)
    assert isinstance(caught.value.__cause__, ServiceUnreachable)


def test_rule_6_the_message_tells_what_is_due(drive: Driver, time: VirtualClock) -> None:
    with pytest.raises(OperationTimeout, match="after 0 s, last seen as Running, and the next poll in 700 s"):
        drive.wait([running(retry_after="700")], timeout=600, policy=STEADY, clock=time.clock)


def test_rule_5_a_date_counts_from_the_injected_clock(drive: Driver, time: VirtualClock) -> None:
    script = [reply(code=503, body={}, retry_after="Tue, 14 Nov 2023 22:13:50 GMT"), reply("Completed")]  # EPOCH + 30
    updates = drive.watch(script, policy=STEADY, clock=time.clock)
    assert updates[0].retry_after == 30
    assert isinstance(updates[0].problem, ServiceError)
    assert updates[0].problem.retry_after == 30


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_iteration_that_has_raised_is_over(backend: str) -> None:
    async def main() -> None:
        client = client_of(scripted([httpx.Response(404)]))
        updates = watch_operation_async(client, ID)
        with pytest.raises(ServiceError):
            await anext(updates)
        with pytest.raises(StopAsyncIteration):
            await anext(updates)

    anyio.run(main, backend=backend)


def test_rule_6_before_the_first_poll(drive: Driver, time: VirtualClock) -> None:
    with pytest.raises(OperationTimeout, match="no status seen"):
        drive.wait([], registered(**{"retry-after": "60"}), timeout=30, clock=time.clock)


def test_rule_6_finite_by_default(drive: Driver, time: VirtualClock) -> None:
    with pytest.raises(OperationTimeout):
        drive.wait([running(retry_after="600")] * 10, policy=STEADY, clock=time.clock)
    assert time.now == 3000


def test_rule_6_none_is_no_limit(drive: Driver, time: VirtualClock) -> None:
    drive.wait(
        [running(retry_after="86400")] * 10 + [reply("Completed")], timeout=None, policy=STEADY, clock=time.clock
    )
    assert time.now == 864_000


def test_rule_6_not_given_is_the_policys(drive: Driver, time: VirtualClock) -> None:
    with pytest.raises(OperationTimeout):
        drive.wait([running(retry_after="10")], policy=PollingPolicy(timeout=5), clock=time.clock)
    policy = PollingPolicy(timeout=None, jitter=0)
    drive.wait([running(retry_after="9999")] * 2 + [reply("Completed")], policy=policy, clock=time.clock)


@pytest.mark.parametrize(
    ("timeout", "kind"),
    [
        (0, ValueError),
        (-1, ValueError),
        (float("nan"), ValueError),
        (timedelta(0), ValueError),
        ("10", TypeError),
        (True, TypeError),
    ],
)
def test_rule_6_nonsense_is_refused(drive: Driver, timeout: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="timeout"):
        drive.wait([], timeout=timeout)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"policy": {"retries": 1}}, "policy must be a PollingPolicy, not dict"),
        ({"clock": 3}, "clock must be a Clock, not int"),
        ({"no_such": 3}, "unexpected keyword argument 'no_such'"),
    ],
)
def test_an_option_of_the_wrong_type(drive: Driver, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        drive.wait([], **options)


def test_an_update_of_another_operation_is_refused() -> None:
    with pytest.raises(ValueError, match="after is an update of another operation: other"):
        Polling(ID, after=OperationUpdate(operation_id="other"))


def test_rule_6_a_timeout_may_be_a_timedelta(drive: Driver, time: VirtualClock) -> None:
    policy = PollingPolicy(interval=timedelta(seconds=10), growth=1, jitter=0)
    with pytest.raises(OperationTimeout):
        drive.wait([running()] * 3, timeout=timedelta(seconds=25), policy=policy, clock=time.clock)
    assert time.sleeps == [10, 10]


def test_rule_6_every_request_carries_the_deadline(drive: Driver) -> None:
    seen: list[httpx.Request] = []
    before = monotonic()
    script = [running(retry_after="0"), reply("Completed")]
    drive.wait(script, timeout=20, policy=PollingPolicy(min_interval=0), seen=seen)
    deadlines = {request.extensions[DEADLINE] for request in seen}
    assert len(seen) == 2
    assert len(deadlines) == 1
    assert before + 20 <= deadlines.pop() <= monotonic() + 20


def test_rule_6_sockets_know_no_deadline_of_an_injected_clock(drive: Driver, time: VirtualClock) -> None:
    seen: list[httpx.Request] = []
    drive.wait([reply("Completed")], timeout=1e-3, clock=time.clock, seen=seen)
    assert DEADLINE not in seen[0].extensions


# Rule 7: what every exception knows.
@pytest.mark.parametrize(
    "ending",
    [failed(code="X"), reply("Paused"), httpx.Response(401), httpx.Response(200), httpx.UnsupportedProtocol("x"), None],
    ids=["failed", "unknown", "refused", "unreadable", "transport", "timeout"],
)
def test_rule_7(drive: Driver, time: VirtualClock, ending: httpx.Response | Exception | None) -> None:
    script = [running(retry_after="10"), running(retry_after="20"), running(retry_after="5")]
    with pytest.raises(DataRegistryError) as caught:
        drive.wait(
            [*script, *([ending] if ending else [])],
            timeout=34.5 if ending is None else 60,
            policy=STEADY,
            clock=time.clock,
        )
    error = caught.value
    assert (error.operation_id, error.polls, error.elapsed) == (
        ID,
        3 if ending is None else 4,
        30 if ending is None else 35,
    )
    assert error.last is not None
    assert error.last.id == ID
    assert error.next_step
    assert ID in str(error)
    assert "\n" not in str(error)


def test_one_update_per_poll_the_last_one_terminal(drive: Driver, time: VirtualClock) -> None:
    script = [running(retry_after="10"), httpx.Response(503, headers={"retry-after": "1"}), failed(code="X")]
    updates = drive.watch(script, policy=STEADY, clock=time.clock)
    assert [(u.status, u.retry_after, u.wait, u.polls, u.elapsed) for u in updates] == [
        ("Running", 10, 10, 1, 0),
        ("Running", 1, 1, 2, 10),
        ("Failed", None, None, 3, 11),
    ]
    assert {u.operation_id for u in updates} == {ID}
    assert updates[-1].result is not None
    assert updates[-1].result.status == "Failed"


class Stop(Exception):
    pass


def test_a_callback_that_raises_ends_the_wait(drive: Driver, time: VirtualClock) -> None:
    def stop(update: OperationUpdate) -> None:
        if update.polls == 2:
            raise Stop

    with pytest.raises(Stop):
        drive.wait([running(retry_after="1")] * 2, on_update=stop, clock=time.clock)


def test_a_callback_may_be_async(time: VirtualClock) -> None:
    seen = []

    async def note(update: OperationUpdate) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(update.status)

    Driver("asyncio").wait([running(retry_after="1"), reply("Completed")], on_update=note, clock=time.clock)
    assert seen == ["Running", "Completed"]
    with pytest.raises(TypeError, match="async"):
        Driver("sync").wait([running()], on_update=note, clock=time.clock)


def test_an_awaitable_of_any_kind_is_refused_in_sync_code(time: VirtualClock) -> None:
    class Awaitable:
        def __await__(self) -> Iterator[None]:
            return iter(())

    with pytest.raises(TypeError, match="on_update is async"):
        Driver("sync").wait([running()], on_update=lambda _: Awaitable(), clock=time.clock)


@pytest.mark.parametrize(
    ("answer", "status", "retry_after", "wait"),
    [
        (running(), "Running", None, 5),
        (running(retry_after="10"), "Running", 10, 10),
        (failed(code="X"), "Failed", None, None),
        (reply("Completed", retry_after="1"), "Completed", 1, None),
        (reply("Paused"), "Paused", None, None),
        (reply("Paused", retry_after="3"), "Paused", 3, 3),
    ],
)
def test_one_poll_reports_what_the_reply_says(
    drive_one: Driver, answer: httpx.Response, status: str, retry_after: float | None, wait: float | None
) -> None:
    update = drive_one.get([answer])
    assert (update.operation_id, update.status, update.retry_after, update.wait) == (ID, status, retry_after, wait)
    assert update.polls == 1
    assert isinstance(update.problem, UnrecognizedStatus) is ((status, wait) == ("Paused", None))
    assert update.result is not None
    assert update.result.status == status


def test_one_poll_retries_nothing(drive_one: Driver) -> None:
    for problem in (httpx.Response(503), httpx.Response(404), httpx.ConnectError("refused"), httpx.Response(200)):
        with pytest.raises(DataRegistryError) as caught:
            drive_one.get([problem])
        assert (caught.value.operation_id, caught.value.polls) == (ID, 1)


# Rule 8: a reply about another operation.
def test_rule_8_is_never_an_answer(drive: Driver, time: VirtualClock) -> None:
    script = [running(retry_after="1"), reply(body={"id": OTHER, "status": "Completed"})]
    with pytest.raises(InvalidResponse, match=f"about the operation {OTHER}"):
        drive.wait(script, clock=time.clock)


def test_rule_8_holds_for_one_poll(drive_one: Driver) -> None:
    with pytest.raises(InvalidResponse, match=OTHER):
        drive_one.get([reply(body={"id": OTHER, "status": "Completed"})])


@pytest.mark.parametrize("known_as", [ID.upper(), f" {ID}"])
def test_rule_8_case_does_not_matter(drive: Driver, time: VirtualClock, known_as: str) -> None:
    assert drive.wait([reply(body={"id": known_as, "status": "Completed"})], clock=time.clock).status == "Completed"


def test_a_refused_register_request_says_why(drive: Driver) -> None:
    refused = reply(code=400, body={"error": {"code": "InvalidRequest", "message": "No format."}})
    with pytest.raises(ServiceError, match="InvalidRequest: No format"):
        drive.wait([], refused)


def test_polling_can_be_put_aside(time: VirtualClock) -> None:
    polling = Polling(ID, policy=STEADY, clock=time.clock, timeout=100)
    assert polling.pause() == 0
    assert polling.decide(running(retry_after="10")).wait == 10
    with pytest.raises(RuntimeError, match="not ended"):
        polling.outcome()
    time.now = 4
    assert (polling.due, polling.pause(), polling.deadline) == (10, 6, 100)
    time.now = 50
    assert polling.pause() == 0
    assert polling.decide(reply("Completed")).wait is None
    assert polling.outcome().to_dict() == {"id": ID, "status": "Completed"}


def test_a_wait_goes_on_after_an_update(drive_one: Driver, time: VirtualClock) -> None:
    update = OperationUpdate(
        operation_id=ID, wait=7, polls=3, elapsed=40, result=LongRunningOperationResult(id=ID, status="Running")
    )
    [last] = drive_one.watch([reply("Completed")], after=update, clock=time.clock)
    assert (time.sleeps, last.polls, last.elapsed) == ([7], 4, 47)
    with pytest.raises(OperationTimeout, match="timed out after 40 s, last seen as Running") as caught:
        drive_one.wait([], registered(**{"retry-after": "1"}), after=update, timeout=47, clock=time.clock)
    assert (time.sleeps, caught.value.polls, caught.value.last) == ([7], 3, update.result)


def test_a_wait_can_go_on_past_its_deadline_only_to_say_so(drive_one: Driver, time: VirtualClock) -> None:
    with pytest.raises(OperationTimeout, match="timed out after 90 s"):
        drive_one.wait([], after=OperationUpdate(operation_id=ID, elapsed=90), timeout=60, clock=time.clock)


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("interval", -1, ValueError),
        ("interval", float("nan"), ValueError),
        ("interval", float("inf"), ValueError),
        ("interval", "5", TypeError),
        ("interval", True, TypeError),
        ("growth", 0.9, ValueError),
        ("jitter", 1.1, ValueError),
        ("jitter", -0.1, ValueError),
        ("retries", -1, ValueError),
        ("retries", 1.5, TypeError),
        ("succeeded", 3, TypeError),
        ("succeeded", [3], TypeError),
        ("backoff", -1, ValueError),
        ("timeout", 0, ValueError),
        ("max_interval", -1, ValueError),
        ("max_backoff", None, TypeError),
        ("min_interval", -1, ValueError),
        ("succeeded", {"Failed"}, ValueError),
        ("succeeded", {" FAILED "}, ValueError),
        ("in_progress", {"Completed"}, ValueError),
    ],
)
def test_a_policy_is_checked(field: str, value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        PollingPolicy(**{field: value})


def test_a_policy_does_not_change() -> None:
    with pytest.raises(AttributeError):
        PollingPolicy().interval = 1  # type: ignore[misc]


def test_the_clock_sleeps_only_when_there_is_something_to_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    for seconds in (0, 2.5):
        Clock().sleep(seconds)
    assert slept == [2.5]


def test_values_show_what_differs_from_the_default() -> None:
    assert repr(PollingPolicy()) == "PollingPolicy()"
    assert repr(PollingPolicy(interval=7, timeout=None)) == "PollingPolicy(interval=7, timeout=None)"
    assert repr(Clock()) == "Clock()"
    result = LongRunningOperationResult(id=ID, status="Failed")
    for shown in (OperationUpdate(operation_id=ID, result=result), Outcome(ID, ID, result)):
        assert f"result={{'id': '{ID}', 'status': 'Failed'}}" in repr(shown)
    assert repr(OperationFailed(result)) == "OperationFailed('Failed: the service gave no reason')"


def test_the_default_timeout_shows_as_its_name() -> None:
    assert repr(DEFAULT) == "DEFAULT"
