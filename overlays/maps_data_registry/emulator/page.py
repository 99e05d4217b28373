"""The page on which a person watches operations and their polls. Rendered here as a whole; page.js fetches it anew."""

from collections import defaultdict
from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .journal import Entry
from .namespace import Namespace, Operation
from .scenarios import NAMES

SHOWN = 50  # the newest operations, their newest polls, the newest requests
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "content-security-policy": f"{POLICY}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Data registry emulator</title>
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
<svg class="shapes" aria-hidden="true">
<symbol id="going" overflow="visible"><circle r="5"/></symbol>
<symbol id="done" overflow="visible"><circle r="6"/></symbol>
<symbol id="failed" overflow="visible"><path d="M-5-5 5 5M5-5-5 5"/></symbol>
<symbol id="fault" overflow="visible"><path d="M0-7 7 0 0 7-7 0Z"/></symbol>
</svg>
<header>
<h1>Data registry emulator</h1>
<p><code>{url}</code></p>
<ul class="legend"><li>{going} in progress<li>{done} completed<li>{failed} failed<li>{fault} fault or refusal
<li><i class="pause"></i> asked to wait<li><i class="early"></i> came too early</ul>
</header>
<main id="live">{live}</main>
<footer>
<details><summary>Start an operation</summary>
<pre>curl -i -X PUT -H 'subscription-key: any' -H 'x-emulator-scenario: fails polls=3' \\
  '{url}/dataRegistries/0522b4fe-0539-4c6c-ba70-e35ec865d8e2?api-version=2023-06-01'</pre>
<dl>{scenarios}</dl></details>
<p><a href="{url}/journal">Journal as JSON</a></p>
</footer>
</html>"""


def show_page(namespace: Namespace) -> Response:
    """The page of a namespace, with links to those under it."""
    polls: defaultdict[str | None, list[Entry]] = defaultdict(list)
    journal = namespace.journal()
    for entry in journal:
        if entry.poll is not None:
            polls[entry.operation_id].append(entry)
    newest = list(namespace.operations.values())[-SHOWN:][::-1]
    links = (f"<a href='{under.url}/'>{name}</a>" for name, under in list(namespace.namespaces.items()))
    live = [
        f"<nav>{''.join(links)}</nav>",
        f"<h2>Operations <small>{len(namespace.operations)}</small></h2>",
        *(_operation(operation, polls[operation.id][-SHOWN:], namespace.now()) for operation in newest),
        "" if newest else "<p>None yet.</p>",
        f"<h2>Requests <small>{len(journal)}</small></h2>",
        _requests(journal[-SHOWN:][::-1]),
    ]
    scenarios = "".join(f"<dt>{name}<dd>{escape(help_)}" for name, help_ in NAMES.items())
    marks = {kind: f"<svg class='key'>{_mark(kind, '50%')}</svg>" for kind in ("going", "done", "failed", "fault")}
    return HTMLResponse(
        PAGE.format(url=escape(namespace.url), live="".join(live), scenarios=scenarios, **marks), headers=HEADERS
    )


def _mark(kind: str, x: str, title: str = "") -> str:
    return f'<use href="#{kind}" class="{kind}" x="{x}" y="50%"><title>{escape(title)}</title></use>'


def _kind(entry: Entry) -> str:
    return {"Running": "going", "Completed": "done", "Failed": "failed"}.get(entry.outcome, "fault")


def _operation(operation: Operation, polls: list[Entry], now: float) -> str:
    state = _kind(polls[-1]) if polls else "going"
    end = max(operation.started + 1, polls[-1].at if state in {"done", "failed"} else now)

    def place(at: float) -> str:
        return f"{2 + 96 * (at - operation.started) / (end - operation.started):.2f}%"

    drawing = ['<line x1="2%" x2="98%" y1="50%" y2="50%"/>']
    for poll in polls:
        until = min(poll.at + poll.pause, end)
        drawing.append(f'<line class="pause" x1="{place(poll.at)}" x2="{place(until)}" y1="50%" y2="50%"/>')
    for poll in polls:
        if poll.early:
            drawing.append(f'<circle class="early" cx="{place(poll.at)}" cy="50%" r="11"/>')
        told = f"poll {poll.poll}, {poll.at - operation.started:.2f} s: {poll.outcome}, status {poll.status or 'none'}"
        asked = "" if poll.retry_after is None else f", Retry-After: {poll.retry_after[:40]}"
        drawing.append(_mark(_kind(poll), place(poll.at), told + asked))
    return f"""<article>
<h3><code>{operation.id}</code> <b class="{state}">{escape(operation.outcome)}</b></h3>
<p>{escape(str(operation.scenario))}, {operation.polls} {"poll" if operation.polls == 1 else "polls"}</p>
<svg class="timeline" role="img" aria-label="Polls over {end - operation.started:.1f} seconds">{"".join(drawing)}</svg>
<p class="axis"><span>0 s</span><span>{end - operation.started:.1f} s</span></p>
</article>"""


def _requests(entries: list[Entry]) -> str:
    rows = (
        f"<tr><td>{entry.at:.2f}<td>{escape(entry.method[:10])}<td><code>{escape(entry.path)}</code>"
        f"<td>{escape(entry.scheme or 'none')}<td>{entry.status or 'none'}"
        f"<td class='{_kind(entry)}'>{escape(entry.outcome)}<td>{escape((entry.retry_after or '')[:40])}"
        for entry in entries
    )
    head = "<tr><th>Seconds<th>Method<th>Path<th>Credential<th>Status<th>Outcome<th>Retry-After"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


async def stylesheet(request: Request) -> Response:
    """How the page looks."""
    return Response(files(__package__).joinpath("page.css").read_bytes(), media_type="text/css")


async def script(request: Request) -> Response:
    """What keeps the page up to date."""
    return Response(files(__package__).joinpath("page.js").read_bytes(), media_type="text/javascript")
