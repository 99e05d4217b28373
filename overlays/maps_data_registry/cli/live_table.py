"""A wait on a terminal: a table that moves, with the failures above it."""

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from maps_data_registry.polling.policy import Clock, OperationUpdate

from .output import Lines, is_terminal, told
from .records import Record

_REFRESH = 0.25  # seconds
_AROUND = 4  # lines that are no rows: heading, "and … more", totals, the cursor's
_WIDE = 80  # columns from which on an operation's whole id is shown
_ID, _SHORT, _STATUS, _BAR = 36, 9, 16, 20  # columns
_STYLES = {"completed": "green", "failed": "red", "unrecognized": "red", "refused": "red", "running": "yellow"}


class Display(Lines):
    """The same in a live table on standard error: each operation if they all fit, else only what is active.

    Results go to standard output too, unless that is the same terminal; there JSON lines are shown above the table.
    """

    def __init__(
        self,
        operations: Sequence[str],
        *,
        as_json: bool = False,
        clock: Clock = Clock(),
        console: Console | None = None,
    ) -> None:
        super().__init__(operations, as_json=as_json, clock=clock)
        self._start = self.now()
        self._console = console or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, get_renderable=self.render)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.refresh()
        self._live.stop()
        self.give_hints()

    async def refresh(self) -> None:
        """Redraw at an even pace, until cancelled."""
        while True:
            self._live.refresh()
            await anyio.sleep(_REFRESH)

    def show_poll(self, update: OperationUpdate, wait: float) -> None:
        """Nothing: the table shows it."""

    def show_end(self, record: Record, tree: str) -> None:
        """Show what did not succeed above the table, and the result where it belongs."""
        if record.outcome != "completed":
            self._console.print(Text(told(record, tree), style=_STYLES[record.outcome]), soft_wrap=True)
        if not is_terminal(sys.stdout):
            super().show_end(record, tree)
        elif self.as_json:
            self.say(record.to_json())

    def say(self, line: str) -> None:
        """Show a line above the table."""
        self._console.print(Text(line), soft_wrap=True)

    def render(self) -> Group:
        """The table and what it leaves out, for the terminal's present size."""
        width, height = self._console.size
        room = max(height - _AROUND, 1)
        fits = len(self.operations) <= room
        rows = self.operations if fits else list(islice(self.polled, room))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("operation", no_wrap=True, min_width=_ID if width >= _WIDE else _SHORT)
        table.add_column("status", no_wrap=True, max_width=_STATUS)
        for name in ("polls", "elapsed", "next"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", max_width=_BAR)
        for name in rows:
            table.add_row(Text(name if width >= _WIDE else f"{name[:8]}…"), *self._cells(name))
        left_out = 0 if fits else len(self.polled) - len(rows)
        more = [Text(f"… and {left_out} more in progress", style="dim")] if left_out else []
        return Group(*([table] if rows else []), *more, Text(f"{self.totals}, {self.now() - self._start:.0f} s"))

    def _cells(self, name: str) -> Iterable[RenderableType]:
        standing = Text(self.standing(name))
        if name in self.records:
            record = self.records[name]
            standing.style = _STYLES[record.outcome]
            return standing, str(record.polls), f"{record.elapsed:.0f} s"
        if name not in self.polled:
            standing.style = "dim"
            return (standing,)
        update, at = self.polled[name]
        since = self.now() - at
        left = max((update.wait or 0.0) - since, 0.0)
        standing.style = "yellow" if update.problem else ""
        bar = ProgressBar(total=update.wait or 1.0, completed=left, complete_style="cyan")
        return standing, str(update.polls), f"{update.elapsed + since:.0f} s", f"{left:.0f} s", bar
