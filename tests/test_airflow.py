"""The Airflow operator, its trigger and its connection. Runs where Airflow is: `scripts/airflow-demo --tests`."""

import asyncio
import importlib
import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from maps_data_registry import DataRegistryError, InvalidOperation, OperationTimeout, ServiceError, connect
from maps_data_registry.auth.entra import EntraToken
from maps_data_registry.auth.keys import SasToken, SubscriptionKey
from maps_data_registry.emulator import Emulator

pytest.importorskip("airflow.sdk")

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, TaskDeferred
from airflow.sdk.serde import deserialize, serialize

from maps_data_registry.airflow import (
    DataRegistryHook,
    DataRegistryOperationTrigger,
    WaitForDataRegistryOperation,
    hook,
)
from maps_data_registry.airflow.operator import GRACE

from .support import ID, KEY

CONN_ID = "maps"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
TREE = {"code": "InvalidData", "message": "Not GeoJSON.", "details": [{"code": "Ring", "message": "Not closed."}]}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(credentials=[KEY]) as emulator:
        set_connection(monkeypatch, host=emulator.url, password=KEY)
        yield emulator


def set_connection(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    connection = {"conn_type": "maps_data_registry", **fields}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))


def wait_for(operation: str, **options: Any) -> WaitForDataRegistryOperation:
    options = {"task_id": "wait", "deferrable": True, **options}
    return WaitForDataRegistryOperation(data_registry_conn_id=CONN_ID, operation=operation, **options)


def defer(operator: WaitForDataRegistryOperation) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        operator.execute({})
    return caught.value


def restored(trigger: DataRegistryOperationTrigger, **changes: Any) -> DataRegistryOperationTrigger:
    """The trigger as another triggerer makes it, out of what Airflow keeps."""
    path, fields = trigger.serialize()
    assert path == "maps_data_registry.airflow.DataRegistryOperationTrigger"
    kept = json.dumps(serialize(fields))
    assert KEY not in kept
    made: Any = deserialize(json.loads(kept))
    return DataRegistryOperationTrigger(**made | changes)


def fire(trigger: DataRegistryOperationTrigger) -> dict[str, Any]:
    async def events() -> list[Any]:
        return [event async for event in trigger.run()]

    [event] = asyncio.run(events())
    assert KEY not in repr(event)
    assert json.loads(json.dumps(event.payload)) == event.payload
    assert not hook._clients  # the last one out closed the client
    payload: dict[str, Any] = event.payload
    return payload


def resume(operator: WaitForDataRegistryOperation, deferred: TaskDeferred, context: Any = None) -> dict[str, Any]:
    """What the triggerer and then the worker do with a deferred task."""
    result: dict[str, Any] = getattr(operator, deferred.method_name)(context, fire(restored(deferred.trigger)))
    return result


@pytest.mark.parametrize("as_url", [False, True], ids=["id", "Operation-Location"])
def test_defers_and_completes(emulator: Emulator, as_url: bool) -> None:
    operation = emulator.start_operation("completes polls=3 retry_after=0")
    operator = wait_for(operation.location if as_url else operation.id)
    deferred = defer(operator)
    assert operation.polls == 1
    event = fire(restored(deferred.trigger))
    assert (event["status"], event["polls"], event["problem"]) == ("Completed", 4, None)
    assert getattr(operator, deferred.method_name)({}, event) == {"id": operation.id, "status": "Completed"}


@pytest.mark.parametrize("deferrable", [True, False])
def test_what_has_ended_needs_no_trigger(emulator: Emulator, deferrable: bool) -> None:
    operation = emulator.start_operation("completes polls=0")
    assert wait_for(operation.id, deferrable=deferrable).execute({})["status"] == "Completed"


def test_waits_in_the_worker(emulator: Emulator) -> None:
    operation = emulator.start_operation("completes polls=3 retry_after=0")
    assert wait_for(operation.id, deferrable=False).execute({}) == {"id": operation.id, "status": "Completed"}
    assert operation.polls == 4


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_failure_fails_the_task_for_good(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], deferrable: bool
) -> None:
    operation = emulator.start_operation(json.dumps({"name": "fails", "polls": 1, "retry_after": 0, "error": TREE}))
    operator = wait_for(operation.id, deferrable=deferrable)
    end = operator.execute if not deferrable else partial(resume, operator, defer(operator))
    with pytest.raises(AirflowFailException, match=f"{operation.id}: Failed: InvalidData: Not GeoJSON"):
        end({})
    assert "Ring: Not closed." in capsys.readouterr().out


