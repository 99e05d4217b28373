"""A wait on a terminal: a table on a screen of its own, redrawn as time passes. The results stay when it is left."""

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from maps_data_registry.polling.policy import Clock, OperationUpdate

from .output import Output, with_tree
from .records import Record
from .signals import around_stops
from .streams import is_terminal, write_result

_REFRESH = 0.25  # seconds
_AROUND = 4  # lines that are no rows: heading, totals in two lines, one to spare
_MOST = {"COLUMNS": 500, "LINES": 200}  # each cell is drawn, whatever the environment says
_WIDEST, _WIDE, _MEDIUM = 96, 80, 56  # columns from which on there is room for a bar, the whole id, the polls,
_NARROW = 40  # and for the time elapsed
_ID, _SHORT, _STATUS, _BAR = 36, 9, 16, 20  # columns
_ROW = 84  # columns of a row without its status
_STYLES = {
    "completed": "green",
    "failed": "red",
    "unrecognized": "red",
    "refused": "red",
    "unanswered": "red",
    "running": "yellow",
}


class LiveTable(Output):
    """The table shows each operation if they all fit, else only the active ones, with the progress of all.

    Below it are the last messages. All of them are printed when the screen is left. Results go to standard output
    when they come, unless that is the same terminal: then at the end.
    """

    def __init__(
        self,
        ids: Sequence[str],
        *,
        as_json: bool = False,
        clock: Clock = Clock(),
        console: Console | None = None,
    ) -> None:
        super().__init__(ids, as_json=as_json, clock=clock)
        self._start = self.now()
        self._ended_before = 0
        self._known_ids = frozenset(ids)
        self._messages: list[Text] = []
        self._results: list[str] = []
        self._console = console or Console(
            stderr=True, highlight=False, markup=False, emoji=False, _environ=_environment()
        )
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self.render,
        )

    def __enter__(self) -> Self:
        self._ended_before = len(self.records)
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave the screen, and print what is to stay."""
        if self._live.is_started:
            with contextlib.suppress(OSError):  # the terminal is gone
                self._console.clear()  # for a terminal that has one screen only
                self._live.stop()
        for result in self._results:
            write_result(result)
        with contextlib.suppress(OSError):
            for message in self._messages:
                self._console.print(message, soft_wrap=True)
            if self._fits():
                self._console.print(self._table(self.ids))
            self._console.print(self._totals())
        self.note_hints()

    async def refresh(self) -> None:
        """Redraw at an even pace, until all operations have ended."""
        with around_stops(self._leave_screen, self._enter_screen):  # before there is a screen to leave
            with contextlib.suppress(OSError):
                self._live.start(refresh=True)
            while len(self.records) < len(self.ids):
                with contextlib.suppress(OSError):
                    self._live.refresh()
                await anyio.sleep(_REFRESH)

    def show_poll(self, update: OperationUpdate, wait: float) -> None:
        """Nothing: the table shows it."""

    def show_end(self, record: Record, tree: str) -> None:
        """Show what did not succeed as a message, and the result where it belongs."""
        if record.outcome != "completed":
            self._messages.append(Text(with_tree(record, tree), style=_STYLES[record.outcome]))
        if not is_terminal(sys.stdout):
            super().show_end(record, tree)
        elif self.as_json:
            self._results.append(record.to_json())

    def say(self, line: str) -> None:
        """Show a line below the table, and print it at the end; after the end, at once."""
        if self._live.is_started:
            self._messages.append(Text(line))
        else:
            super().say(line)

    def render(self) -> Group:
        """The table, the last messages and the totals, for the current size of the terminal."""
        footer = self._totals() if self._fits() else Group(self._progress(), self._totals())
        room = self._console.height - len(self._console.render_lines(footer))
        messages = self._last_messages(room)
        rows = self.ids if self._fits() else list(islice(self.polled, max(room - 2 - len(messages), 0)))
        table = [self._table(rows)] if rows else []
        left_out = 0 if self._fits() else len(self.polled) - len(rows)
        more = [_one_line(f"… and {left_out} more in progress", style="dim")] if left_out else []
        return Group(*table, *more, *messages, footer)

    def _fits(self) -> bool:
        return len(self.ids) <= self._console.height - _AROUND

    def _last_messages(self, room: int) -> list[Text]:
        """The last messages, without trees: as many as there is room for, a third of it where rows are left out."""
        most = max(room - len(self.ids) - 1 if self._fits() else room // 3, 0)
        last = self._messages[-most:] if most else []
        return [_one_line(self._short(message.plain.partition("\n")[0]), message.style) for message in last]

    def _short(self, line: str) -> str:
        """A line with the operation's id at its beginning cut short where rows have it so."""
        return line if self._console.width >= _WIDE or line[:_ID] not in self._known_ids else f"{line[:8]}…{line[_ID:]}"

    def _totals(self) -> Text:
        return Text(f"{self.totals}, {self.now() - self._start:.0f} s")

    def _progress(self) -> Table:
        ended, of = len(self.records), len(self.ids)
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_column(no_wrap=True)
        line.add_row(ProgressBar(total=of, completed=ended), f"{ended}/{of}", self._time_left())
        return line

    def _time_left(self) -> str:
        """An estimate, assuming that operations keep ending at the rate they have since the start."""
        ended = len(self.records) - self._ended_before
        if not ended:
            return ""
        seconds = (self.now() - self._start) * (len(self.ids) - len(self.records)) / ended
        unit, size = next(((unit, size) for unit, size in (("h", 3600), ("min", 60)) if seconds >= 2 * size), ("s", 1))
        return f"about {seconds / size:.0f} {unit} left"

    def _table(self, names: Iterable[str]) -> Table:
        width = self._console.width
        status = _STATUS if width >= _NARROW else _STATUS - 4
        columns = ["polls"] * (width >= _MEDIUM) + ["elapsed"] * (width >= _NARROW)
        columns += ["next"] + [""] * (width >= _WIDEST)
        table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= _MEDIUM else 1, 0, 0), header_style="dim")
        table.add_column("operation", no_wrap=True, min_width=_ID if width >= _WIDE else _SHORT)
        table.add_column("status", no_wrap=True, min_width=status, max_width=max(status, width - _ROW))
        for column in columns:
            table.add_column(column, justify="right", no_wrap=bool(column), max_width=None if column else _BAR)
        for name in names:
            state, cells = self._cells(name)
            table.add_row(Text(self._short(name)), state, *(cells.get(column) for column in columns))
        return table

    def _cells(self, name: str) -> tuple[Text, dict[str, RenderableType]]:
        state = Text(self.state_of(name))
        if name in self.records:
            record = self.records[name]
            state.style = _STYLES[record.outcome]
            return state, {"polls": str(record.polls), "elapsed": f"{record.elapsed:.0f} s"}
        if name not in self.polled:
            state.style = "dim"
            return state, {}
        update, at = self.polled[name]
        since = self.now() - at
        left = max((update.wait or 0.0) - since, 0.0)
        state.style = "yellow" if update.problem else ""
        return state, {
            "polls": str(update.polls),
            "elapsed": f"{update.elapsed + since:.0f} s",
            "next": f"{left:.0f} s",
            "": ProgressBar(total=update.wait or 1.0, completed=left, complete_style="cyan"),
        }

    def _leave_screen(self) -> None:
        self._console.set_alt_screen(False)
        self._console.show_cursor(True)

    def _enter_screen(self) -> None:
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)


def _environment() -> dict[str, str]:
    """The environment without a COLUMNS or LINES that is no size, or larger than a screen."""
    found = {**os.environ}
    for name, most in _MOST.items():
        text = found.pop(name, "")
        if re.fullmatch("[1-9][0-9]*", text):
            found[name] = str(min(int(text[:9]), most))
    return found


def _one_line(text: str, style: StyleType) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")
