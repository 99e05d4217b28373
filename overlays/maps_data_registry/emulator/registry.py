"""Behaviour: what each operation of the service does. The data itself is not kept, only what was said of it."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import JSONResponse, Response

from maps_data_registry_contract import GET_OPERATION
from maps_data_registry_schemas import LongRunningOperationStatus, MapsErrorDetail

from .checks import Call, invalid
from .limits import Refusal
from .operation import Registration
from .start import REGISTRATION, SCENARIO_HEADER

Handler = Callable[[Call], Response]


class AzureBlob(BaseModel):
    """Where the data is. The emulator does not look."""

    model_config = ConfigDict(alias_generator=to_camel)

    data_format: Literal["geojson", "zip"]
    linked_resource: str
    blob_url: str
    msi_client_id: str = ""


class DataRegistry(BaseModel):
    """The body of a register or replace request. Every member may be left out; `scenario` is the emulator's own."""

    model_config = ConfigDict(alias_generator=to_camel)

    kind: Literal["AzureBlob"] = "AzureBlob"
    description: str = Field("", max_length=1024)
    azure_blob: AzureBlob | None = None
    scenario: str | dict[str, Any] | None = Field(None, exclude=True)


def get_operation(call: Call) -> Response:
    """Answer a poll as the operation's scenario has it."""
    operation = call.namespace.operations.get(call.guid("operationId").lower())
    if operation is None:
        raise missing("The operation does not exist in this geography, or is no longer kept.")
    return operation.answer(call.entry, call.namespace.date())


def register_or_replace(call: Call) -> Response:
    """Start an operation, with the scenario of the header `x-emulator-scenario` or of the body's `scenario`."""
    udid = call.guid("udid")
    try:
        body = DataRegistry.model_validate_json(call.body or b"{}")
    except ValidationError as problem:
        error = problem.errors()[0]
        raise invalid(".".join(map(str, error["loc"])) or "body", "InvalidFormat", error["msg"]) from None
    headers = call.request.headers
    try:
        operation = call.namespace.start_operation(
            headers.get(SCENARIO_HEADER) or body.scenario,
            operation_id=headers.get("operation-id"),
            origin=str(call.request.base_url),
        )
    except ValueError as problem:
        raise invalid("scenario", "InvalidScenario", str(problem)) from None
    status = 200 if udid.lower() in call.namespace.registrations else 201
    given = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    made = call.namespace.registrations[udid.lower()] = Registration(udid, given, operation)
    call.entry.operation_id, call.entry.outcome = operation.id, operation.outcome
    location = {"Operation-Id": operation.id, "Operation-Location": operation.location}
    return JSONResponse(shown(made), status, location)


def get_data_registry(call: Call) -> Response:
    """Show one registration."""
    call.entry.outcome = "Shown"
    return JSONResponse(shown(registration(call)))


def list_data_registries(call: Call) -> Response:
    """Show all registrations on one page, in the order in which they were first made."""
    call.entry.outcome = "Listed"
    return JSONResponse({"value": [shown(one) for one in call.namespace.registrations.values()]})


def unregister(call: Call) -> Response:
    """Forget one registration. Its operation keeps running."""
    call.entry.outcome = "Unregistered"
    del call.namespace.registrations[registration(call).udid.lower()]
    return Response(status_code=204)


def registration(call: Call) -> Registration:
    """The registration that the path names. Raises Refusal if there is none."""
    found = call.namespace.registrations.get(call.guid("udid").lower())
    if found is None:
        raise missing("No data is registered under this udid.")
    return found


def shown(registration: Registration) -> dict[str, Any]:
    """A registration as the service shows it: what was given, and how its operation stands."""
    result = registration.operation.result
    state = (
        {"status": LongRunningOperationStatus.RUNNING}
        if result is None
        else result.model_dump(mode="json", exclude={"id"}, exclude_unset=True)
    )
    return {"udid": registration.udid, "kind": "AzureBlob", **registration.data, **state}


def missing(message: str) -> Refusal:
    """A 404."""
    return Refusal(404, MapsErrorDetail(code="NotFound", message=message))


def unimplemented(operation_id: str) -> Handler:
    """A handler that answers 501, for an operation of the contract that the emulator does not implement."""

    def handler(call: Call) -> Response:
        message = f"The emulator has no behaviour for the operation {operation_id}."
        raise Refusal(501, MapsErrorDetail(code="NotImplemented", message=message))

    return handler


HANDLERS: dict[tuple[str, str], Handler] = {
    (GET_OPERATION.method, GET_OPERATION.path): get_operation,
    ("PUT", REGISTRATION): register_or_replace,
    ("GET", REGISTRATION): get_data_registry,
    ("DELETE", REGISTRATION): unregister,
    ("GET", REGISTRATION.rpartition("/")[0]): list_data_registries,
}
"""By method and path. The contract has the first; the others are Microsoft's operations beside it."""
