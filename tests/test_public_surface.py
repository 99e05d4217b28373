import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import maps_data_registry
from maps_data_registry import connection
from maps_data_registry.auth.entra import SCOPE
from maps_data_registry.wire import origin


def test_all_is_sorted() -> None:
    assert maps_data_registry.__all__ == sorted(
        maps_data_registry.__all__, key=lambda n: (not n.isupper(), n.islower(), n)
    )


def test_there_is_nothing_else() -> None:
    assert dir(maps_data_registry) == sorted(maps_data_registry.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Polling'"):
        _ = maps_data_registry.Polling  # type: ignore[attr-defined] # not public: that is the point


@pytest.mark.parametrize("name", maps_data_registry.__all__)
def test_everything_public_is_documented(name: str) -> None:
    value = getattr(maps_data_registry, name)
    assert not callable(value) or value.__doc__


@pytest.mark.parametrize(
    "name", [name for name in maps_data_registry.__all__ if f"{name}_async" in maps_data_registry.__all__]
)
def test_twins_take_the_same_arguments(name: str) -> None:
    import inspect

    sync, twin = (inspect.signature(getattr(maps_data_registry, n)).parameters for n in (name, f"{name}_async"))
    assert list(sync) == list(twin)
    assert [p.default for p in sync.values()] == [p.default for p in twin.values()]


def test_what_the_contract_says_is_said_once_more_and_agrees() -> None:
    from .contract.test_spec import DOCUMENT

    server = DOCUMENT["servers"][0]
    assert list(origin.GEOGRAPHIES) == server["variables"]["geography"]["enum"]
    assert origin._HOST in server["url"]
    assert f"^{origin._GUID}$" == DOCUMENT["components"]["parameters"]["OperationId"]["schema"]["pattern"]
    assert SCOPE in DOCUMENT["components"]["securitySchemes"]["AADToken"]["flows"]["implicit"]["scopes"]


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


def test_the_import_is_light() -> None:
    """No extra, and nothing that only the async side needs, beyond what httpx loads itself."""
    loaded = modules_after("from maps_data_registry import *") - modules_after("import httpx")
    assert "maps_data_registry_client" in loaded
    heavy = {"pydantic", "typer", "rich", "starlette", "uvicorn", "aiohttp", "httpx_aiohttp", "azure", "airflow"}
    assert not heavy & {name.partition(".")[0] for name in loaded}
    assert "maps_data_registry_schemas" not in loaded


def test_the_import_waits_until_a_name_is_used() -> None:
    assert "httpx" not in modules_after("import maps_data_registry")


def test_the_version_is_one() -> None:
    assert connection._user_agent().startswith(f"maps-data-registry/{metadata.version('maps-data-registry')} ")


@pytest.mark.parametrize("package", ["maps_data_registry", "maps_data_registry_client", "maps_data_registry_schemas"])
def test_types_are_shipped(package: str) -> None:
    import importlib

    path = importlib.import_module(package).__file__
    assert path is not None
    assert (Path(path).parent / "py.typed").is_file()
