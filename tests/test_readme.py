"""README.md is run: each of its code blocks as it stands, in order, against the emulator."""

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import socket
import subprocess
import sys
import tokenize
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from maps_data_registry.emulator import Emulator
from maps_data_registry_contract import GEOGRAPHIES, SERVER_URL

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [code for language, code in BLOCKS if language == "sh"]
NAMED = re.findall(r'"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"', README)
RUNNABLE = [code for code in PYTHON if "airflow" not in code and "def test_" not in code]


def run(code: str, names: dict[str, Any]) -> None:
    """Run a block as a notebook does: `await` may stand at its top level."""
    compiled = compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, names))
    else:
        exec(compiled, names)


@pytest.fixture
def service() -> Iterator[respx.MockRouter]:
    """The emulator in the place of the service: what goes to a geography's host arrives there."""
    with Emulator(scenario="completes polls=1 retry_after=0") as emulator:
        router = respx.MockRouter(assert_all_called=False)
        for name in {*NAMED, "0522b4fe-0539-4c6c-ba70-e35ec865d8e2"}:
            emulator.start_operation(operation_id=name)

        def forward(request: httpx.Request) -> httpx.Response:
            url = f"{emulator.url}{request.url.raw_path.decode()}"
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as reply:
                return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.read())

        for geography in GEOGRAPHIES:
            router.route(host=httpx.URL(SERVER_URL.format(geography=geography)).host).mock(side_effect=forward)
        router.route(host="127.0.0.1").pass_through()
        yield router


@pytest.mark.slow
def test_the_python_runs_in_order(service: respx.MockRouter, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in RUNNABLE:
        with contextlib.nullcontext() if "respx" in code else service:  # one block mocks the service itself
            run(code, names)
    said = capsys.readouterr().out
    assert "InvalidData The data is not a valid GeoJSON." in said
    assert said.count(" done\n") == 2
    assert names["result"].status == "Completed"


@pytest.mark.slow
def test_the_tests_run(tmp_path: Path) -> None:
    codes = [code for code in PYTHON if "def test_" in code]
    assert codes
    for number, code in enumerate(codes):
        (tmp_path / f"test_{number}.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(codes)} passed" in done.stdout


@pytest.mark.slow  # polls with real pauses, in a shell
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_the_shell_runs(tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with socket.create_server(("127.0.0.1", 0)) as free:  # the README's own port may be in use
        port = str(free.getsockname()[1])
    blocks = (code for code in SHELL if code.startswith(("maps-data-registry", "export")))
    server, commands = (code.replace("8765", port) for code in blocks)
    with subprocess.Popen(["sh", "-c", f"exec {server}"], env=environ, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        try:
            assert emulator.stdout.readline().strip() == f"http://127.0.0.1:{port}"
            done = subprocess.run(
                ["sh", "-uc", commands], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
            )
        finally:
            emulator.terminate()
    *_, waited, status = done.stdout.splitlines()
    assert "Completed" in waited
    assert '"outcome": "completed"' in status
    assert (tmp_path / "done.jsonl").read_text(encoding="utf-8").count("\n") == 1


def test_what_it_installs_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        extra for found in re.findall(r"pip install (?:-e )?'[^'\[]*\[([^\]]+)\]", README) for extra in found.split(",")
    }
    assert extras <= project["optional-dependencies"].keys()
    assert {extra for extra in project["optional-dependencies"] if f"`{extra}`" not in README} == set()
    for script in re.findall(r"^(scripts/\w+) ", "".join(SHELL), re.MULTILINE):
        assert os.access(ROOT / script, os.X_OK)


def code_lines(path: Path) -> int:
    """The lines of a file that are neither blank nor comment nor docstring."""
    source = path.read_text(encoding="utf-8")
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in nothing]
    texts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    docstrings = {
        line
        for node in texts
        if isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return len({line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - docstrings)


def test_it_says_how_thin_it_is() -> None:
    said = re.search(
        r"core of `overlays/` has some ([\d,]+) lines.*?the extras have another ([\d,]+)", README, re.DOTALL
    )
    assert said
    package = ROOT / "overlays" / "maps_data_registry"
    counted = {True: 0, False: 0}
    for path in package.rglob("*.py"):
        counted[path.relative_to(package).parts[0] in {"cli", "emulator", "airflow"}] += code_lines(path)
    assert [round(counted[is_extra], -2) for is_extra in (False, True)] == [
        int(n.replace(",", "")) for n in said.groups()
    ]


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
