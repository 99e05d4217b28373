"""The command `maps-data-registry emulator`: what it prints, and what it says when something is wrong."""

import os
import re
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from attrs import frozen

from maps_data_registry.cli import main
from maps_data_registry.emulator import NAMES, OPTIONS, Emulator, Namespace
from maps_data_registry_contract import API_VERSION

from .conftest import KEY, request


@frozen
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["maps-data-registry", "emulator", *map(str, arguments)])
        code = main()
        return Done(code, *capfd.readouterr())

    return run


def served(run: Run, *options: object) -> Done:
    """What the running emulator has printed until Ctrl+C, after one bad request."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]

    def visit() -> None:
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:  # connecting, with a backoff
            client.get(f"http://127.0.0.1:{port}/nothing%1b")
        os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit)
    visitor.start()
    done = run("--port", port, *options)
    visitor.join()
    assert done.code == 0
    assert done.out == f"http://127.0.0.1:{port}\n"
    return done


def test_it_shows_how_to_start_an_operation_and_each_request(run: Run) -> None:
    done = served(run)
    _, start, curl, _, *requests = done.err.splitlines()
    assert [re.sub(r"^ *[\d.]+ s", "", line) for line in requests] == ["  GET    /nothing?  404 NotFound"]
    with Emulator() as emulator:
        here = [emulator.url if word.startswith("http") else word for word in shlex.split(start)]
        assert run(*here[2:]).out.startswith(emulator.url)
        words = shlex.split(curl)
        method, headers = words[words.index("-X") + 1], [words[at + 1] for at, word in enumerate(words) if word == "-H"]
        path = httpx.URL(words[-1]).raw_path.decode()
        reply = request(method, emulator.url + path, headers=dict(header.split(": ") for header in headers))
        assert reply.status_code == 201
        assert [str(operation.scenario) for operation in emulator.operations.values()] == ["fails polls=3"] * 2


def test_quiet(run: Run) -> None:
    assert served(run, "--quiet").err == ""


def test_start_prints_the_operation_location(run: Run, emulator: Namespace) -> None:
    cases: list[tuple[tuple[str, ...], str]] = [
        (("fails polls=3",), "fails polls=3"),
        (("fails", "polls=3"), "fails polls=3"),
        (("unknown-status", "value=on hold"), "unknown-status 'value=on hold'"),
        (('{"name": "fails"}',), "fails"),
    ]
    for words, scenario in cases:
        done = run("start", *words, "--url", emulator.url + "/")
        operation = list(emulator.operations.values())[-1]
        assert (done.code, done.out, done.err) == (0, f"{operation.location}\n", "")
        assert str(operation.scenario) == scenario


@pytest.mark.parametrize("arguments", [("--scenario", "?"), ("start", "?")])
def test_scenarios_and_options_are_listed(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.code == 0
    for name, line in (NAMES | OPTIONS).items():
        assert re.search(rf"^{name} +{re.escape(line)}$", done.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("nix", f"scenario: unknown scenario 'nix', choose from {', '.join(NAMES)}"),
        ("fails poll=1", f"poll: unknown option, choose from {', '.join(OPTIONS)}"),
        ("fails names=1", "names: unknown option, "),
        ("fails \x1b[2J=1", r"'\x1b[2J': unknown option, "),
        ("fails polls=é", "polls: "),
        ('"', "scenario: "),
    ],
)
def test_a_bad_scenario(run: Run, emulator: Namespace, scenario: str, message: str) -> None:
    for arguments in (("start", scenario, "--url", emulator.url), ("--scenario", scenario)):
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        [line] = done.err.splitlines()
        assert line.startswith(f"maps-data-registry: {message}")


@pytest.mark.parametrize("option", [("--port", "8000"), ("--scenario", "fails"), ("--quiet",)])
def test_start_says_which_options_it_does_not_take(run: Run, option: tuple[str, ...], emulator: Namespace) -> None:
    done = run(*option, "start", "fails", "--url", emulator.url)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"maps-data-registry: {option[0]} is for running an emulator: start does not take it\n"


def test_start_needs_the_url(run: Run) -> None:
    done = run("start", "fails")
    assert (done.code, done.out) == (2, "")
    assert done.err == "maps-data-registry: --url is missing: the URL of the emulator, as it prints it\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs /dev/full")
def test_the_disk_is_full(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        done = run()
    assert (done.code, done.err) == (2, "maps-data-registry: standard output: No space left on device\n")


def test_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("--port", port)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"maps-data-registry: --host 127.0.0.1, --port {port}: Address already in use\n"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://[::1", "", "https://localhost.invalid"])
def test_nothing_answers(run: Run, url: str) -> None:
    done = run("start", "fails", "--url", url)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(f"maps-data-registry: --url: no emulator answers at {re.escape(url)}: .+\n", done.err)


@pytest.mark.parametrize("body", [b"<h1>Bad gateway</h1>", b"[]", b'{"error": null}'])
def test_something_else_answers(run: Run, body: bytes) -> None:
    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        done = run("start", "fails", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"maps-data-registry: --url: no emulator answers at \S+, but HTTP 502\n", done.err)


def test_the_key_of_the_environment_is_not_sent(run: Run, emulator: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_MAPS_SUBSCRIPTION_KEY", KEY)
    emulator.credentials = {KEY}
    done = run("start", "fails", "--url", emulator.url)
    assert done.code == 2
    assert "not one of this account's" in done.err


def test_the_api_version_is_that_of_the_contract(run: Run, emulator: Namespace) -> None:
    run("start", "fails", "--url", emulator.url)
    assert [entry.api_version for entry in emulator.journal()] == [API_VERSION]


@pytest.mark.parametrize("port", ["70000", "-1", "http", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_port_that_is_none(run: Run, port: str) -> None:
    done = run(f"--port={port}")
    assert (done.code, done.out) == (2, "")
    assert "is not a port, which is a number from 0 to 65535" in " ".join(done.err.split())