def test_other_ends_of_a_wait_are_told_whole(emulator: Emulator) -> None:
    operation = emulator.start_operation("forbidden times=9 retry_after=0")
    with pytest.raises(ServiceError, match="HTTP 403"):
        defer(wait_for(operation.id))
    operator = wait_for(emulator.start_operation("completes polls=9 retry_after=0").id)
    trigger = defer(operator).trigger
    event = fire(restored(trigger, operation_id=operation.id))
    with pytest.raises(DataRegistryError) as caught:
        operator.execute_complete({}, event)
    assert str(caught.value).startswith(f"operation {operation.id}: HTTP 403 Forbidden")
    assert "check that the credential" in str(caught.value)
    assert caught.value.polls == 2
    with pytest.raises(InvalidOperation):
        wait_for("not-an-id").execute({})


def test_the_deadline_is_on_the_wall_clock(emulator: Emulator) -> None:
    operation = emulator.start_operation("never-ends retry_after=5")
    before = time.time()
    deferred = defer(wait_for(operation.id, timeout=timedelta(seconds=100)))
    trigger = deferred.trigger
    assert deferred.timeout == timedelta(seconds=100 + GRACE)
    assert before + 100 <= trigger.deadline <= time.time() + 100
    assert before + 5 <= trigger.due <= time.time() + 5 * 1.1
    event = fire(restored(trigger, started=before - 200, due=before - 150, deadline=before - 100))
    assert event["problem"][0] == "timed out after 200 s, last seen as Running"
    assert operation.polls == 1
    with pytest.raises(DataRegistryError, match="timed out after 200 s"):
        wait_for(operation.id).execute_complete({}, event)
    with pytest.raises(OperationTimeout):
        wait_for(operation.id, timeout=0.5, deferrable=False).execute({})


@pytest.mark.parametrize(("scenario", "pause"), [("throttled", 60), ("reset-before-headers", 60), ("completes", 7)])
def test_a_pause_that_holds_for_a_restart(emulator: Emulator, scenario: str, pause: float) -> None:
    trigger = defer(wait_for(emulator.start_operation(f"{scenario} retry_after=7").id)).trigger
    assert pause <= trigger.due - trigger.started < pause * 1.2


def test_no_limit(emulator: Emulator) -> None:
    deferred = defer(wait_for(emulator.start_operation("completes polls=1 retry_after=0").id, timeout=None))
    assert (deferred.timeout, deferred.trigger.deadline) == (None, None)
    assert fire(restored(deferred.trigger))["status"] == "Completed"


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        (102.0, 8.0),  # the first time: what is left
        (110.0, 0.0),
        (110.5, 10.0),  # perhaps asked at 110 by one that died since
        (500.0, 10.0),
    ],
)
def test_a_restart_asks_nothing_early(now: float, wait: float) -> None:
    trigger = DataRegistryOperationTrigger(
        operation_id=ID,
        endpoint="https://maps.test",
        conn_id=CONN_ID,
        policy={},
        started=100.0,
        due=110.0,
        deadline=None,
        result=None,
    )
    update = trigger._so_far(now)
    assert (update.wait, update.elapsed, update.polls, update.result) == (wait, now - 100, 1, None)


def test_triggers_share_one_client_and_a_cancelled_one_leaves_it(emulator: Emulator) -> None:
    ended = [emulator.start_operation("completes polls=2 retry_after=0").id for _ in range(20)]
    going = emulator.start_operation("never-ends retry_after=900").id
    triggers = [restored(defer(wait_for(operation)).trigger) for operation in [going, *ended]]

    async def main() -> None:
        tasks = [asyncio.ensure_future(anext(aiter(trigger.run()))) for trigger in triggers]
        for event in await asyncio.gather(*tasks[1:]):
            assert event.payload["status"] == "Completed"
        [shared] = hook._clients.values()
        assert shared.users == 1
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert not hook._clients
        assert shared.client.get_async_httpx_client().is_closed

    asyncio.run(main())


