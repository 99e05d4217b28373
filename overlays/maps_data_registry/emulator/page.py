"""The page on which a person watches operations and their polls. Rendered here as a whole; page.js keeps it current."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from .journal import Entry
from .limits import Refusal, from_other_site, read_body
from .namespace import Namespace
from .operation import EmulatedOperation
from .options import OPTIONS
from .scenarios import NAMES
from .start import curl
from .timeline import card, kind, mark

SHOWN = 50  # the newest namespaces, operations, polls of each, and requests
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",  # stricter, and browsers leave their own origin out of the page's forms
    "x-content-type-options": "nosniff",
}
EXAMPLE = "fails polls=3"


class Page:
    """The page of each namespace, and the two forms on it that do something."""

    def __init__(self, find: Callable[[Request], Namespace]) -> None:
        self.find = find

    async def show(self, request: Request) -> Response:
        """Show the page, with `?filter=…` only what contains that text."""
        return _render(request, self.find(request))

    async def start(self, request: Request) -> Response:
        """Start an operation with the form's scenario."""
        form = await _form(request)
        if isinstance(form, Response):
            return form
        namespace = self.find(request)
        try:
            namespace.start_operation(form.get("scenario"), origin=str(request.base_url))
        except ValueError as problem:
            return _render(request, namespace, scenario=form.get("scenario", ""), problem=str(problem))
        return RedirectResponse("./", 303)

    async def clear(self, request: Request) -> Response:
        """Clear the journal and the operations that have ended."""
        form = await _form(request)
        if isinstance(form, Response):
            return form
        self.find(request).clear()
        return RedirectResponse("./", 303)


async def _form(request: Request) -> dict[str, str] | Response:
    """The form's fields, or why they are refused."""
    if from_other_site(request):
        return PlainTextResponse("This form belongs to the emulator's own page.", 403)
    body = await read_body(request)
    if isinstance(body, Refusal):
        return PlainTextResponse(str(body), body.status, body.headers)
    return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}


def _render(request: Request, namespace: Namespace, *, scenario: str = EXAMPLE, problem: str = "") -> Response:
    text = request.query_params.get("filter", "")
    url = str(request.base_url).rstrip("/") + request.url.path.rpartition("/")[0]
    marks = {kind: f"<svg class='key'>{mark(kind, '50%')}</svg>" for kind in ("going", "done", "failed", "fault")}
    page = _template().format(
        url=escape(url),
        curl=escape(curl(url, EXAMPLE)),
        scenario=escape(scenario),
        problem=escape(problem),
        filter=escape(text),
        names="".join(f'<option value="{name}">' for name in NAMES),
        scenarios=_definitions(NAMES),
        options=_definitions(OPTIONS),
        live="".join(_live(namespace, text.strip().lower())),
        **marks,
    )
    return HTMLResponse(page, 400 if problem else 200, HEADERS)


@cache
def _template() -> str:
    return files(__package__).joinpath("page.html").read_text(encoding="utf-8")


def _definitions(lines: Mapping[str, str]) -> str:
    def marked(line: str) -> str:
        return re.sub("`(.*?)`", r"<code>\1</code>", escape(line))

    return "".join(f"<dt>{name}<dd>{marked(line)}" for name, line in lines.items())


def _live(namespace: Namespace, text: str) -> Iterable[str]:
    """What page.js brings up to date."""
    journal = namespace.journal()
    polls: defaultdict[str | None, list[Entry]] = defaultdict(list)
    for entry in journal:
        if entry.poll is not None:
            polls[entry.operation_id].append(entry)
    operations = list(namespace.operations.values())
    wanted = [operation for operation in operations if text in _text_of(operation)]
    entries = [entry for entry in journal if text in str(entry).lower()]
    links = (f"<a href='/namespaces/{name}/'>{name}</a>" for name in list(namespace.namespaces)[-SHOWN:])
    yield f"<nav aria-label='Namespaces'>{''.join(links)}</nav>"
    yield f"<section id='operations'><h2>Operations <small>{_count(wanted, operations)}</small></h2><div class='list'>"
    yield from (card(operation, polls[operation.id][-SHOWN:]) for operation in wanted[-SHOWN:][::-1])
    yield "</div></section>"
    yield f"<section id='requests'><h2>Requests <small>{_count(entries, journal)}</small></h2><table>"
    yield "<thead><tr><th>Seconds<th>Method<th>Path<th>Credential<th>Status<th>Outcome<th>Retry-After</thead>"
    yield f"<tbody class='list'>{''.join(map(_row, entries[-SHOWN:][::-1]))}</tbody></table></section>"


def _text_of(operation: EmulatedOperation) -> str:
    return f"{operation.id} {operation.scenario} {operation.outcome}".lower()


def _count(shown: list[Entry] | list[EmulatedOperation], all_: list[Entry] | list[EmulatedOperation]) -> str:
    if not all_:
        return "none yet"
    return f"{len(all_)}" if len(shown) == len(all_) else f"{len(shown)} of {len(all_)}"


def _row(entry: Entry) -> str:
    return (
        f"<tr id='r-{entry.request_id}'><td>{entry.at:.2f}<td>{escape(entry.method[:10])}"
        f"<td><code>{escape(entry.path)}</code>"
        f"<td>{escape(entry.scheme or 'none')}<td>{entry.status or 'none'}"
        f"<td class='{kind(entry)}'>{escape(entry.outcome)}<td>{escape((entry.retry_after or '')[:40])}"
    )


async def stylesheet(request: Request) -> Response:
    """How the page looks."""
    return Response(files(__package__).joinpath("page.css").read_bytes(), media_type="text/css")


async def script(request: Request) -> Response:
    """What keeps the page current."""
    return Response(files(__package__).joinpath("page.js").read_bytes(), media_type="text/javascript")
