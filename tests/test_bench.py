import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SCRIPTS)
    return import_module("bench")


@pytest.fixture
def url(bench: Any) -> Iterator[str]:
    with bench.server() as url:
        yield url


@pytest.mark.parametrize(
    "case",
    [
        *("sync:http.client", "sync:httpx, prebuilt request", "sync:httpx, Client.get", "sync:generated function"),
        *("sync:azure-core", "sync:this package", "async:aiohttp", "async:httpx, own transport"),
        *("async:generated function", "async:azure-core, aiohttp", "many:this package", "many:azure-core, aiohttp"),
    ],
)
def test_every_peer_waits_to_the_end(url: str, case: str) -> None:
    argv = [sys.executable, str(SCRIPTS / "bench_peers.py"), case, url, "3", "2"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    figures = json.loads(done.stdout)
    assert figures["cpu"] > 0
    assert figures["wall"] > 0


def figures(**more: float) -> dict[str, float]:
    return {"cpu": 200, "wall": 300, "peak": 50, "p50": 1, "p99": 4, "early": 0, "per_operation": 700, **more}


def test_the_table(bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cases = {"sync": bench.SYNC, "async": bench.ASYNC, "many 1000": bench.MANY, "many 10000": bench.MANY}
    cases |= {"pending": bench.MANY, "fake": ("time", "memory"), "import": bench.IMPORTS}
    results: dict[str, Any] = {case: {peer: figures() for peer in peers} for case, peers in cases.items()}
    results |= {"machine": bench.machine(), "rounds": 5, "concurrency": 256}
    results["never"] = {"azure-core's poller": {"ended": False, "seconds": 20, "polls": 190}}
    results["command"] = {"--help": {"wall": 0.3}, "regeneration": {"wall": 8}}
    results["pending"][bench.OURS] = figures(p99=51)
    table = bench.render(results)
    assert "| 10,000 pending, p99 lateness in ms | 51.00 | <= 50 | **missed** |" in table
    assert "| KiB for a pending operation | 0.68 | <= 1 | met |" in table
    assert "not ended after 20 s and 190 polls" in table
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- bench -->\nold\n<!-- /bench -->\nb\n", encoding="utf-8")
    monkeypatch.setattr(bench, "README", readme)
    bench.write_readme(table)
    bench.write_readme(table)
    assert readme.read_text(encoding="utf-8") == f"a\n<!-- bench -->\n\n{table}\n\n<!-- /bench -->\nb\n"