def test_a_changed_host_does_not_move_a_wait(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = defer(wait_for(emulator.start_operation("completes polls=1 retry_after=0").id)).trigger
    set_connection(monkeypatch, host="eu", password=KEY)
    assert fire(restored(trigger))["status"] == "Completed"


def test_a_wrong_secret_is_an_end_too(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = defer(wait_for(emulator.start_operation("completes polls=1 retry_after=0").id)).trigger
    set_connection(monkeypatch, host=emulator.url, password=f" {KEY}")
    event = fire(restored(trigger))
    assert (event["result"]["status"], event["polls"]) == ("Running", 1)
    assert "white space" in event["problem"][0]


@pytest.mark.parametrize(
    ("passwords", "problem", "polls"),
    [
        (["old", KEY], "none", 6),
        (["old", "old"], "HTTP 401 Unauthorized", 2),
        (["old", "older"], "HTTP 401 Unauthorized", 3),
        (["old", None], "the connection cannot be read", 2),
        ([None], "the connection cannot be read", 1),
    ],
    ids=["rotated", "unchanged", "changed to another that is refused", "deleted later", "deleted"],
)
def test_a_401_reads_the_connection_again_once(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, passwords: list[str | None], problem: str, polls: int
) -> None:
    operation = emulator.start_operation("completes polls=4 retry_after=0")
    trigger = restored(defer(wait_for(operation.id, policy={"min_interval": 0})).trigger)
    left = read_in_turn(monkeypatch, passwords)
    event = fire(trigger)
    assert left == []
    assert (event["problem"] or ["none"])[0].startswith(problem)
    assert (event["status"], event["polls"]) == ("Completed" if problem == "none" else "Running", polls)


def test_each_rotation_is_followed(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    operation = emulator.start_operation("completes polls=3 retry_after=0")
    trigger = restored(defer(wait_for(operation.id, policy={"min_interval": 0})).trigger)
    keys = [f"{KEY}-{number}" for number in range(4)]
    left = read_in_turn(monkeypatch, list(keys))
    emulator.credentials = emulator_keys = [keys[0]]

    def rotate(line: str, *_: object) -> None:
        emulator_keys[:] = [keys[min(operation.polls - 1, 3)]]

    monkeypatch.setattr(DataRegistryOperationTrigger, "log", type("Log", (), {"info": staticmethod(rotate)})())
    event = fire(trigger)
    assert (event["status"], event["polls"], left) == ("Completed", 6, [keys[3]])


def test_a_403_reads_nothing_again(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = defer(wait_for(emulator.start_operation("completes polls=1 retry_after=0").id)).trigger
    forbidden = emulator.start_operation("forbidden retry_after=0").id
    left = read_in_turn(monkeypatch, [KEY, "new"])
    event = fire(restored(trigger, operation_id=forbidden))
    assert event["problem"][0].startswith("HTTP 403")
    assert left == ["new"]


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("scenario", "next_step"),
    [
        ("never-ends retry_after=900", "to resume: clear the task"),
        ("reset-before-headers times=99", "to resume: clear the task"),
        ("forbidden times=99", "then correct the connection and clear the task"),
        ("unknown-ending value=Purged polls=0", "can be added to the operator's policy, as succeeded or failed"),
        ("early-404 times=99", "connected to the geography that the data was registered in"),
    ],
)
def test_the_next_step_is_one_of_airflow(emulator: Emulator, scenario: str, next_step: str, deferrable: bool) -> None:
    policy = {"retries": 0, "max_interval": 0}
    operation = emulator.start_operation(scenario)
    operator = wait_for(operation.id, policy=policy, deferrable=deferrable, timeout=60)
    end = partial(operator.execute, {})
    if deferrable:
        trigger = defer(wait_for(emulator.start_operation("completes polls=1 retry_after=0").id, policy=policy)).trigger
        trigger.operation_id, trigger.deadline = operation.id, time.time() + 60
        end = partial(operator.execute_complete, {}, fire(restored(trigger)))
    with pytest.raises(DataRegistryError) as caught:
        end()
    assert str(caught.value).endswith(next_step)


def test_airflows_configuration_says_where_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for configured in (True, False):
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(configured))
        for name in [name for name in sys.modules if f"{name}.".startswith("maps_data_registry.airflow.")]:
            monkeypatch.delitem(sys.modules, name)
        fresh = importlib.import_module("maps_data_registry.airflow").WaitForDataRegistryOperation
        assert fresh(task_id="wait", operation=ID).deferrable is configured


@pytest.mark.parametrize(
    ("timeout", "execution_timeout", "limit"),
    [(100, None, 100 + GRACE), (100, 30, 30), (100, 900, 100 + GRACE), (None, 30, 30), (None, None, None)],
)
def test_execution_timeout_limits_a_deferred_wait(
    emulator: Emulator, timeout: float | None, execution_timeout: float | None, limit: float | None
) -> None:
    own = None if execution_timeout is None else timedelta(seconds=execution_timeout)
    operation = emulator.start_operation("never-ends retry_after=5")
    deferred = defer(wait_for(operation.id, timeout=timeout, execution_timeout=own))
    assert deferred.timeout == (None if limit is None else timedelta(seconds=limit))


def test_the_tasks_page_links_to_the_operation(emulator: Emulator) -> None:
    operation = emulator.start_operation("completes polls=1 retry_after=0")
    operator = wait_for(operation.id)
    [link] = operator.operator_extra_links
    assert link.get_link(operator, ti_key=None) == ""
    deferred = defer(operator)
    url = link.get_link(operator, ti_key=None)
    assert url.startswith(f"{operation.location}?api-version=")
    with DataRegistryHook(CONN_ID).get_conn() as client:
        assert client.get_httpx_client().get(url).json()["id"] == operation.id
    worker = wait_for(operation.id)
    resume(worker, deferred)
    assert link.get_link(worker, ti_key=None) == url


def test_what_an_older_version_deferred_runs(emulator: Emulator) -> None:
    operation = emulator.start_operation("completes polls=1 retry_after=0")
    now = time.time()
    fields: dict[str, Any] = {
        "operation_id": operation.id,
        "endpoint": emulator.url,
        "conn_id": CONN_ID,
        "policy": {"interval": 30},
        "started": now - 10,
        "due": now,
        "deadline": now + 100,
        "result": {"id": operation.id, "status": "Running"},
    }  # before there was a version in them
    event = fire(DataRegistryOperationTrigger(**fields))
    assert (event["status"], event["problem"]) == ("Completed", None)
    del event["url"]  # as the events of then
    assert wait_for(operation.id).execute_complete({}, event)["status"] == "Completed"


@pytest.mark.parametrize(
    ("fields", "works", "sentence"),
    [
        ({"password": KEY}, True, "HTTP 404 NotFound, so the credential is accepted. Nothing was created."),
        ({"password": "old"}, False, "HTTP 401 Unauthorized"),
        ({"password": ""}, False, "Nothing was sent: the subscription key is empty"),
        ({"password": KEY, "host": "mars"}, False, "Nothing was sent: "),
    ],
)
def test_the_button_that_tests_a_connection(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], works: bool, sentence: str
) -> None:
    set_connection(monkeypatch, **{"host": emulator.url, **fields})
    told = DataRegistryHook(CONN_ID).test_connection()
    assert told[0] is works
    assert sentence in told[1]
    assert {entry.method for entry in emulator.journal()} <= {"GET"}
    assert not emulator.operations


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (httpx.Response(404, text="<h1>Not Found</h1>"), "of maps.test: HTTP 404"),
        (httpx.Response(403, json={"error": {"code": "Forbidden"}}), "of maps.test: HTTP 403 Forbidden"),
        (httpx.Response(200, json={"status": "Completed"}), "of maps.test: it was found, so this is not Azure Maps."),
    ],
)
def test_other_answers_to_a_test(monkeypatch: pytest.MonkeyPatch, reply: httpx.Response, sentence: str) -> None:
    monkeypatch.setattr(hook, "connect", partial(connect, transport=httpx.MockTransport(lambda request: reply)))
    set_connection(monkeypatch, host="https://maps.test", password=KEY)
    works, told = DataRegistryHook(CONN_ID).test_connection()
    assert not works
    assert told.endswith(sentence)


