"""The page on which a person watches operations and their polls. Rendered here, refreshed by page.js."""

from dataclasses import asdict
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .namespace import Namespace


def show_journal(namespace: Namespace) -> Response:
    """Everything that the namespace knows, as JSON."""
    return JSONResponse({"now": namespace.now(), "entries": [asdict(entry) for entry in namespace.journal()]})


def show_page(namespace: Namespace) -> Response:
    """The page."""
    return Response("soon")


async def stylesheet(request: Request) -> Response:
    """How the page looks."""
    return Response(files(__package__).joinpath("page.css").read_bytes(), media_type="text/css")


async def script(request: Request) -> Response:
    """What keeps the page up to date."""
    return Response(files(__package__).joinpath("page.js").read_bytes(), media_type="text/javascript")
