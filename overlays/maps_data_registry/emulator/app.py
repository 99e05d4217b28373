"""The way of a request, from its route to its reply."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from email.utils import formatdate
from itertools import count
from uuid import uuid4

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from maps_data_registry_contract import OPERATIONS
from maps_data_registry_schemas import MapsErrorDetail

from .checks import Call, authenticate, check_api_version, hide
from .journal import Entry
from .limits import LocalHosts, Refusal, read_body
from .namespace import Namespace
from .page import Page, script, stylesheet
from .registry import HANDLERS, Handler, unimplemented
from .responses import JSON, refusal

CHECKS = (authenticate, check_api_version)
"""What every request to the service passes, in this order, before anything is done."""


def build_app(root: Namespace, on_request: Callable[[Entry], object] | None, *, local: bool) -> Starlette:
    """The application. With `local` it refuses requests for other hosts than this machine."""

    def find(request: Request) -> Namespace:
        name = request.path_params.get("namespace")
        return root if name is None else root.find(name)

    async def journal(request: Request) -> Response:
        if request.method == "DELETE":
            find(request).clear()
            return Response(status_code=204)
        headers = {"x-content-type-options": "nosniff"}  # it holds what clients sent
        return StreamingResponse(find(request).snapshot(), headers=headers, media_type=JSON)

    async def to_page(request: Request) -> Response:
        return RedirectResponse(f"{request.url.path}/")

    page = Page(find)
    routes = [
        Route("/health", health),
        Route("/page.css", stylesheet),
        Route("/page.js", script),
        Route("/namespaces/{namespace}", to_page),
    ]
    for prefix in ("/namespaces/{namespace}", ""):
        routes += [
            Route(f"{prefix}/", page.show),
            Route(f"{prefix}/start", page.start, methods=["POST"]),
            Route(f"{prefix}/clear", page.clear, methods=["POST"]),
            Route(f"{prefix}/journal", journal, methods=["GET", "DELETE"]),
            *(Route(prefix + path, Service(find, on_request, handlers)) for path, handlers in service_paths()),
            Route(f"{prefix}/{{rest:path}}", Service(find, on_request, {})),
        ]
    return Starlette(routes=routes, middleware=[Middleware(LocalHosts)] if local else [])


def service_paths() -> list[tuple[str, dict[str, Handler]]]:
    """The routes of the service, with what each method does: every operation of the contract, and every behaviour."""
    paths: defaultdict[str, dict[str, Handler]] = defaultdict(dict)
    for (method, path), handler in HANDLERS.items():
        paths[_numbered(path)][method] = handler
    for operation in OPERATIONS:
        paths[_numbered(operation.path)].setdefault(operation.method, unimplemented(operation.id))
    return sorted(paths.items(), key=lambda item: item[0].count("{"))  # what is written out wins over a parameter


def _numbered(path: str) -> str:
    """A path with its parameters called p0, p1, …: their names in the contract need not be those of a behaviour."""
    number = count()
    return re.sub(r"\{[^}]*\}", lambda _: f"{{p{next(number)}}}", path)


class Service:
    """An endpoint of the service: what it does for each method, after the checks, with a journal."""

    def __init__(
        self,
        find: Callable[[Request], Namespace],
        on_request: Callable[[Entry], object] | None,
        handlers: Mapping[str, Handler],
    ) -> None:
        self.find = find
        self.on_request = on_request
        self.handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, check, handle, write the journal, reply."""
        request = Request(scope, receive)
        try:
            body = await read_body(request)
        except ClientDisconnect:
            return
        namespace = self.find(request)  # from here on nothing is awaited, so requests do not overlap
        path = hide(request, scope["path"])[:200]
        entry = Entry(namespace.now(), hide(request, request.method), path, str(uuid4()))
        try:
            if isinstance(body, Refusal):
                raise body
            handler = self.handler_for(request.method)
            call = Call(request, body, namespace, entry)
            for check in CHECKS:
                check(call)
            reply = handler(call)
        except Refusal as refused:
            entry.outcome = refused.error.code or ""
            reply = refusal(refused.status, refused.error, refused.headers)
        reply.headers["date"] = formatdate(namespace.date(), usegmt=True)
        reply.headers["x-ms-request-id"] = entry.request_id
        entry.status, entry.retry_after = reply.status_code, reply.headers.get("retry-after")
        namespace.entries.append(entry)
        if self.on_request is not None:
            self.on_request(entry)
        await reply(scope, receive, send)

    def handler_for(self, method: str) -> Handler:
        """What to do for this method. Raises Refusal if there is nothing to do."""
        if method in self.handlers:
            return self.handlers[method]
        if not self.handlers:
            raise Refusal(404, MapsErrorDetail(code="NotFound", message="There is nothing at this path."))
        allowed = ", ".join(self.handlers)
        error = MapsErrorDetail(code="MethodNotAllowed", message=f"This path takes {allowed} only.")
        raise Refusal(405, error, {"allow": allowed})


async def health(request: Request) -> Response:
    """Say that the emulator runs."""
    return JSONResponse({"status": "ok"})
