"""Output in plain lines: results on standard output, everything else on standard error."""

from collections import Counter
from collections.abc import Sequence
from typing import Self

from maps_data_registry.errors import (
    RESUME,
    AuthenticationFailed,
    DataRegistryError,
    InvalidResponse,
    OperationNotFound,
    ServiceError,
    ServiceUnreachable,
    TokenUnavailable,
)
from maps_data_registry.polling.policy import Clock, OperationUpdate
from maps_data_registry.text import one_line

from .exit_codes import Exit
from .records import OUTCOMES, Record, count
from .streams import write_note, write_result

_MAX_FOLLOWED = 10  # operations up to which each poll is reported
_PAUSE = 10.0  # seconds between two lines of totals, where there are more

_STATES = (*OUTCOMES, "not polled")

# What the errors themselves advise, in the words of the command line.
_HINTS: dict[type[DataRegistryError], str] = {
    AuthenticationFailed: "check that the credential belongs to an account of this geography, that keys or SAS tokens "
    "are not switched off on the account, and that AZURE_MAPS_CLIENT_ID is the Maps account's client id, not the app's",
    OperationNotFound: "check the id, and that the geography is the one that the data was registered in",
    InvalidResponse: InvalidResponse.advice,
    TokenUnavailable: "sign in where azure-identity looks for it, for example with az login",
}


class Output:
    """What is known of each operation, and the lines that report it."""

    def __init__(
        self, ids: Sequence[str], *, as_json: bool = False, quiet: bool = False, clock: Clock = Clock()
    ) -> None:
        self.ids = ids
        """The ids of the operations."""
        self.records: dict[str, Record] = {}
        """Those that are not polled any more."""
        self.polled: dict[str, tuple[OperationUpdate, float]] = {}
        """By id, those polled and still in progress: the last update, and when it came on the monotonic clock."""
        self.as_json = as_json
        self.quiet = quiet
        self.now = clock.monotonic
        self._next_totals = self.now() + _PAUSE
        self._hints: dict[str, None] = {}  # in order, each once

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Sum up."""
        if len(self.ids) > 1:
            self.note(self.totals)
        self.note_hints()

    def note_hints(self) -> None:
        """Say what may help, once for all operations that it may help."""
        for hint in self._hints:
            self.note(f"hint: {hint}")

    async def refresh(self) -> None:
        """Show how time passes, until all operations have ended. Plain lines do not."""

    def poll(self, update: OperationUpdate) -> None:
        """Take in a poll."""
        self.polled[update.operation_id] = update, self.now()
        if update.wait is not None:
            self.show_poll(update, update.wait)

    def end(self, record: Record, seen: object = None) -> None:
        """Take in how the wait for an operation ended; an error says more than the record holds."""
        self.records[record.operation_id] = record
        self.polled.pop(record.operation_id, None)
        if isinstance(seen, DataRegistryError) and (hint := _hint_for(seen)):
            self._hints[hint] = None
        self.show_end(record, getattr(seen, "tree", ""))

    def show_poll(self, update: OperationUpdate, wait: float) -> None:
        """Report each poll of a few operations; of many, the totals from time to time."""
        if len(self.ids) <= _MAX_FOLLOWED:
            polls = f"{count(update.polls, 'poll')}, {update.elapsed:.0f} s"
            self.note(
                f"{update.operation_id} {self.state_of(update.operation_id)} ({polls}), next poll in {wait:.0f} s"
            )
        elif self.now() >= self._next_totals:
            self._next_totals = self.now() + _PAUSE
            self.note(self.totals)

    def show_end(self, record: Record, tree: str) -> None:
        """Report an operation's end on standard output."""
        write_result(record.to_json() if self.as_json else with_tree(record, tree))

    def note(self, line: str) -> None:
        """Report something that `--quiet` leaves out."""
        if not self.quiet:
            self.say(line)

    def say(self, line: str) -> None:
        """Report something that is no result."""
        write_note(line)

    @property
    def totals(self) -> str:
        """How many came to what: `4 operations: 1 completed, 1 failed, 1 running, 1 not polled`."""
        tally = Counter(record.outcome for record in self.records.values())
        tally.update("running" if update.result else "unanswered" for update, _ in self.polled.values())
        tally["not polled"] = len(self.ids) - tally.total()
        parts = ", ".join(f"{tally[state]} {state}" for state in _STATES if tally[state])
        return f"{count(len(self.ids), 'operation')}: {parts}"

    @property
    def exit_code(self) -> Exit:
        """What the records come to."""
        return max(OUTCOMES[record.outcome] for record in self.records.values())

    def state_of(self, name: str) -> str:
        """How an operation stands: its last status, or what came instead of one."""
        if name in self.records:
            return one_line(self.records[name].status or self.records[name].outcome)
        if name not in self.polled:
            return "not polled"
        update = self.polled[name][0]
        return one_line(str(update.problem.args[0] if update.problem else update.status or "running"))

    def unfinished(self) -> list[str]:
        """The operations whose end is still to come."""
        return [name for name in self.ids if name not in self.records or self.records[name].outcome == "running"]


def _hint_for(error: DataRegistryError) -> str:
    if hint := next((hint for kind, hint in _HINTS.items() if isinstance(error, kind)), ""):
        return hint
    has_own = isinstance(error, ServiceError | ServiceUnreachable) and error.advice is not RESUME
    return error.next_step if has_own else ""


def with_tree(record: Record, tree: str) -> str:
    """A record's line with the details of its error below it."""
    return "\n".join([record.line, *(f"  {line}" for line in tree.splitlines()[1:])])
