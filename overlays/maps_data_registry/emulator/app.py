"""The way of a request, from its route to its reply."""

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from maps_data_registry_schemas import MapsErrorDetail

from .checks import Refusal, authenticate, check_api_version, check_guid, invalid
from .journal import Entry
from .namespace import Namespace
from .page import script, show_page, stylesheet
from .responses import refusal

Find = Callable[[Request], Namespace]
Act = Callable[[Request, Namespace, Entry], Awaitable[Response]]

CHECKS = (authenticate, check_api_version, check_guid)
"""What a request for the service goes through, in this order, before anything is done."""


def build_app(root: Namespace) -> Starlette:
    """The application. A namespace that is asked for by URL comes to be, as `root` is set."""

    def find(request: Request) -> Namespace:
        name = request.path_params.get("namespace")
        return root if name is None else root.namespaces.get(name) or root.namespace(name)

    async def page(request: Request) -> Response:
        return show_page(find(request))

    async def journal(request: Request) -> Response:
        return JSONResponse(find(request).snapshot())

    routes = [Route("/health", health), Route("/page.css", stylesheet), Route("/page.js", script)]
    for prefix in ("/namespaces/{namespace}", ""):
        routes += [
            Route(f"{prefix}/", page),
            Route(f"{prefix}/journal", journal),
            Route(f"{prefix}/dataRegistries/operations/{{operationId}}", Service(find, GET=get_operation)),
            Route(f"{prefix}/dataRegistries/{{udid}}", Service(find, PUT=register)),
            Route(f"{prefix}/{{rest:path}}", Service(find)),
        ]
    return Starlette(routes=routes)


class Service:
    """An endpoint of the service: what it does for each method, after the checks, with a journal."""

    def __init__(self, find: Find, **acts: Act) -> None:
        self.find = find
        self.acts = acts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, act, write the journal, reply."""
        request = Request(scope, receive)
        namespace = self.find(request)
        entry = Entry(namespace.now(), request.method, request.url.path[:200], str(uuid4()))
        try:
            act = self.choose(request.method)
            for check in CHECKS:
                check(request, namespace, entry)
            reply = await act(request, namespace, entry)
        except Refusal as refused:
            entry.outcome = refused.error.code or ""
            reply = refusal(refused.status, refused.error, refused.headers)
        reply.headers["date"] = formatdate(namespace.date(), usegmt=True)
        reply.headers["x-ms-request-id"] = entry.request_id
        entry.status, entry.retry_after = reply.status_code, reply.headers.get("retry-after")
        namespace.entries.append(entry)
        await reply(scope, receive, send)

    def choose(self, method: str) -> Act:
        """What to do for this method. Raises Refusal if there is nothing to do."""
        if method in self.acts:
            return self.acts[method]
        if not self.acts:
            raise Refusal(404, MapsErrorDetail(code="NotFound", message="There is nothing at this path."))
        allowed = ", ".join(self.acts)
        error = MapsErrorDetail(code="MethodNotAllowed", message=f"This path takes {allowed} only.")
        raise Refusal(405, error, {"allow": allowed})


async def get_operation(request: Request, namespace: Namespace, entry: Entry) -> Response:
    """Answer a poll as the operation's scenario has it."""
    operation = namespace.operations.get(request.path_params["operationId"].lower())
    if operation is None:
        message = "The operation does not exist in this geography, or is no longer kept."
        raise Refusal(404, MapsErrorDetail(code="NotFound", message=message))
    return operation.answer(entry, namespace.date())


class Registration(BaseModel):
    """The body of a register or replace request; only what concerns the emulator is read."""

    scenario: str | dict[str, Any] | None = None


async def register(request: Request, namespace: Namespace, entry: Entry) -> Response:
    """Start an operation, with the scenario of the header `x-emulator-scenario` or of the body's `scenario`."""
    body = await request.body()
    try:
        registration = Registration.model_validate_json(body or b"{}")
        scenario = request.headers.get("x-emulator-scenario") or registration.scenario
        operation = namespace.start_operation(scenario, origin=str(request.base_url))
    except ValidationError:
        raise invalid("body", "InvalidFormat", "The body is not a JSON object.") from None
    except ValueError as problem:
        raise invalid("scenario", "InvalidScenario", str(problem)) from None
    entry.operation_id, entry.outcome = operation.id, operation.outcome
    return Response(status_code=201, headers={"Operation-Id": operation.id, "Operation-Location": operation.location})


async def health(request: Request) -> Response:
    """Tell that the emulator runs."""
    return JSONResponse({"status": "ok"})