def read_in_turn(monkeypatch: pytest.MonkeyPatch, passwords: list[str | None]) -> list[str | None]:
    """Let each reading of the connection find the next password, or no connection."""

    async def read(conn_id: str) -> Connection:
        if (password := passwords.pop(0)) is None:
            raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")
        return Connection(conn_id=conn_id, conn_type="maps_data_registry", password=password)

    monkeypatch.setattr(DataRegistryHook, "aget_connection", read)
    return passwords


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"password": KEY}, SubscriptionKey),
        ({"password": KEY, "extra": {"credential": "subscription_key"}}, SubscriptionKey),
        ({"password": KEY, "extra": {"credential": None}}, SubscriptionKey),
        ({"password": KEY, "extra": {"credential": "sas_token"}}, SasToken),
        ({"extra": {"credential": "entra", "account_client_id": ID}}, EntraToken),
        (
            {
                "login": ID,
                "password": KEY,
                "extra": {"credential": "entra", "account_client_id": ID, "tenant_id": TENANT},
            },
            EntraToken,
        ),
    ],
)
@pytest.mark.parametrize(
    ("host", "url"), [("eu", "https://eu.atlas.microsoft.com"), ("https://maps.test/x", "https://maps.test/x/")]
)
def test_the_connection(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], kind: type, host: str, url: str
) -> None:
    set_connection(monkeypatch, host=host, **fields)
    with DataRegistryHook(CONN_ID).get_conn() as client:
        assert isinstance(client.get_httpx_client().auth, kind)
        assert str(client.get_httpx_client().base_url).removesuffix("/") == url.removesuffix("/")
        assert KEY not in repr(client)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"host": "us"}, "key is empty"),
        ({"host": "us", "password": f"{KEY}\n"}, "white space"),
        ({"password": KEY}, "base_url"),
        ({"host": "mars", "password": KEY}, "base_url"),
        ({"host": "http://maps.test", "password": KEY}, "https"),
        ({"host": "us", "password": KEY, "extra": {"credential": "magic"}}, "subscription_key, sas_token or entra"),
        ({"host": "us", "extra": {"credential": "entra"}}, "account_client_id"),
        (
            {"host": "us", "login": ID, "password": KEY, "extra": {"credential": "entra", "account_client_id": ID}},
            "tenant_id",
        ),
    ],
)
def test_a_connection_that_cannot_be_right(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], problem: str
) -> None:
    set_connection(monkeypatch, **fields)
    with pytest.raises(ValueError, match=problem) as caught:
        DataRegistryHook(CONN_ID).get_conn()
    assert KEY not in str(caught.value)


