"""The pytest plugin as its users get it: by the entry point, in a pytest of their own, under xdist."""

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import sys
import pytest
from maps_data_registry import SubscriptionKey, connect, wait_for_operation

EARLY = {"pydantic", "starlette", "uvicorn"} & sys.modules.keys()

def test_nothing_of_the_extra_is_imported_early():
    assert not EARLY

@pytest.mark.parametrize("number", range(4))
def test_own_namespace(data_registry_emulator, number):
    operation = data_registry_emulator.start_operation("completes retry_after=10")
    with connect(base_url=data_registry_emulator.url, credential=SubscriptionKey("any-key")) as client:
        wait_for_operation(client, operation, clock=data_registry_emulator.clock)
    assert len(data_registry_emulator.journal()) == 3

@pytest.mark.data_registry_emulator(scenario="fails", virtual_time=True)
def test_marker(data_registry_emulator):
    assert data_registry_emulator.start_operation().scenario.name == "fails"
    data_registry_emulator.advance(5)
    assert data_registry_emulator.now() == 5

@pytest.mark.xfail(raises=TypeError, strict=True)
@pytest.mark.data_registry_emulator("fails")
def test_marker_without_names(data_registry_emulator):
    pass
"""


@pytest.mark.slow
def test_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    options = ["-q", "-n2", "--strict-markers", "-Werror", "-pno:cacheprovider", "-pno:schemathesis", "-pno:anyio"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "6 passed, 1 xfailed" in done.stdout, done.stdout + done.stderr
