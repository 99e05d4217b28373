"""A card for each operation: its polls and the pauses between them, drawn to a scale that is on the card."""

import math
from collections.abc import Iterator
from html import escape

from .journal import Entry
from .operation import EmulatedOperation

KINDS = {"Running": "going", "Completed": "done", "Failed": "failed"}
LEFT, WIDTH = 2.0, 96.0  # per cent of the drawing


def kind(entry: Entry) -> str:
    """How an entry looks: going, done, failed or fault; plain for a request that succeeded and is no poll."""
    return "plain" if entry.poll is None and entry.status < 400 else KINDS.get(entry.outcome, "fault")


def mark(kind: str, x: str) -> str:
    """The shape of a kind."""
    return f'<use href="#{kind}" class="{kind}" x="{x}" y="18"/>'


def card(operation: EmulatedOperation, polls: list[Entry]) -> str:
    """One operation. The axis ends with the last poll and the pause after it, so it moves only with a poll."""
    state = kind(polls[-1]) if polls else "going"
    count = f"{operation.polls} {'poll' if operation.polls == 1 else 'polls'}"
    span = max(1.0, *(poll.at + poll.pause - operation.started for poll in polls), 1.0)
    return f"""<article id="o-{operation.id}">
<h3><code>{operation.id}</code> <b class="{state}">{escape(operation.outcome)}</b></h3>
<p>{escape(str(operation.scenario))}</p>
<svg class="timeline" role="group" aria-label="{count} over {span:.1f} seconds">\
{"".join(_drawing(operation, polls, span))}</svg>
<details><summary>{count}</summary>
<table><thead><tr><th>Poll<th>At<th>Outcome<th>Status<th>Retry-After</thead>
<tbody>{"".join(_row(operation, poll) for poll in polls)}</tbody></table>
</details>
</article>"""


def _drawing(operation: EmulatedOperation, polls: list[Entry], span: float) -> Iterator[str]:
    def place(at: float) -> str:
        return f"{LEFT + WIDTH * min(at / span, 1):.2f}%"

    yield '<line x1="2%" x2="98%" y1="18" y2="18"/>'
    step = _step(span)
    for number in range(int(span / step + 1e-9) + 1):
        x = place(number * step)
        yield f'<line class="tick" x1="{x}" x2="{x}" y1="18" y2="34"/>'
        yield f'<text class="{"tick" if number else "zero"}" x="{x}" y="46">{number * step:g} s</text>'
    for poll in polls:
        at = poll.at - operation.started
        yield f'<line class="pause" x1="{place(at)}" x2="{place(at + poll.pause)}" y1="18" y2="18"/>'
    for poll in polls:
        x = place(poll.at - operation.started)
        label = escape(_label(operation, poll))
        early = f'<circle class="early" cx="{x}" cy="18" r="11"/>' if poll.early else ""
        yield f'<a href="#{_id(operation, poll)}" tabindex="-1" aria-label="{label}"><title>{label}</title>'
        yield f'<circle class="target" cx="{x}" cy="18" r="12"/>{early}{mark(kind(poll), x)}</a>'


def _step(span: float) -> float:
    """The distance between ticks: 1, 2 or 5 times a power of ten, for at most six of them."""
    power: float = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if span <= power * factor * 5.000001)


def _id(operation: EmulatedOperation, poll: Entry) -> str:
    return f"p-{operation.id}-{poll.poll}"


def _label(operation: EmulatedOperation, poll: Entry) -> str:
    asked = "" if poll.retry_after is None else f", Retry-After: {poll.retry_after[:40]}"
    early = ", too early" if poll.early else ""
    at = poll.at - operation.started
    return f"poll {poll.poll}, {at:.2f} s: {poll.outcome}, status {poll.status or 'none'}{asked}{early}"


def _row(operation: EmulatedOperation, poll: Entry) -> str:
    return (
        f'<tr id="{_id(operation, poll)}" tabindex="-1"><td>{poll.poll}<td>{poll.at - operation.started:.2f} s'
        f'<td class="{kind(poll)}">{escape(poll.outcome)}{", too early" if poll.early else ""}'
        f"<td>{poll.status or 'none'}<td>{escape((poll.retry_after or '')[:40])}</tr>"
    )
