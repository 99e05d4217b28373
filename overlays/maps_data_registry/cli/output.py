"""A wait in plain lines: results on standard output, everything else on standard error."""

from collections.abc import Sequence
from typing import Self, TextIO

import anyio
import typer

from maps_data_registry.errors import (
    AuthenticationFailed,
    InvalidResponse,
    OperationNotFound,
    TokenUnavailable,
)
from maps_data_registry.polling.policy import Clock, OperationUpdate
from maps_data_registry.text import one_line

from .records import OUTCOMES, Exit, Record, count, totals

_WITH_ADVICE = (AuthenticationFailed, OperationNotFound, InvalidResponse, TokenUnavailable)
_FEW = 10  # operations of which each poll is told
_PAUSE = 10.0  # seconds between two lines of totals, where there are more


class Lines:
    """What is known of each operation, told line by line."""

    def __init__(self, operations: Sequence[str], *, as_json: bool = False, clock: Clock = Clock()) -> None:
        self.operations = operations
        self.records: dict[str, Record] = {}
        """The operations that are not asked about any more."""
        self.polled: dict[str, tuple[OperationUpdate, float]] = {}
        """The others, with the last poll and when it came, on the clock's monotonic scale."""
        self.as_json = as_json
        self.now = clock.monotonic
        self._quiet_until = self.now() + _PAUSE
        self._hints: dict[str, None] = {}  # in order, each once

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Sum up."""
        if len(self.operations) > 1:
            self.say(self.totals)
        self.give_hints()

    def give_hints(self) -> None:
        """Say what may help, once for all operations that it may help."""
        for hint in self._hints:
            self.say(f"hint: {hint}")

    async def refresh(self) -> None:
        """Show how time passes, until cancelled."""
        await anyio.sleep_forever()

    def poll(self, update: OperationUpdate) -> None:
        """Take in a poll."""
        self.polled[update.operation_id] = update, self.now()
        if update.wait is not None:
            self.show_poll(update, update.wait)

    def end(self, record: Record, seen: object = None) -> None:
        """Take in how the wait for an operation ended; of an error, more is told than the record holds."""
        self.records[record.operation_id] = record
        self.polled.pop(record.operation_id, None)
        if isinstance(seen, _WITH_ADVICE):
            self._hints[seen.advice] = None
        self.show_end(record, getattr(seen, "tree", ""))

    def show_poll(self, update: OperationUpdate, wait: float) -> None:
        """Tell of each poll of a few operations; of many, how they stand from time to time."""
        if len(self.operations) <= _FEW:
            polls = f"{count(update.polls, 'poll')}, {update.elapsed:.0f} s"
            self.say(f"{update.operation_id} {self.standing(update.operation_id)} ({polls}), next poll in {wait:.0f} s")
        elif self.now() >= self._quiet_until:
            self._quiet_until = self.now() + _PAUSE
            self.say(self.totals)

    def show_end(self, record: Record, tree: str) -> None:
        """Tell of an operation's end on standard output."""
        typer.echo(record.to_json() if self.as_json else told(record, tree))

    def say(self, line: str) -> None:
        """Tell something that is no result."""
        typer.echo(line, err=True)

    @property
    def totals(self) -> str:
        """How many came to what, in one line."""
        return totals(self.records.values(), len(self.operations))

    @property
    def exit_code(self) -> Exit:
        """What the records come to."""
        return max(OUTCOMES[record.outcome] for record in self.records.values())

    def standing(self, name: str) -> str:
        """How an operation stands: the service's last word, or what came instead of it."""
        if name in self.records:
            return one_line(self.records[name].status or self.records[name].outcome)
        if name not in self.polled:
            return "not asked yet"
        update = self.polled[name][0]
        return one_line(str(update.problem.args[0] if update.problem else update.status))

    def running(self) -> list[str]:
        """The operations whose end is still to come."""
        return [name for name in self.operations if name not in self.records or self.records[name].outcome == "running"]


def told(record: Record, tree: str) -> str:
    """A record with the details of its error below it."""
    return "\n".join([record.line, *(f"  {line}" for line in tree.splitlines()[1:])])


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees what is written to a stream, which is None where it was closed from the start."""
    return stream is not None and stream.isatty()
