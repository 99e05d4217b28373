"""Each recipe of tests/examples, with the library that it is about, against the emulator."""

import asyncio
import contextlib
import importlib
import json
import logging
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import trustme

from maps_data_registry import OperationFailed, ServiceUnreachable, SubscriptionKey, connect
from maps_data_registry.emulator import Emulator
from tests.support import ID
from tests.wire.proxies import http_proxy
from tests.wire.server import sends, serve

from .examples import __file__ as examples

EXAMPLES = Path(examples).parent
AT_ONCE = "completes polls=1 retry_after=0"

pytestmark = pytest.mark.slow  # servers, other programs and real pauses


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


def recipe(name: str, monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> Any:
    """A recipe's module, whose client is that of the emulator."""
    module: ModuleType = importlib.import_module(f"tests.examples.{name}")
    monkeypatch.setattr(
        module, "connect", lambda _: connect(base_url=emulator.url, credential=SubscriptionKey("any-key"))
    )
    return module


def test_fastapi_service(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    import uvicorn

    module = recipe("fastapi_service", monkeypatch, emulator)
    going, bad = emulator.start_operation(AT_ONCE), emulator.start_operation("fails polls=1 retry_after=0")
    loop = "asyncio" if sys.platform == "win32" else "uvloop"
    server = uvicorn.Server(uvicorn.Config(module.app, loop=loop, log_level="critical"))

    async def visit(http: httpx.AsyncClient) -> None:
        assert (await http.post("/waits/no-id")).status_code == 422
        for operation, end in ((going, "Completed"), (bad, "InvalidData")):
            assert (await http.post(f"/waits/{operation.id}")).status_code == 202
            while (said := (await http.get(f"/waits/{operation.id}")).json()["ended"]) is None:
                pass
            assert end in said

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        serving = asyncio.create_task(server.serve([listener]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            await visit(http)
        server.should_exit = True
        await serving

    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(main())


def test_celery_task(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    module = recipe("celery_task", monkeypatch, emulator)
    module.app.conf.task_always_eager = True
    assert module.follow.delay(emulator.start_operation("completes polls=2").id).get() == "Completed"
    failed = module.follow.delay(emulator.start_operation("fails polls=0").id)
    with pytest.raises(OperationFailed, match="InvalidData"):
        failed.get()


def test_django_view(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    import django
    from django.conf import settings
    from django.test import AsyncRequestFactory

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])
        django.setup()
    module = recipe("django_view", monkeypatch, emulator)
    name = emulator.start_operation("completes polls=1 retry_after=4").id
    request = AsyncRequestFactory().get("/")
    first, second, unknown = (asyncio.run(module.operation(request, each)) for each in (name, name, "no-id"))
    assert (json.loads(first.content), first["Retry-After"]) == ({"status": "Running"}, "4")
    assert (json.loads(second.content), second.has_header("Retry-After")) == ({"status": "Completed"}, False)
    assert unknown.status_code == 502


def test_progress_bar(monkeypatch: pytest.MonkeyPatch, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    module = recipe("progress_bar", monkeypatch, emulator)
    operations = [emulator.start_operation(each) for each in (AT_ONCE, "fails polls=0", AT_ONCE)]
    [failed] = module.wait_with_a_bar(operations)
    assert failed.operation is operations[1]
    assert "100%" in capsys.readouterr().out


def test_retry_what_failed(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    module = recipe("retry_what_failed", monkeypatch, emulator)
    scenarios = [AT_ONCE, "fails polls=0", "reset-before-headers times=9 polls=0 retry_after=0"]
    operations = [emulator.start_operation(scenario) for scenario in scenarios]
    policy = module.PollingPolicy(backoff=0, min_interval=0)
    ended = module.wait_stubbornly(operations, policy=policy)
    assert {each.operation_id: type(each.error) for each in ended} == dict(
        zip([each.id for each in operations], [type(None), OperationFailed, type(None)], strict=True)
    )
    stubborn = emulator.start_operation("reset-before-headers times=99")
    [given_up] = module.wait_stubbornly([stubborn], rounds=2, policy=policy)
    assert isinstance(given_up.error, ServiceUnreachable)


def test_resume_from_table(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    module = recipe("resume_from_table", monkeypatch, emulator)
    names = [emulator.start_operation(each).id for each in (AT_ONCE, AT_ONCE, "fails polls=0")]
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table operations (id text primary key, ended text)")
        database.executemany("insert into operations values (?, ?)", zip(names, ["Completed", None, None], strict=True))
        assert [module.wait_for_the_rest(database) for _ in range(2)] == [2, 0]
        ends = dict(database.execute("select id, ended from operations"))
    assert [ends[name][:9] for name in names[:2]] == ["Completed"] * 2
    assert "InvalidData" in ends[names[2]]


def test_corporate_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from .examples import corporate_proxy

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("us.atlas.microsoft.com").configure_cert(tls)
    body = b'{"status": "Completed"}'
    answer = sends(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    with serve(answer, tls=tls) as service, http_proxy(service.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("AZURE_MAPS_SUBSCRIPTION_KEY", "any-key")
        found = corporate_proxy.wait_behind_the_proxy(ID, str(tmp_path / "authority.pem"))
    assert found == "Completed"
    assert proxy.requests[0].startswith(b"CONNECT us.atlas.microsoft.com:443")


def test_json_log(monkeypatch: pytest.MonkeyPatch, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    module = recipe("json_log", monkeypatch, emulator)
    operation = emulator.start_operation("unavailable polls=1 retry_after=0")
    with caplog.at_level(logging.INFO, "waits"):
        module.wait_and_log(operation)
    entries = [json.loads(record.message) for record in caplog.records if record.name == "waits"]
    assert [(each["status"], each["polls"]) for each in entries] == [(None, 1), ("Running", 2), ("Completed", 3)]
    assert "HTTP 503" in entries[0]["problem"]


def test_stop_from_outside(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    module = recipe("stop_from_outside", monkeypatch, emulator)
    operation = emulator.start_operation("never-ends retry_after=3000")
    stopper = threading.Timer(0.2, module.stop.set)
    stopper.start()
    try:
        with pytest.raises(module.Stopped):
            module.wait_until_stopped(operation)
    finally:
        stopper.join()
        module.stop.clear()


def test_from_azure_core(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    module = recipe("from_azure_core", monkeypatch, emulator)
    scenarios = (AT_ONCE, "fails polls=0", "never-ends retry_after=9")
    completed, failed, going = (emulator.start_operation(scenario) for scenario in scenarios)
    assert [module.result(each, 5) for each in (completed, failed, going)] == ["Completed", "InvalidData", None]
    assert [module.done(each) for each in (completed, failed, going)] == [True, True, False]


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, **environment}
    return subprocess.run([*map(str, command)], env=variables, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not (shutil.which("jq") and sys.platform != "win32"), reason="needs a POSIX shell and jq")
def test_nightly(emulator: Emulator, tmp_path: Path) -> None:
    batch = tmp_path / "batch.txt"
    options = {"AZURE_MAPS_SUBSCRIPTION_KEY": "any-key", "BASE_URL": emulator.url}
    for scenario, code, said in ((AT_ONCE, 0, ""), ("fails polls=0", 1, "To register again:"), ("forbidden", 3, "403")):
        name = emulator.start_operation(scenario).id
        batch.write_text(f"{name}\n", encoding="utf-8")
        done = run("sh", EXAMPLES / "nightly.sh", batch, **options)
        assert (done.returncode, said in done.stdout, bool(done.stdout)) == (code, True, code > 0), done
        assert (name in done.stdout) == (code > 0)


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
def test_emulator_from_node(emulator: Emulator) -> None:
    done = run("node", EXAMPLES / "emulator_from_node.mjs", emulator.url)
    assert done.stdout.split() == ["Running", "Running", "Completed"], done.stderr


def test_notebook(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    """In a kernel of Jupyter."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("AZURE_MAPS_SUBSCRIPTION_KEY", "any-key")
    monkeypatch.setenv("REGISTRY_URL", emulator.url)
    monkeypatch.setenv("OPERATIONS", " ".join(emulator.start_operation(AT_ONCE).id for _ in range(3)))
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=60).execute()
    shown = json.dumps(notebook.cells[0].outputs)
    assert "3/3" in shown
    assert "'status': 'Completed'" in shown
    assert "Unset" not in shown
