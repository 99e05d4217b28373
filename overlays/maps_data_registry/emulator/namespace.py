"""What the emulator knows: operations, their journal, the time. One namespace sees nothing of another."""

import re
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import anyio
import anyio.lowlevel
from starlette.responses import Response

from maps_data_registry.polling.policy import Clock

from .faults import Poll, retry_after
from .journal import Entry
from .scenarios import Scenario

JOURNAL = 10_000
GUID = re.compile(r"[a-fA-F0-9]{8}-(?:[a-fA-F0-9]{4}-){3}[a-fA-F0-9]{12}")


@dataclass(slots=True)
class Operation:
    """A register or replace request that is being carried out."""

    id: str
    location: str
    """Its `Operation-Location`: an absolute URL without api-version."""
    scenario: Scenario
    started: float
    """Seconds on the emulator's clock."""
    polls: int = 0
    outcome: str = "Registered"
    """What the last reply told, as in the journal."""
    due: float = 0.0
    """When the next poll is not early any more."""

    def answer(self, entry: Entry, date: float) -> Response:
        """Answer one poll, and note in the journal's entry what was told."""
        self.polls += 1
        poll = Poll(self.id, self.polls, entry.at - self.started, date)
        entry.operation_id, entry.poll, entry.early = self.id, self.polls, entry.at < self.due
        self.outcome, reply = self.scenario.answer(poll)
        entry.outcome = self.outcome
        asked = retry_after(self.scenario, poll).items()
        entry.pause = self.scenario.retry_after if asked and asked <= set(reply.headers.items()) else 0
        self.due = entry.at + entry.pause
        return reply


class Namespace:
    """Operations, journal, clock and defaults that no other namespace shares, under a URL of their own.

    `scenario` is what becomes of an operation that does not say it. `credentials` are the keys and tokens (without
    prefix) that are accepted; None accepts every well-formed one. Both may be changed at any time. With
    `virtual_time` the clock moves by `advance` alone; else it runs, and `advance` moves it on top.
    """

    def __init__(
        self,
        url: str,
        *,
        scenario: Scenario | str = "completes",
        credentials: Collection[str] | None = None,
        virtual_time: bool = False,
    ) -> None:
        self.url = url
        self.scenario = Scenario.parse(scenario)
        self.credentials = credentials
        self.virtual_time = virtual_time
        self.namespaces: dict[str, Namespace] = {}
        self.operations: dict[str, Operation] = {}
        self.entries: deque[Entry] = deque(maxlen=JOURNAL)
        self._time: Callable[[], float] = float if virtual_time else time.monotonic  # float() is 0.0
        self._zero = self._time()
        self._epoch = time.time()

    def namespace(
        self,
        name: str,
        *,
        scenario: Scenario | str | None = None,
        credentials: Collection[str] | None = None,
        virtual_time: bool | None = None,
    ) -> "Namespace":
        """Make a namespace of the emulator, or make it anew. What is not given is as it is here.

        Its URL is `{url}/namespaces/{name}`; in the name, what is no ASCII letter, digit or `_` becomes a `-`.
        """
        name = re.sub(r"[^a-zA-Z0-9_]", "-", name)
        made = self.namespaces[name] = Namespace(
            f"{self.url}/namespaces/{name}",
            scenario=self.scenario if scenario is None else scenario,
            credentials=self.credentials if credentials is None else credentials,
            virtual_time=self.virtual_time if virtual_time is None else virtual_time,
        )
        return made

    def now(self) -> float:
        """Seconds on this namespace's clock, 0 when it was made."""
        return self._time() - self._zero

    def date(self) -> float:
        """The wall clock that goes with `now`, in seconds since 1970: what `Date` headers tell."""
        return self._epoch + self.now()

    @property
    def clock(self) -> Clock:
        """This time for a client: `wait_for_operation(…, clock=emulator.clock)` sleeps by `advance`, so not at all."""

        async def sleep_async(seconds: float) -> None:
            self.advance(seconds)
            await anyio.lowlevel.checkpoint()

        return Clock(monotonic=self.now, wall=self.date, sleep=self.advance, sleep_async=sleep_async)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._zero -= seconds

    def start_operation(
        self,
        scenario: Scenario | str | dict[str, Any] | None = None,
        *,
        operation_id: str | None = None,
        origin: str | None = None,
    ) -> Operation:
        """Start an operation as a register request does. Raises ValueError for an unknown scenario or a bad id.

        `operation_id` defaults to a new one, `origin` (scheme, host and port of its `location`) to that of `url`.
        """
        chosen = self.scenario if scenario is None else Scenario.parse(scenario)
        operation_id = str(uuid4()) if operation_id is None else operation_id
        if not GUID.fullmatch(operation_id):
            raise ValueError("operation_id: not a GUID")
        location = urljoin(origin or self.url, f"{urlsplit(self.url).path}/dataRegistries/operations/{operation_id}")
        operation = Operation(operation_id, location, chosen, started=self.now())
        self.operations[operation_id.lower()] = operation
        return operation

    def snapshot(self) -> dict[str, object]:
        """Everything there is to know, ready for JSON."""
        return {
            "now": self.now(),
            "operations": [
                asdict(operation) | {"scenario": str(operation.scenario)}
                for operation in list(self.operations.values())
            ],
            "entries": [asdict(entry) for entry in self.journal()],
        }

    def journal(self, operation: Operation | None = None) -> list[Entry]:
        """The requests so far, oldest first, at most the last 10 000; only those about one operation if it is given."""
        return [entry for entry in list(self.entries) if operation is None or entry.operation_id == operation.id]
