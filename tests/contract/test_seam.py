"""The one underscore name that the overlay takes from the generated code: a generator that changes it fails here."""

import ast
import inspect
from pathlib import Path

import httpx
import pytest

from maps_data_registry_client.api.data_registry import get_operation
from maps_data_registry_contract import API_VERSION, GET_OPERATION

OVERLAY = Path(__file__).parents[2] / "overlays" / "maps_data_registry"
ID = "0522b4fe-0539-4c6c-ba70-e35ec865d8e2"


def test_the_request_half_takes_what_the_overlay_gives() -> None:
    signature = inspect.signature(get_operation._get_kwargs)
    required = [name for name, parameter in signature.parameters.items() if parameter.default is parameter.empty]
    assert required == ["operation_id"], "request.py gives the operation id and no more"


def test_the_request_half_gives_what_httpx_takes() -> None:
    request = httpx.Request(**get_operation._get_kwargs(ID))
    assert (request.method, request.url.path) == (GET_OPERATION.method, GET_OPERATION.path.format(operationId=ID))
    assert request.url.params["api-version"] == API_VERSION


@pytest.mark.parametrize("path", sorted(OVERLAY.rglob("*.py")), ids=lambda path: path.relative_to(OVERLAY).as_posix())
def test_no_other_private_name_is_used(path: Path) -> None:
    private = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("maps_data_registry_")
        for alias in node.names
        if alias.name.startswith("_")
    }
    assert private == ({"_get_kwargs"} if path == OVERLAY / "polling" / "request.py" else set())