def test_entra_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    set_connection(monkeypatch, host="us", extra={"credential": "entra", "account_client_id": ID})
    with pytest.raises(ImportError, match=r"maps-data-registry\[airflow,entra\]"):
        DataRegistryHook(CONN_ID).get_conn()


def test_a_policy_is_checked_when_the_dag_is_read(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="interval"):
        wait_for(ID, policy={"interval": -1})


@pytest.mark.parametrize("status", ["Cancelled", "CANCELLED"])
def test_a_status_of_failure_is_one_in_any_case(emulator: Emulator, status: str) -> None:
    operation = emulator.start_operation(f"unknown-ending value={status} polls=1 retry_after=0")
    operator = wait_for(operation.id, policy={"failed": ["Failed", "Cancelled"]})
    with pytest.raises(AirflowFailException, match=status):
        operator.execute_complete({}, fire(restored(defer(operator).trigger)))


def test_provider_metadata() -> None:
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    manager = ProvidersManager()
    assert "maps-data-registry" in manager.providers
    hook = ProvidersManagerTaskRuntime().hooks["maps_data_registry"]
    assert hook is not None
    assert (hook.hook_class_name, hook.connection_id_attribute_name) == (
        "maps_data_registry.airflow.DataRegistryHook",
        "data_registry_conn_id",
    )
    assert "extra__maps_data_registry__credential" in manager.connection_form_widgets
    assert "password" in manager.field_behaviours["maps_data_registry"]["relabeling"]


@pytest.mark.parametrize(
    ("absent", "message"),
    [("airflow.sdk", r"pip install 'maps-data-registry\[airflow\]'"), ("attrs", "attrs")],
    ids=["the extra", "a fault"],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, absent: str, message: str) -> None:
    for name in [name for name in sys.modules if f"{name}.".startswith("maps_data_registry.airflow.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)
    fresh = importlib.import_module("maps_data_registry.airflow")
    with pytest.raises(ImportError, match=message):
        _ = fresh.DataRegistryHook


def test_readmes_dag_runs_as_it_stands() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    [code] = [
        code for code in re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL) if "@dag" in code
    ]
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    dag = names["nightly"]()
    assert set(dag.task_ids) == {"register", "wait"}
