import os
import re
import signal
import sys
from collections.abc import Callable, Iterator

import pytest
from attrs import frozen

from maps_data_registry.cli import main
from maps_data_registry.emulator import Emulator, Namespace

from .terminal import KEY, Server


@frozen
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]

posix = pytest.mark.skipif(os.name != "posix", reason="signals, terminals and devices as POSIX has them")


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulator, request: pytest.FixtureRequest) -> Namespace:
    """A service of the test's own, on a real socket, whose operations end after one poll without a pause."""
    name = re.sub(r"\W+", "-", request.node.name)
    return running_emulator.namespace(name, scenario="completes polls=1 retry_after=0")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, and nothing else that would change what is shown."""
    monkeypatch.setenv("AZURE_MAPS_SUBSCRIPTION_KEY", KEY)
    for name in ("AZURE_MAPS_SAS_TOKEN", "AZURE_MAPS_CLIENT_ID", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """The command leaves Ctrl+C to the system when it was interrupted, as its process has ended then."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process."""

    def run(*arguments: object) -> Done:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        monkeypatch.setattr(sys, "argv", ["maps-data-registry", *map(str, arguments)])
        code = main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        return Done(code, out, err)

    return run
