"""What `maps_data_registry` offers, and that importing it costs little."""

import inspect
import json
import re
import socket
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import get_origin

import pytest

import maps_data_registry
from maps_data_registry import connection
from maps_data_registry.emulator import Namespace


def test_all_is_sorted() -> None:
    assert maps_data_registry.__all__ == sorted(
        maps_data_registry.__all__, key=lambda n: (not n.isupper(), n.islower(), n)
    )


def test_there_is_nothing_else() -> None:
    assert dir(maps_data_registry) == sorted(maps_data_registry.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Polling'"):
        _ = maps_data_registry.Polling  # type: ignore[attr-defined] # not public: that is the point


def test_the_version_is_that_of_the_distribution() -> None:
    version = metadata.version("maps-data-registry")
    assert maps_data_registry.__version__ == version
    assert connection._user_agent().startswith(f"maps-data-registry/{version} ")


@pytest.mark.parametrize("name", maps_data_registry.__all__)
def test_everything_public_is_documented(name: str) -> None:
    value = getattr(maps_data_registry, name)
    is_alias = get_origin(value) is not None  # of a union, whose text the code has
    assert is_alias or not callable(value) or value.__doc__


ANNOTATIONS = {"Operation", "Iterable[Operation] | AsyncIterable[Operation]", "Timeout", "Outcomes", "AsyncOutcomes"}


def test_help_shows_aliases_by_name() -> None:
    signatures = [inspect.signature(getattr(maps_data_registry, name)) for name in FUNCTIONS]
    shown = {found for each in signatures for found in (each.return_annotation, *_annotations(each))}
    assert {found for found in shown if isinstance(found, str)} == ANNOTATIONS
    assert all("timedelta" not in str(each) and "RegisterResponse" not in str(each) for each in signatures)


def _annotations(signature: inspect.Signature) -> list[object]:
    return [parameter.annotation for parameter in signature.parameters.values()]


FUNCTIONS = [name for name in maps_data_registry.__all__ if inspect.isfunction(getattr(maps_data_registry, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_argument_is_explained_and_no_signature_hides_one(name: str) -> None:
    function = getattr(maps_data_registry, name)
    parameters = inspect.signature(function).parameters.values()
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters)
    twin = getattr(maps_data_registry, name.removesuffix("_async"))
    documentation = f"{function.__doc__}{twin.__doc__ if name.startswith('get_') else ''}"
    assert [
        p.name for p in parameters if f"{p.name}:" not in documentation and f"*{p.name}*" not in documentation
    ] == []


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if f"{name}_async" in FUNCTIONS])
def test_twins_take_the_same_arguments(name: str) -> None:
    sync, twin = (inspect.signature(getattr(maps_data_registry, n)).parameters for n in (name, f"{name}_async"))
    assert list(sync) == list(twin)
    assert [p.default for p in sync.values()] == [p.default for p in twin.values()]


@pytest.mark.parametrize("name", ["PollingPolicy", "OperationUpdate", "Outcome", "Clock"])
def test_each_field_is_explained(name: str) -> None:
    value = getattr(maps_data_registry, name)
    explained = inspect.getdoc(value) or ""
    fields = [field for field in inspect.signature(value).parameters if f"    {field}: " not in explained]
    assert fields == []


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


def test_the_import_is_light() -> None:
    """No extra, and nothing that only the async side needs, beyond what httpx loads itself."""
    loaded = modules_after("from maps_data_registry import *") - modules_after("import httpx")
    assert "maps_data_registry_client" in loaded
    heavy = {"pydantic", "typer", "rich", "starlette", "uvicorn", "azure", "airflow", "trio", "httpcore"}
    assert not heavy & {name.partition(".")[0] for name in loaded}
    assert "maps_data_registry_schemas" not in loaded


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import maps_data_registry", {"httpx", "attrs"}),
        (
            "from maps_data_registry import connect, wait_for_operation",
            {"anyio", "asyncio", "maps_data_registry.auth.entra"},
        ),
    ],
)
def test_a_name_loads_what_it_needs_and_no_more(statement: str, absent: set[str]) -> None:
    assert not absent & modules_after(statement)


def test_a_whole_sync_wait_does_without_an_event_loop(data_registry_emulator: Namespace) -> None:
    operation = data_registry_emulator.start_operation("completes polls=0")
    wait = f"""
import sys
sys.modules["trio"] = None  # which httpcore loads where it is installed
from maps_data_registry import SubscriptionKey, connect, wait_for_operation
with connect(base_url={data_registry_emulator.url!r}, credential=SubscriptionKey("any-key")) as client:
    assert wait_for_operation(client, {operation.id!r}).status == "Completed"
"""
    assert "asyncio" not in modules_after(wait)


@pytest.mark.parametrize(
    "package",
    [
        "maps_data_registry",
        "maps_data_registry_client",
        "maps_data_registry_contract",
        "maps_data_registry_schemas",
    ],
)
def test_types_are_shipped(package: str) -> None:
    path = import_module(package).__file__
    assert path is not None
    assert (Path(path).parent / "py.typed").is_file()


def test_a_service_out_of_reach_is_seen_without_configuration() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code = f"""
from maps_data_registry import *
policy = PollingPolicy(retries=2, backoff=0, min_interval=0)
with connect(base_url="http://127.0.0.1:{port}", credential=SubscriptionKey("any-key")) as client:
    try:
        wait_for_operation(client, "0522b4fe-0539-4c6c-ba70-e35ec865d8e2", policy=policy)
    except ServiceUnreachable:
        pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    [warning] = done.stderr.splitlines()
    assert re.fullmatch(r"operation 0522b4fe\S+: no reply .*refused.*; retry 1 of 2 in 0\.0 s", warning)
