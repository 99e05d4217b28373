"""Host names: looked up in daemon threads that nothing waits for, and tried as RFC 8305 has it."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from maps_data_registry import DataRegistryError
from maps_data_registry.wire.name_lookup import look_up
from tests.support import ID

from .conftest import Certificates
from .drivers import DRIVERS, ONCE, OTHER_LOOPS, Driver, client_at
from .server import GOOD, sends, serve

NAME = "maps.test"
ROOT = Path(__file__).parents[2]
Answer = list[tuple[Any, ...]]


def addresses(*hosts: str, port: int = 0) -> Answer:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a look-up of a name answers: its addresses, or an error to raise. All else is looked up as ever."""
    answers: dict[str, Any] = {}
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        found = answers.get(name)
        if isinstance(found, Exception):
            raise found
        return addresses(*found, port=port) if found else look_up(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


def test_the_addresses_of_a_name_are_tried_in_order(
    driver: Driver, certificates: Certificates, names: dict[str, Any]
) -> None:
    """Nothing listens at the first one."""
    with serve(sends(GOOD), tls=certificates.server) as wire:
        names[NAME] = ["127.0.0.2", "127.0.0.1"]
        url = f"https://{NAME}:{wire.port}"
        assert driver.wait(client_at(url, certificates.client), policy=ONCE).status == "Completed"
    assert wire.connections == 1


@contextlib.contextmanager
def silent(host: str, port: int) -> Iterator[None]:
    """An address where a connection is neither taken nor refused, as its queue is full."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems queue more, and have one loopback address")
def test_an_address_that_does_not_answer_costs_part_of_the_time_for_connecting(
    driver: Driver, certificates: Certificates, names: dict[str, Any]
) -> None:
    names[NAME] = ["127.0.0.2", "127.0.0.1"]
    with serve(sends(GOOD), tls=certificates.server) as wire, silent("127.0.0.2", wire.port):
        url = f"https://{NAME}:{wire.port}"
        client = client_at(url, certificates.client, timeout=httpx.Timeout(60, connect=2))
        assert driver.wait(client, policy=ONCE).status == "Completed"
    assert wire.connections == 1


def test_the_first_failure_is_told_if_none_answers(driver: Driver, names: dict[str, Any]) -> None:
    names[NAME] = ["127.0.0.2", "127.0.0.1"]
    failure = driver.failure(client_at(f"https://{NAME}:9"), policy=ONCE)
    assert "connection refused" in str(failure)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_is_none(driver: Driver, names: dict[str, Any], error: Exception) -> None:
    names[NAME] = error
    failure = driver.failure(client_at(f"https://{NAME}"), policy=ONCE)
    assert isinstance(failure, DataRegistryError)
    assert str(error.args[-1]) in str(failure)


def test_look_ups_of_a_name_at_the_same_time_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = threading.Event()

    def getaddrinfo(host: str, *_: Any, **__: Any) -> Answer:
        asked.append(host)
        answer.wait()
        return addresses("127.0.0.1")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    first, second, other = look_up(NAME, 1), look_up(NAME, 1), look_up(NAME, 2)
    assert not first.cancel()  # as a wait does whose time is up
    answer.set()
    assert first.result(10) == second.result(10) == other.result(10) == ["127.0.0.1"]
    assert asked == [NAME, NAME]
    assert look_up(NAME, 1).result(10) == ["127.0.0.1"]
    assert len(asked) == 3


SLOW = """
import asyncio, logging, socket, sys, time, warnings
warnings.simplefilter("error")
logging.disable()  # the warning of a first failure
from maps_data_registry import *
from tests.wire.drivers import Driver, client_at

def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    if flags & socket.AI_NUMERICHOST:  # which trio tries first
        raise socket.gaierror(socket.EAI_NONAME, "not an address")
    time.sleep(600)

socket.getaddrinfo = getaddrinfo
print(str(Driver(sys.argv[1]).failure(client_at("https://maps.test"), timeout=0.3)).partition(", ")[0])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [driver.name for driver in (*DRIVERS, *OTHER_LOOPS)])
def test_no_exit_waits_for_a_slow_look_up(name: str) -> None:
    """Neither that of the wait, nor of its event loop, nor of the process."""
    command = [sys.executable, "-c", SLOW, name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (f"operation {ID}: timed out after 0 s\n", "", 0)


def test_two_look_ups_of_one_name_that_began_together_both_end() -> None:
    from concurrent.futures import Future

    from maps_data_registry.wire import name_lookup

    for _ in range(2):
        future = Future[list[str]]()
        name_lookup._run(future, (0, "127.0.0.1", 80))
        assert future.result(0) == ["127.0.0.1"]
